"""A mission below `/rover` of a Starlette app: `uvicorn in_starlette:app`."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from rover.mission import MissionControl


async def own(_: Request) -> PlainTextResponse:
    """A page of the app itself."""
    return PlainTextResponse("the app's own page")


app = Starlette(routes=[Route("/own", own)])
MissionControl().mount(app, "/rover")
