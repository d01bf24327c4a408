"""Limits on connections, before a request is read: how many, and how many of one client.

The protocols in `rover.asgi.servers.uvicorn_protocols` ask for each connection. A connection over a
limit is served only if it is one of a few reserved ones, and then only health checks and clients
with a token are: an operator can still find out what is wrong, and who it is.

A reserved connection serves one request. Until a token or a session has proven whose it is, it is
aborted if another one needs its place: strangers cannot fill the reserve by waiting.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from rover.asgi.clients import UNIX_SOCKET, Clients, client_name
from rover.asgi.servers.uvicorn import max_frame_bytes, missing_options
from rover.asgi.turns import Turns
from rover.descriptors import max_clients
from rover.errors import PoolFull
from rover.shares import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope

    from rover.settings import Settings

logger = logging.getLogger("rover.connections")

LIMITS = "rover.connection_limits"
"""The key of the limits in the state of the ASGI lifespan, where the protocols find them."""

RESERVED = "rover.reserved"
"""The key in an ASGI scope of the `Reservation` of a reserved connection."""

RESERVED_CONNECTIONS = 64
RESERVED_PER_CLIENT = 4

MAX_KNOWN = 1024
"""Maximum number of clients with a token that are remembered."""

MAX_INCOMPLETE = 384
"""Maximum number of connections with a header or a WebSocket message that is incomplete.

Each buffers up to 100 kB. The header of an ordinary request arrives in one piece.
"""

LOG_INTERVAL_S = 10.0
"""Minimum seconds between two log lines about refused connections."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A reserved connection.

    Attributes:
        full: the limit that is reached.
        prove: called if the client has a token or a session.
    """

    full: PoolFull
    prove: Callable[[], None]


@dataclass(slots=True)
class OpenConnection:
    """One connection.

    Attributes:
        client: whose it is; `None` for a trusted proxy.
        pool: that it counts in.
        reservation: `None` unless it is reserved.
        is_incomplete: whether it has an incomplete header or message.
        protected_until_s: when a reserved connection may be aborted for another, in the clock's
            seconds.
    """

    client: str | None
    pool: Pool
    reservation: Reservation | None = None
    is_incomplete: bool = False
    protected_until_s: float = 0.0


class ConnectionLimits:
    """The open connections of a server.

    Connections of trusted proxies have no share: they are of many clients.

    Args:
        settings: the limit, the share and the proxies.
        clock: monotonic seconds.

    Attributes:
        pool: the connections, without reserved ones.
        reserved: the reserved connections.
        incomplete: those with an incomplete header or message.
        turns: share the time in which the clients' data is parsed.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = monotonic) -> None:
        share = settings.client_share
        limit = max_clients(settings.max_connections, "connections", "ROVER_MAX_CONNECTIONS")
        self.pool = Pool("connections", "ROVER_MAX_CONNECTIONS", limit, share)
        self.reserved = Pool(
            "reserved connections",
            "",
            RESERVED_CONNECTIONS,
            RESERVED_PER_CLIENT / RESERVED_CONNECTIONS,
        )
        self.incomplete = Pool("incomplete requests and messages", "", MAX_INCOMPLETE, share)
        self.turns = Turns()
        self._max_frame = max_frame_bytes(settings.max_message_bytes)
        self._clients = Clients(settings.trusted_proxies)
        self._open: dict[object, OpenConnection] = {}  # by transport
        self._unproven: dict[Any, OpenConnection] = {}  # reserved ones by transport, oldest first
        self._known: dict[str, None] = {}  # clients that have used a token or a session
        self._clock = clock
        self._refused = 0  # since the last log line
        self._log_at = 0.0

    def begin_lifespan(self, scope: Scope, receive: Receive) -> None:
        """Give the limits to the protocols of the server; log a warning if it has no limits."""
        if "state" in scope:
            scope["state"][LIMITS] = self
        if options := missing_options(receive, self._max_frame):
            logger.warning(
                "this server does not limit the size of headers and messages, or the connections "
                "of one client; start it by `python -m rover`, or give uvicorn the options %s",
                options,
            )

    def open(self, transport: Any) -> Reservation | None:
        """Count a new connection, until `close`.

        Returns:
            `None`, or the reservation of a reserved connection. It is protected until `protect`.

        Raises:
            PoolFull: a limit is reached, and no reserved connection is left for this client.
        """
        client = self.client_of(transport)
        try:
            self.pool.acquire(client)
        except PoolFull as exc:
            self._log_refusal(exc)
            if self.reserved.is_full(client) and not self._abort_unproven(client):
                raise
            self.reserved.acquire(client)
            reservation = Reservation(exc, partial(self._prove, transport))
            connection = OpenConnection(client, self.reserved, reservation, protected_until_s=inf)
            self._open[transport] = self._unproven[transport] = connection
            return reservation
        self._open[transport] = OpenConnection(client, self.pool)
        return None

    def protect(self, transport: object, seconds: float) -> None:
        """Do not abort a reserved connection for another one for some seconds, from now."""
        if (connection := self._unproven.get(transport)) is not None:
            connection.protected_until_s = self._clock() + seconds

    def remember(self, client: str) -> None:
        """Prefer the reserved connections of a client that has used a token or a session."""
        if client not in self._known:
            self._known[client] = None
            if len(self._known) > MAX_KNOWN:
                del self._known[next(iter(self._known))]

    def _prove(self, transport: object) -> None:
        if (connection := self._unproven.pop(transport, None)) and connection.client is not None:
            self.remember(connection.client)

    def _abort_unproven(self, newcomer: str | None) -> bool:
        """Abort the oldest connection that a newcomer may replace; returns whether there was one.

        Clients that have never used a token lose theirs first, and cannot replace those of others.
        A newcomer that has used one replaces those of strangers even while they are protected.
        """
        own_only = self.reserved.is_share_used(newcomer)
        is_known = newcomer in self._known
        now_s = self._clock()
        found = best = None
        for transport, connection in self._unproven.items():
            is_protected = now_s < connection.protected_until_s
            is_stranger = connection.client not in self._known
            if own_only and connection.client != newcomer:
                continue
            if is_stranger and not is_protected:
                found = transport
                break
            rank = 1 if is_stranger else 2
            if is_known and not (is_protected and rank == 2) and (best is None or rank < best):
                found, best = transport, rank
        if found is None:
            return False
        self.close(found)
        found.abort()
        return True

    def close(self, transport: object) -> None:
        """Count a connection no longer. It may have been refused."""
        self._unproven.pop(transport, None)
        if (connection := self._open.pop(transport, None)) is not None:
            connection.pool.release(connection.client)
            if connection.is_incomplete:
                self.incomplete.release(connection.client)

    def set_incomplete(self, transport: object, is_incomplete: bool) -> None:
        """Set whether a header or a message on a connection is incomplete.

        Raises:
            PoolFull: there are too many incomplete ones.
        """
        connection = self._open.get(transport)
        if connection is None or connection.is_incomplete == is_incomplete:
            return
        if is_incomplete:
            self.incomplete.acquire(connection.client)
        else:
            self.incomplete.release(connection.client)
        connection.is_incomplete = is_incomplete

    def reservation_of(self, transport: object) -> Reservation | None:
        """The reservation of a reserved connection; `None` for others."""
        connection = self._open.get(transport)
        return None if connection is None else connection.reservation

    def client_behind(self, scope: Scope, receive: Receive) -> str:
        """The name of the client of a request, also behind a trusted proxy."""
        return self._clients.name_of(scope, receive)

    def client_of(self, transport: Any) -> str | None:
        """The name of the client of a connection; `None` for a trusted proxy."""
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if peer and isinstance(peer, tuple) else None
        if self._clients.is_proxy(host):
            return None
        return UNIX_SOCKET if host is None else client_name(host)

    def _log_refusal(self, refusal: PoolFull) -> None:
        self._refused += 1
        if (now := self._clock()) >= self._log_at:
            logger.warning("refused %d connections; the last: %s", self._refused, refusal)
            self._refused, self._log_at = 0, now + LOG_INTERVAL_S
