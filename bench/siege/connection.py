"""Raw connections of attacks: from one address, with bytes that no HTTP library would send."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = "a-token-of-the-siege"

RECEIVE_BUFFER_BYTES = 4096
"""Kernel buffer of a client that reads nothing, so that the server notices soon."""

RESET = struct.pack("ii", 1, 0)
"""`SO_LINGER` with which a close is a reset, and leaves no port in TIME_WAIT."""


@dataclass(slots=True)
class Attacker:
    """One attack's place on the network, and what the server answered.

    Attributes:
        address: the source of its connections.
        port: of the server.
        connections: the number that it opened.
        refused: the number that the server or the kernel refused.
        statuses: the number of responses by status.
    """

    address: str
    port: int
    connections: int = 0
    refused: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    @asynccontextmanager
    async def connect(
        self, *, narrow: bool = False, address: str | None = None
    ) -> AsyncIterator[Connection]:
        """A connection, which ends with a reset.

        Args:
            narrow: whether its receive buffer is as small as possible.
            address: the source; by default that of the attack.

        Raises:
            OSError: the connection failed.
        """
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if narrow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        try:
            sock.bind((address or self.address, 0))
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        except OSError:
            self.refused += 1
            sock.close()
            raise
        self.connections += 1
        try:
            yield Connection(sock, self)
        finally:
            sock.close()


class Connection:
    """One connection of an attack.

    Args:
        sock: connected.
        attacker: counts the responses.
    """

    def __init__(self, sock: socket.socket, attacker: Attacker) -> None:
        self._sock = sock
        self._attacker = attacker
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        """Send all of the data.

        Raises:
            OSError: the server closed the connection.
        """
        await self._loop.sock_sendall(self._sock, data)

    async def receive(self) -> bytes:
        """The next bytes; empty at the end."""
        return await self._loop.sock_recv(self._sock, 2**16)

    async def request(
        self, path: str, *headers: str, method: str = "GET", body: bytes = b"", token: str = TOKEN
    ) -> None:
        """Send a request."""
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {token}",
            *headers,
        ]
        await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def status(self) -> int:
        """Wait for the response to begin, and count its status.

        Raises:
            OSError: the server closed the connection without a response.
        """
        start = await self.receive()
        if not start.startswith(b"HTTP/1.1 "):
            raise ConnectionResetError
        status = int(start[9:12])
        self._attacker.statuses[status] += 1
        return status

    async def read_to_end(self, timeout_s: float) -> None:
        """Read until the server closes the connection, or for a time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while await self.receive():
                    pass

    async def open_websocket(self, path: str, *, subprotocol: str = "rover.comms.v1") -> None:
        """Upgrade to a WebSocket.

        Raises:
            OSError: the server refused.
        """
        await self.request(
            path,
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Protocol: {subprotocol}",
        )
        if await self.status() != 101:
            raise ConnectionRefusedError

    async def flood(self, data: bytes) -> None:
        """Send data again and again while discarding what arrives, until the server closes."""
        reading = asyncio.ensure_future(self.read_to_end(3600))
        try:
            while not reading.done():
                await self.send(data)
                await asyncio.sleep(0)
        finally:
            reading.cancel()

    async def send_frame(self, payload: bytes, *, opcode: int = 1, final: bool = True) -> None:
        """Send a WebSocket frame."""
        await self.send(frame(payload, opcode=opcode, final=final))


def frame(payload: bytes, *, opcode: int = 1, final: bool = True) -> bytes:
    """A WebSocket frame, masked with zeros."""
    first = (0x80 if final else 0) | opcode
    size = len(payload)
    head = (
        struct.pack("!BB", first, 0x80 | size)
        if size < 126
        else struct.pack("!BBH", first, 0xFE, size)
        if size < 2**16
        else struct.pack("!BBQ", first, 0xFF, size)
    )
    return head + bytes(4) + payload
