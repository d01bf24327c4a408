"""Access checks: the mission runs, the client is allowed, and the page's origin is allowed.

Pure ASGI: `BaseHTTPMiddleware` and `CORSMiddleware` skip WebSockets, and nothing else checks a
WebSocket's Origin. A request from the page of another origin is refused if it could change or read
something (RFC 6455, 10.2).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote_to_bytes

from rover.asgi.authentication import AUTHENTICATED
from rover.asgi.clients import Clients, client_name
from rover.asgi.connection_limits import LIMITS, RESERVED
from rover.asgi.local import LocalClients
from rover.asgi.origins import Origins
from rover.asgi.request_headers import by_name
from rover.asgi.session_cookies import SessionCookies
from rover.errors import (
    AccessRefused,
    CookieRefused,
    Draining,
    NotStarted,
    ScopeRequired,
    SessionEnded,
    TokenRequired,
)
from rover.identity import IDENTITY, LOCAL, Identity

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from rover.asgi.connection_limits import ConnectionLimits
    from rover.sessions import SignIns
    from rover.settings import Settings
    from rover.tokens import Tokens

SCHEMES = (b"bearer", b"token")
"""Schemes of `Authorization`. Clients of InfluxDB use the second."""

STRANGER = "rover.stranger"
"""The key of the scope that is true if an open path serves a client that has no access."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class HasPhase(Protocol):
    """The parts of a mission that `Access` uses."""

    settings: Settings
    tokens: Tokens
    sign_ins: SignIns

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
        required: the scope that a client needs, one of `rover.identity.SCOPES`
            or `ANY`.
    """

    def __init__(
        self,
        app: ASGIApp,
        mission: HasPhase,
        open_paths: frozenset[str] = frozenset(),
        required: str = "view",
    ) -> None:
        self.app = app
        self._required = required
        self._mission = mission
        self._tokens = mission.tokens
        self._sign_ins = mission.sign_ins
        self._clients = Clients(mission.settings.trusted_proxies)
        self._cookies = SessionCookies(self._clients)
        self._local = LocalClients(mission.settings.hosts, mission.settings.trusted_proxies)
        self._origins = Origins(mission.settings.allowed_origins)
        self._open_paths = open_paths

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Check the request, then run the inner app.

        The inner app's coroutine is returned, if the check need not wait: a frame would be kept as
        long as the response.

        Raises:
            NotStarted: the mission's lifespan was not run.
            Draining: the server is shutting down.
            TokenRequired: the token is missing or wrong, or the session has ended.
            ScopeRequired: the client may not do this.
            AccessRefused: the client's address or the page's origin is not allowed.
            PoolFull: it is a reserved connection, and the client has no token.
        """
        if scope["type"] not in ("http", "websocket"):
            return self.app(scope, receive, send)
        if scope["path"].removeprefix(scope.get("root_path", "")) in self._open_paths:
            return self._run_open(scope, receive, send)
        identity = self._identify(scope, receive)
        if identity is None:
            return self._run_for_new(scope, receive, send)
        self._admit(identity, scope)
        return self.app(scope, receive, send)

    async def _run_open(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[STRANGER] = not await self._has_access(scope, receive)
        await self.app(scope, receive, send)

    async def _run_for_new(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._admit(await self._identify_new(scope, receive), scope)
        await self.app(scope, receive, send)

    def _admit(self, identity: Identity, scope: Scope) -> None:
        """Check what the client may do, and note who it is."""
        scope[IDENTITY] = identity
        if not identity.allows(self._required):
            raise ScopeRequired(self._required)
        if scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS:
            self._origins.check(scope)
        if self._mission.phase != "running":
            self._refuse_in_phase()
        if identity is not LOCAL:
            self._note_operator(scope)
        elif RESERVED in scope:
            raise scope[RESERVED].full

    def _note_operator(self, scope: Scope) -> None:
        """Keep a connection for the client, and prefer its next ones."""
        if RESERVED in scope:
            scope[RESERVED].prove()
        limits: ConnectionLimits | None = (scope.get("state") or {}).get(LIMITS)
        if limits is not None and (client := scope.get("client")):
            limits.remember(client_name(client[0]))

    def _refuse_in_phase(self) -> None:
        if self._mission.phase in ("draining", "ended"):
            raise Draining(2)
        raise NotStarted

    async def _has_access(self, scope: Scope, receive: Receive) -> bool:
        try:
            identity = self._identify(scope, receive)
            if identity is None:
                identity = await self._identify_new(scope, receive)
        except (AccessRefused, TokenRequired):
            return False
        scope[IDENTITY] = identity
        return identity.allows("view")

    def _identify(self, scope: Scope, receive: Receive) -> Identity | None:
        """The identity of the client; `None` if its token is unknown.

        Raises:
            TokenRequired: the token is missing, or the session has ended.
            AccessRefused: without tokens, the request does not come from this machine.
        """
        authenticated: Identity | None = scope.get(AUTHENTICATED)
        if authenticated is not None:
            return authenticated
        if not self._tokens.required:
            try:
                self._local.check(scope, receive)
            except AccessRefused:
                headers = by_name(scope)
                if _token_of(scope, headers) is not None:
                    return None
                with suppress(TokenRequired):
                    return self._signed_in(scope, receive, headers)
                raise
            return LOCAL
        headers = by_name(scope)
        if (token := _token_of(scope, headers)) is None:
            return self._signed_in(scope, receive, headers)
        return self._tokens.identify(token)

    async def _identify_new(self, scope: Scope, receive: Receive) -> Identity:
        """The identity of a client with an unknown token, if it was added a moment ago.

        Raises:
            WrongToken: the token is wrong.
            AccessRefused: the same, on a server without tokens.
        """
        token = _token_of(scope, by_name(scope)) or b""
        identity = await self._tokens.identify_new(token)
        if identity is not None:
            return identity
        if not self._tokens.required:
            self._local.check(scope, receive)
        raise self._sign_ins.failure(self._clients.name_of(scope, receive), token)

    def _signed_in(
        self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes]
    ) -> Identity:
        """The client of a ticket in the query, else of the session in the cookies.

        Raises:
            TokenRequired: there is neither.
            SessionEnded: the session has ended.
            CookieRefused: the page has another origin, which is not allowed by its name.
        """
        if scope["query_string"] and (scope["type"] == "websocket" or scope["method"] == "GET"):
            ticket = _in_query(scope, b"ticket")
            if ticket is not None and (identity := self._sign_ins.redeem(ticket)) is not None:
                return identity
        given = self._cookies.read(scope, receive, headers)
        if given and b"origin" in headers and not self._origins.may_use_cookies(scope):
            raise CookieRefused
        if len(given) == 1 and (identity := self._sign_ins.sessions.find(given[0])) is not None:
            return identity
        found = {one for one in map(self._sign_ins.sessions.find, given) if one is not None}
        if len(found) != 1:  # sessions of two people: another program may have set one of them
            raise SessionEnded if given else TokenRequired
        return found.pop()


def _token_of(scope: Scope, headers: Mapping[bytes, bytes]) -> bytes | None:
    """The token of a request: of its `Authorization`, else of its query."""
    if b"authorization" in headers:
        scheme, _, credentials = headers[b"authorization"].partition(b" ")
        if scheme.lower() in SCHEMES:
            return credentials.strip()
    return _in_query(scope, b"token") if scope["query_string"] else None


def _in_query(scope: Scope, wanted: bytes) -> bytes | None:
    """The value of a parameter. Its name must not be percent-encoded."""
    query: bytes = scope["query_string"]
    if wanted in query:
        prefix = wanted + b"="
        for field in query.split(b"&"):
            if field.startswith(prefix) and field != prefix:
                return unquote_to_bytes(field.removeprefix(prefix).replace(b"+", b" "))
    return None
