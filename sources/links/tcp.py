"""A TCP client, and a TCP listener."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from anyio import (
    BrokenResourceError,
    CancelScope,
    EndOfStream,
    connect_tcp,
    fail_after,
    move_on_after,
)
from anyio.abc import SocketAttribute

from sources.base import SourceError
from sources.links.addresses import Address, cannot_listen
from sources.links.chunk import MAX_CHUNK_BYTES, Chunk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

CONNECT_TIMEOUT_S = 10.0
"""Seconds that the machine may take to accept the connection."""

KEEPALIVE_IDLE_S = 10
"""Seconds of silence before the first keepalive probe."""

KEEPALIVE_INTERVAL_S = 5
"""Seconds between two keepalive probes."""

KEEPALIVE_PROBES = 3
"""Number of unanswered probes after which the connection is lost."""

CLOSE_TIMEOUT_S = 1.0
"""Seconds that closing a listener and its connections may take."""

MAX_CONNECTIONS = 64
"""Maximum number of connections to one listener at a time; further ones are closed."""

MAX_WAITING = 64
"""Maximum number of chunks that wait to be read; then TCP's flow control slows the senders."""

_log = logging.getLogger("rover.sources")


class TcpClient:
    """Connects to a machine and receives its bytes.

    Keepalive probes notice a machine that vanished without closing the connection: after about
    25 s on Linux.

    Args:
        address: of the machine.

    Attributes:
        place: as in `Link`.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self.place = f"tcp://{address}"

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Connect, and yield chunks as they arrive; see `Link`."""
        try:
            with fail_after(CONNECT_TIMEOUT_S):
                stream = await connect_tcp(self._address.host, self._address.port)
        except OSError as exc:  # a timeout is an OSError
            reason = _reason(exc) or f"no answer in {CONNECT_TIMEOUT_S:g} s"
            raise SourceError(f"{self.place} cannot be reached ({reason}); is it running?") from exc
        try:
            set_keepalive(stream.extra(SocketAttribute.raw_socket))  # noqa: S610 # no Django here
            while True:
                yield Chunk(await stream.receive(MAX_CHUNK_BYTES))
        except EndOfStream as exc:
            raise SourceError(f"{self.place} closed the connection") from exc
        except BrokenResourceError as exc:
            reason = str(exc.__cause__ or exc) or "broken"
            raise SourceError(f"the connection to {self.place} is lost ({reason})") from exc
        finally:
            with CancelScope(shield=True):
                await stream.aclose()


class TcpListener:
    """Accepts connections of machines and receives their bytes.

    Args:
        address: to listen on.

    Attributes:
        place: as in `Link`; with the port in use once the listener is open.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self.place = f"tcp-listen://{address}"

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield the chunks of all connections, in order of arrival; see `Link`."""
        arrived: asyncio.Queue[Chunk] = asyncio.Queue(MAX_WAITING)
        connections: set[asyncio.Task[None]] = set()
        numbers = count(1)

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            host = str((writer.get_extra_info("peername") or ("unknown",))[0])
            if len(connections) >= MAX_CONNECTIONS:
                reason = f"{MAX_CONNECTIONS} connections are open, the limit"
                _log.warning("%s: closed a connection of %s: %s", self.place, host, reason)
                writer.close()
                return
            set_keepalive(writer.get_extra_info("socket"))
            task = asyncio.create_task(receive(reader, writer, host, next(numbers)))
            connections.add(task)
            task.add_done_callback(connections.discard)

        async def receive(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, stream: int
        ) -> None:
            try:
                with suppress(OSError):  # a lost connection ends like a closed one
                    while data := await reader.read(MAX_CHUNK_BYTES):
                        await arrived.put(Chunk(data, host, stream))
                await arrived.put(Chunk(b"", host, stream, last=True))
            finally:
                writer.close()

        try:
            server = await asyncio.start_server(  # started later: cancelled here, it would leak
                accept,
                self._address.host,
                self._address.port,
                limit=MAX_CHUNK_BYTES,
                start_serving=False,
            )
        except OSError as exc:
            raise cannot_listen(self.place, exc) from exc
        try:
            await server.start_serving()
            self.place = f"tcp-listen://{Address(*server.sockets[0].getsockname()[:2])}"
            while True:
                yield await arrived.get()
        finally:
            server.close()
            ending = list(connections)
            for task in ending:
                task.cancel()
            with move_on_after(CLOSE_TIMEOUT_S, shield=True):
                await asyncio.gather(*ending, return_exceptions=True)
                await server.wait_closed()


def set_keepalive(connection: socket.socket) -> None:
    """Have the operating system probe a silent connection, as far as it can."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _reason(exc: OSError) -> str:
    """The text of the error of one address, of which a host may have several."""
    cause = exc.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return str(cause or exc)
