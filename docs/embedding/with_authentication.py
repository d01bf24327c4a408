"""A mission for the users of a Starlette app: `uvicorn with_authentication:app`."""

from base64 import b64decode
from secrets import compare_digest

from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    BaseUser,
    SimpleUser,
    requires,
)
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from rover.mission import MissionControl

PASSWORDS = {"Ada": "an example, not a secret", "Bo": "another example"}
SCOPES = {"Ada": ["authenticated", "view", "say:flight-*", "upload"], "Bo": ["authenticated"]}


class Crew(AuthenticationBackend):
    """The users of the app, by name and password."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """The user of a request, and what the user may do in the app and in the mission."""
        scheme, _, encoded = conn.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = b64decode(encoded).decode().partition(":")
        except ValueError:
            return None
        expected = PASSWORDS.get(name, "")
        if not expected or not compare_digest(password.encode(), expected.encode()):
            return None
        return AuthCredentials(SCOPES[name]), SimpleUser(name)


@requires("authenticated")
async def own(request: Request) -> PlainTextResponse:
    """A page of the app itself."""
    return PlainTextResponse(f"hello {request.user.display_name}")


app = Starlette(
    routes=[Route("/own", own)],
    middleware=[Middleware(AuthenticationMiddleware, backend=Crew())],
)
MissionControl(authentication=Crew()).mount(app, "/rover")
