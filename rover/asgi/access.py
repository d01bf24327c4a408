"""Access checks: the mission runs, the client is allowed, and no foreign page sends the request.

Pure ASGI: `BaseHTTPMiddleware` and `CORSMiddleware` skip WebSockets, and nothing else checks a
WebSocket's Origin. A browser sends cookies along with any site's WebSockets and forms, so requests
of foreign pages are refused where they could change or receive something (RFC 6455, 10.2).
"""

from __future__ import annotations

import secrets
from http.cookies import SimpleCookie
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from rover.asgi.servers.granian import UNIX_SOCKET_CLIENT
from rover.errors import AccessRefused, Draining, NotStarted, TokenRequired

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from rover.settings import Settings

COOKIE = "rover_token"

LOCAL_CLIENTS = frozenset({UNIX_SOCKET_CLIENT, "testclient"})
"""Client addresses of this machine that are not IP addresses; `TestClient` reports the second."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Mission(Protocol):
    """The parts of a mission that `Access` uses."""

    @property
    def settings(self) -> Settings:
        """Tokens and origins."""
        ...

    @property
    def phase(self) -> str:
        """`running`, or why requests are refused: `not started`, `draining`, `ended`."""
        ...


class Access:
    """Passes a request to the inner app, or raises why not.

    Args:
        app: the inner app.
        mission: asked for its phase at each request.
        open_paths: answered in any phase, as health checks are.
    """

    def __init__(self, app: ASGIApp, mission: Mission, open_paths: frozenset[str]) -> None:
        self.app = app
        self._mission = mission
        self._tokens = [t.encode() for t in _words(mission.settings.tokens)]
        self._origins = set(_words(mission.settings.allowed_origins))
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
            self._check_client(connection)
            self._check_origin(connection)
            if scope["path"].removeprefix(scope.get("root_path", "")) not in self._open_paths:
                self._check_phase()
        await self.app(scope, receive, send)

    def _check_phase(self) -> None:
        phase = self._mission.phase
        if phase in ("draining", "ended"):
            raise Draining(2)
        if phase != "running":
            raise NotStarted

    def _check_client(self, connection: HTTPConnection) -> None:
        if self._tokens:
            given = _token_of(connection).encode()
            if not any(secrets.compare_digest(given, token) for token in self._tokens):
                raise TokenRequired
        elif connection.client and not _is_local(connection.client.host):
            raise AccessRefused(
                f"clients at {connection.client.host} need a token: without ROVER_TOKENS, this "
                "server answers only clients on its own machine"
            )

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


def _words(text: str) -> list[str]:
    return [word for word in map(str.strip, text.split(",")) if word]


def _is_local(host: str) -> bool:
    if host in LOCAL_CLIENTS:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _token_of(connection: HTTPConnection) -> str:
    scheme, _, credentials = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if token := connection.query_params.get("token"):
        return token
    morsel = SimpleCookie(connection.headers.get("cookie", "")).get(COOKIE)
    return "" if morsel is None else morsel.value
