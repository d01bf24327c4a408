"""Access checks: the mission runs, the client is allowed, and the page's origin is allowed.

Pure ASGI: `BaseHTTPMiddleware` and `CORSMiddleware` skip WebSockets, and nothing else checks a
WebSocket's Origin. A browser sends cookies with the WebSockets and forms of any site, so a request
from the page of another origin is refused if it could change or read something (RFC 6455, 10.2).
"""

from __future__ import annotations

import secrets
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from rover.addresses import words
from rover.asgi.local import LocalClients
from rover.errors import AccessRefused, Draining, NotStarted, TokenRequired

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from rover.settings import Settings

COOKIE = "rover_token"

STRANGER = "rover.stranger"
"""The key of the scope that is true if an open path serves a client that has no access."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class HasPhase(Protocol):
    """The parts of a mission that `Access` uses."""

    @property
    def settings(self) -> Settings:
        """Tokens and origins."""
        ...

    @property
    def phase(self) -> str:
        """`running`; requests are refused if `not started`, `draining` or `ended`."""
        ...


class Access:
    """Checks each request, then passes it to the inner app.

    Args:
        app: the inner app.
        mission: the tokens, origins and phase.
        open_paths: served in any phase and to any client, such as health checks.
    """

    def __init__(self, app: ASGIApp, mission: HasPhase, open_paths: frozenset[str]) -> None:
        self.app = app
        self._mission = mission
        self._tokens = [t.encode() for t in words(mission.settings.tokens)]
        self._local = LocalClients(mission.settings.hosts, mission.settings.trusted_proxies)
        self._origins = set(words(mission.settings.allowed_origins))
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, then run the inner app.

        Raises:
            NotStarted: the mission's lifespan was not run.
            Draining: the server is shutting down.
            TokenRequired: the token is missing or wrong.
            AccessRefused: the client's address or the page's origin is not allowed.
        """
        if scope["type"] in ("http", "websocket"):
            connection = HTTPConnection(scope)
            if scope["path"].removeprefix(scope.get("root_path", "")) in self._open_paths:
                scope[STRANGER] = not self._has_access(connection, receive)
            else:
                self._check_client(connection, receive)
                self._check_origin(connection)
                self._check_phase()
        await self.app(scope, receive, send)

    def _check_phase(self) -> None:
        phase = self._mission.phase
        if phase in ("draining", "ended"):
            raise Draining(2)
        if phase != "running":
            raise NotStarted

    def _has_access(self, connection: HTTPConnection, receive: Receive) -> bool:
        try:
            self._check_client(connection, receive)
        except (AccessRefused, TokenRequired):
            return False
        return True

    def _check_client(self, connection: HTTPConnection, receive: Receive) -> None:
        if not self._tokens:
            self._local.check(connection.scope, receive)
            return
        given = _token_of(connection).encode()
        if not any(secrets.compare_digest(given, token) for token in self._tokens):
            raise TokenRequired

    def _check_origin(self, connection: HTTPConnection) -> None:
        origin = connection.headers.get("origin")
        safe = connection.scope["type"] == "http" and connection.scope["method"] in SAFE_METHODS
        if origin is None or safe or "*" in self._origins or origin in self._origins:
            return
        if urlsplit(origin).netloc != connection.headers.get("host"):
            raise AccessRefused(
                f"pages of {origin} are not allowed to use this server; add the origin to "
                "ROVER_ALLOWED_ORIGINS, or have the proxy forward the Host header"
            )


def _token_of(connection: HTTPConnection) -> str:
    scheme, _, credentials = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token"):  # the second is that of InfluxDB's clients
        return credentials.strip()
    if token := connection.query_params.get("token"):
        return token
    morsel = SimpleCookie(connection.headers.get("cookie", "")).get(COOKIE)
    return "" if morsel is None else morsel.value
