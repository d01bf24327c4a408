"""The clients' connections, for what ASGI has no message for: to cut one, and to miss its client.

A response that just returns leaves its end to the server, and a server closes politely, which with
a client that reads nothing never ends: its socket and what is buffered for it stay, and so does the
server at shutdown, which waits for its connections. And a client that is gone with its cable says
no goodbye: what is sent to it fits into the kernel's buffer for hours.

uvicorn shows its connection through the `receive` that it passes. With other servers, and under
middleware that wraps `receive`, the connection is found among this process's sockets, by the
client's address. Where that is not the client's own (a Unix socket; a proxy's headers), and in
HTTP/2, where a connection is not of one request alone, none is cut: the server is on its own.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import stat
import struct
import termios
from contextlib import suppress
from pathlib import Path
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from anyio import Event, move_on_after, sleep
from anyio.to_thread import run_sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import Receive, Scope

    Ends = tuple[str, int, int]
    """The client's address and port, and the port here."""

    Act = Callable[[socket.socket], object]

logger = logging.getLogger("rover.streams")

USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it

OPEN_FILES = next((path for path in map(Path, ("/proc/self/fd", "/dev/fd")) if path.exists()), None)

SEARCH_PAUSE_S = 0.05
REST = 4.0
"""The process's sockets are searched for all that are asked for together, and then no more for so
many times as long as it took, and for no less than the pause."""

CLEAR_S = 0.2

FOUND_S = 1.0
"""By then it was found and cut, or is not there any more."""

MOST_LEFT = 10_000
"""Connections of responses that have ended are remembered, the newest of them."""

BLOCKING_AS_IT_IS = socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0)
"""Else a default timeout, if the host has set one, would be set on the server's own socket too."""


class Unfinished(Exception):
    """A response ended before its end, and its connection could not be cut.

    The server is to see it: if the app just returned, middleware would end the response in peace.
    """


@runtime_checkable
class _Transport(Protocol):
    def close(self) -> None: ...
    def abort(self) -> None: ...


class Connections:
    """The connections of one mission's clients.

    Attributes:
        timeout_s: a client that takes nothing for so long is cut off.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._sought: dict[Ends, Act] = {}
        self._seek = Event()
        self._left: dict[Ends, tuple[float, Act]] = {}

    async def run(self) -> None:
        """Search for the connections that no server shows, until cancelled."""
        while True:
            await self._seek.wait()
            self._seek = Event()
            sought, self._sought = self._sought, {}
            began = perf_counter()
            await self._search(sought)
            await sleep(max(SEARCH_PAUSE_S, REST * (perf_counter() - began)))

    def expect_acks(self, scope: Scope, receive: Receive) -> None:
        """Have the kernel end the connection when the client acknowledges nothing any more.

        The first thing sent after it went, a heartbeat at the latest, starts the timeout.

        Source: RFC 5482; tcp(7), TCP_USER_TIMEOUT.

        Args:
            scope: of the request or the WebSocket.
            receive: likewise.
        """
        if (ends := _ends(scope)) is not None:
            self._left.pop(ends, None)  # another request over the same connection
        told = getattr(_transport(receive), "get_extra_info", None)
        if told is None:
            self._find(scope, self._miss)
        else:
            with suppress(OSError, AttributeError, ValueError):  # not TCP, or gone already
                self._miss(told("socket"))

    def cut(self, scope: Scope, receive: Receive) -> None:
        """Cut the connection; what is buffered for the client is dropped.

        Args:
            scope: of the request or the WebSocket.
            receive: likewise.
        """
        if (transport := _transport(receive)) is not None:
            transport.abort()
        else:
            self._find(scope, _shut)

    async def hang_up(self, scope: Scope, receive: Receive, *, flush: bool = False) -> None:
        """Cut the connection of an unfinished response; the client sees that it is incomplete.

        Return from the app after it.

        Args:
            scope: of the request.
            receive: likewise; it has not told of a disconnect yet.
            flush: the client may first fetch what is buffered for it, and take the timeout for it;
                where the server shows its connection.

        Raises:
            Unfinished: it could not be cut.
        """
        transport = _transport(receive)
        if transport is None:
            if not self._find(scope, _shut):
                raise Unfinished(scope["path"])
            with move_on_after(FOUND_S):
                await _disconnected(receive)
                return
            raise Unfinished(scope["path"])
        if flush:
            transport.close()
            with move_on_after(self.timeout_s):
                await _disconnected(receive)
                return
        transport.abort()
        await _disconnected(receive)

    def leave(self, scope: Scope, *, unread: bool = False) -> None:
        """Note that a response has ended; the server may still have the last of it to send.

        Args:
            scope: of the request.
            unread: the request's body was not taken whole: the connection is of no use any more.
        """
        if (ends := _ends(scope)) is not None:
            self._left.pop(ends, None)
            self._left[ends] = monotonic(), _shut if unread else _ShutIfStuck()
            if len(self._left) > MOST_LEFT:
                del self._left[next(iter(self._left))]

    async def clear(self) -> None:
        """Cut those whose response has ended and whose client does not take the last of it.

        A server that is going down would wait for them. What is in the kernel's hands is sent. Call
        it again and again: who takes nothing from one time to the next is cut.
        """
        oldest = monotonic() - 2 * self.timeout_s  # by then, the kernel has cut it
        if sought := {ends: act for ends, (at, act) in self._left.items() if at > oldest}:
            await self._search(sought)

    async def keep_clearing(self) -> None:
        """Do so until cancelled: a server waits for its connections before it has the app end."""
        while True:
            await self.clear()
            await sleep(CLEAR_S)

    async def _search(self, sought: dict[Ends, Act]) -> None:
        try:
            await run_sync(_visit, sought)
        except OSError as exc:  # no file left to list files with
            logger.warning("could not search for %d connections: %s", len(sought), exc)

    def _find(self, scope: Scope, act: Act) -> bool:
        """Have the search find it; whether it can."""
        ends = _ends(scope)
        if ends is None or OPEN_FILES is None:
            return False
        self._sought[ends] = act
        self._seek.set()
        return True

    def _miss(self, connection: socket.socket) -> None:
        if USER_TIMEOUT is not None:
            connection.setsockopt(socket.IPPROTO_TCP, USER_TIMEOUT, int(self.timeout_s * 1000))


def _transport(receive: Receive) -> _Transport | None:
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    return transport if isinstance(transport, _Transport) else None


def _ends(scope: Scope) -> Ends | None:
    if not scope.get("http_version", "1.1").startswith("1"):
        return None
    try:
        (host, port), (_, port_here) = scope["client"], scope["server"]
        return host, int(port), int(port_here)
    except (KeyError, TypeError, ValueError):  # a Unix socket, or a server that does not say
        return None


def _visit(sought: dict[Ends, Act]) -> None:
    for connection in _connections():
        with suppress(OSError):  # gone meanwhile
            host, port = connection.getpeername()[:2]
            if act := sought.get((host, port, connection.getsockname()[1])):
                act(connection)


def _connections() -> Iterator[socket.socket]:
    """This process's TCP connections, each as a duplicate that is closed after its turn.

    A duplicate, because the server may close its own at any moment, and the number be another's.
    """
    for entry in OPEN_FILES.iterdir() if OPEN_FILES else ():
        try:
            fd = os.dup(int(entry.name))
        except OSError:
            continue
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            os.close(fd)
            continue
        with socket.socket(-1, BLOCKING_AS_IT_IS, -1, fd) as connection:
            if connection.family in (socket.AF_INET, socket.AF_INET6):
                yield connection


def _shut(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


class _ShutIfStuck:
    """Shuts a connection of which nothing went out since it was called before."""

    def __init__(self) -> None:
        self._unsent = 0

    def __call__(self, connection: socket.socket) -> None:
        said = fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4))  # tcp(7), SIOCOUTQ
        before, (self._unsent,) = self._unsent, struct.unpack("i", said)
        if self._unsent and self._unsent == before:
            _shut(connection)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
