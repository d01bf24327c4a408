"""Access for the users of the app that contains the mission.

The app brings the backend of its own sign-in, as for Starlette's `AuthenticationMiddleware`. The
backend is asked for each request and each WebSocket. It needs no middleware in front, so access
does not depend on the order of middleware.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.authentication import AuthenticationError
from starlette.requests import HTTPConnection

from rover.errors import BackendFailed
from rover.identity import SCOPES, Identity

if TYPE_CHECKING:
    from starlette.authentication import AuthenticationBackend, BaseUser
    from starlette.types import ASGIApp, Receive, Scope, Send

    from rover.asgi.origins import Origins

logger = logging.getLogger("rover.errors")

AUTHENTICATED = "rover.authenticated"
"""The key of the identity in an ASGI scope, if the backend knows the client."""

MAX_NAME_CHARACTERS = 64


class Authentication:
    """Asks a backend who the client is, then runs the inner app.

    A client that the backend does not know needs a token, even if the backend raises
    `AuthenticationError`: the request may have a token of the mission where the backend expects one
    of its own.

    Args:
        app: the inner app, with an access check.
        backend: returns the credentials and the user of a request. It is not asked about pages of
            other origins that are not allowed by name: the request may have a cookie or a password
            that the browser added. Those scopes of the credentials
            that are in `rover.identity.SCOPES`, or are `say:PATTERN`, are the client's. The
            `display_name` of the user is its name, and `role`, if there is one, its role.
        origins: which pages are allowed.
    """

    def __init__(self, app: ASGIApp, backend: AuthenticationBackend, origins: Origins) -> None:
        self.app = app
        self._backend = backend
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the identity in the scope, and run the inner app.

        Raises:
            BackendFailed: the backend has raised an error.
        """
        if scope["type"] in ("http", "websocket"):
            scope[AUTHENTICATED] = await self._identify(scope)
        await self.app(scope, receive, send)

    async def _identify(self, scope: Scope) -> Identity | None:
        if not self._origins.may_use_cookies(scope):
            return None
        try:
            return await self._ask(scope)
        except AuthenticationError:
            return None
        except Exception as exc:
            logger.exception("the authentication backend of the app failed")
            raise BackendFailed from exc

    async def _ask(self, scope: Scope) -> Identity | None:
        found = await self._backend.authenticate(HTTPConnection(scope))
        if found is None:
            return None
        credentials, user = found
        if not user.is_authenticated:
            return None
        scopes = frozenset(one for one in credentials.scopes if one.partition(":")[0] in SCOPES)
        return Identity(_name_of(user), scopes, _shown(getattr(user, "role", "")))


def _name_of(user: BaseUser) -> str:
    try:
        return _shown(user.display_name)
    except NotImplementedError:
        return _shown(user.identity)


def _shown(text: object) -> str:
    """The text without characters that cannot be shown, truncated."""
    if not isinstance(text, str):
        return ""
    return "".join(filter(str.isprintable, text)).strip()[:MAX_NAME_CHARACTERS].strip()
