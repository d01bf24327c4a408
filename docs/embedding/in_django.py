"""A mission below `/rover` of a Django project, in its `asgi.py`: `uvicorn in_django:app`."""

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from rover.mission import MissionControl


async def own(_: HttpRequest) -> HttpResponse:
    """A page of the project itself."""
    return HttpResponse("the app's own page")


urlpatterns = [path("own", own)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])

app = MissionControl().beside(get_asgi_application(), "/rover")
