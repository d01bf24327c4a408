"""Who may come in: the mission is running, the client is allowed, the page is ours.

Pure ASGI: `BaseHTTPMiddleware` and `CORSMiddleware` skip WebSockets, and nothing else checks a
WebSocket's Origin. A browser sends cookies along with any site's WebSocket and form, so a foreign
page is refused where it could do or hear something (RFC 6455, 10.2).
"""

from __future__ import annotations

import secrets
from http.cookies import SimpleCookie
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from rover.errors import AccessRefused, Draining, NotStarted, TokenRequired

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from rover.settings import Settings

COOKIE = "rover_token"

IN_THIS_MACHINE = frozenset({"", "testclient"})
"""What granian says of a Unix socket's client, and Starlette's `TestClient` of itself."""

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Mission(Protocol):
    """What the gate must know of the mission."""

    running: bool
    draining: bool


class Gate:
    """Lets a request through to the app inside, or raises why not.

    Args:
        app: the app inside.
        mission: asked whether it runs.
        settings: tokens and origins.
        open_paths: answered at any time to any client that may come in, as health checks are.
    """

    def __init__(
        self, app: ASGIApp, mission: Mission, settings: Settings, open_paths: frozenset[str]
    ) -> None:
        self.app = app
        self._mission = mission
        self._tokens = [t.encode() for t in _words(settings.tokens)]
        self._origins = set(_words(settings.allowed_origins))
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, then run the app inside.

        Raises:
            NotStarted: the mission's lifespan was not run.
            Draining: it is going down.
            TokenRequired: no token, or a wrong one.
            AccessRefused: not a client or a page that may come in.
        """
        if scope["type"] in ("http", "websocket"):
            connection = HTTPConnection(scope)
            self._check_client(connection)
            self._check_origin(connection)
            if scope["path"].removeprefix(scope.get("root_path", "")) not in self._open_paths:
                if self._mission.draining:
                    raise Draining(2)
                if not self._mission.running:
                    raise NotStarted
        await self.app(scope, receive, send)

    def _check_client(self, connection: HTTPConnection) -> None:
        if self._tokens:
            given = _token_of(connection).encode()
            if not any(secrets.compare_digest(given, token) for token in self._tokens):
                raise TokenRequired
        elif connection.client and not _is_near(connection.client.host):
            raise AccessRefused(
                f"this server answers only its own machine, and you are {connection.client.host}; "
                "set ROVER_TOKENS to let others in"
            )

    def _check_origin(self, connection: HTTPConnection) -> None:
        origin = connection.headers.get("origin")
        reading = connection.scope["type"] == "http" and connection.scope["method"] in READING
        if origin is None or reading or "*" in self._origins or origin in self._origins:
            return
        if urlsplit(origin).netloc != connection.headers.get("host"):
            raise AccessRefused(
                f"pages of {origin} may not talk to this server; add the origin to "
                "ROVER_ALLOWED_ORIGINS, or have the proxy pass the Host header on"
            )


def _words(text: str) -> list[str]:
    return [word for word in map(str.strip, text.split(",")) if word]


def _is_near(host: str) -> bool:
    if host in IN_THIS_MACHINE:
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
