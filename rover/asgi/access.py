"""Access checks: the mission runs, the client is allowed, and the page's origin is allowed.

Pure ASGI: `BaseHTTPMiddleware` and `CORSMiddleware` skip WebSockets, and nothing else checks a
WebSocket's Origin. A browser sends cookies with the WebSockets and forms of any site, so a request
from the page of another origin is refused if it could change or read something (RFC 6455, 10.2).
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
"""Local client addresses that are not IP addresses; Starlette's `TestClient` is the second."""

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
        open_paths: served in any phase, such as health checks.
    """

    def __init__(self, app: ASGIApp, mission: HasPhase, open_paths: frozenset[str]) -> None:
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
                "server serves only clients on its own machine"
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
    if scheme.lower() in ("bearer", "token"):  # the second is that of InfluxDB's clients
        return credentials.strip()
    if token := connection.query_params.get("token"):
        return token
    morsel = SimpleCookie(connection.headers.get("cookie", "")).get(COOKIE)
    return "" if morsel is None else morsel.value
