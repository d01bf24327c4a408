"""A crowd of clients on raw sockets, lean enough that thousands fit beside the server on two cores.

Readers of telemetry, members of rooms, downloads and uploads are opened, and then watched to their
end by one selector, together with the end of the server's process.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["reader", "member", "download", "upload"]

OPENING = 200
"""Connections that wait for their answer at once: fewer than any server's backlog holds."""

TAIL_BYTES = 4096
BOUNDARY = "crowd"
HALF_A_FILE = b"@sequence first-drive\n" + b"; a comment\n" * 40
UPLOAD_BYTES = 100_000
CLOSE = b"\x88\x82\0\0\0\0\x03\xf4"
"""A client's close frame, code 1012, with a mask of zeros."""


@dataclass
class Client:
    """One connection, and what came over it."""

    kind: Kind
    request: bytes
    socket: socket.socket
    tail: bytes = b""
    received: int = 0
    answered: bool = False
    ended: bool = False
    broken: bool = False
    close_code: int = 0
    first: bytes = field(default=b"", repr=False)

    def read(self) -> None:
        """Take what is there."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            self.broken = True
            data = b""
        if not data:
            self.ended = True
            return
        self.first += data[: max(0, 2048 - len(self.first))]
        self.received += len(data)
        self.tail = (self.tail + data)[-TAIL_BYTES:]
        if self.kind == "member" and (at := self.tail.rfind(b"\x88")) >= 0 and self.answered:
            self.close_code = int.from_bytes(self.tail[at + 2 : at + 4], "big")
            if self.close_code == 1012:
                self.send(CLOSE)

    def send(self, data: bytes) -> None:
        """Send what fits; who is gone gets nothing."""
        try:
            self.socket.send(data)
        except OSError:
            self.broken = True


class Crowd:
    """The clients of one server.

    Args:
        port: where it listens, on the loopback.
        prefix: under which the mission is.
    """

    def __init__(self, port: int, prefix: str) -> None:
        self.clients: list[Client] = []
        self._port = port
        self._prefix = prefix
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for client in self.clients:
            client.socket.close()

    def of(self, kind: Kind) -> list[Client]:
        """Those of one kind."""
        return [client for client in self.clients if client.kind == kind]

    def open(self, readers: int, members: int, downloads: int, uploads: int) -> None:
        """Open so many of each; returns when every one is answered.

        Raises:
            AssertionError: one of them was not, in 40 s.
        """
        counts: dict[Kind, int] = {
            "reader": readers,
            "member": members,
            "download": downloads,
            "upload": uploads,
        }
        kinds = [kind for kind, count in counts.items() for _ in range(count)]
        waiting = iter(enumerate(kinds))
        opening = 0
        deadline = time.monotonic() + 40
        more = True
        while more or opening:
            while more and opening < OPENING:
                if (wanted := next(waiting, None)) is None:
                    more = False
                    break
                self._start(*wanted)
                opening += 1
            assert time.monotonic() < deadline, f"{opening} of {len(kinds)} were not answered"
            for key, events in self._selector.select(0.1):
                client: Client = key.data
                if events & selectors.EVENT_WRITE:
                    client.send(client.request)
                    self._selector.modify(client.socket, selectors.EVENT_READ, client)
                    continue
                client.read()
                assert not client.ended, (client.kind, client.first)
                if not client.answered and self._is_answered(client):
                    client.answered = True
                    opening -= 1
                    if client.kind == "download":
                        self._selector.unregister(client.socket)  # it takes no more for now

    def _start(self, number: int, kind: Kind) -> None:
        request = self._request(kind, number)
        connection = socket.socket()
        if kind == "download":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", self._port))
        client = Client(kind, request, connection)
        self.clients.append(client)
        self._selector.register(connection, selectors.EVENT_WRITE, client)

    def _request(self, kind: Kind, number: int) -> bytes:
        head = {
            "reader": "GET {}/stream/rover-telemetry",
            "download": "GET {}/stream/rover-image",
            "member": f"GET {{}}/ws/comms/room-{number % 5}",
            "upload": "POST {}/upload/rover-commands",
        }[kind].format(self._prefix) + " HTTP/1.1\r\nHost: rover\r\n"
        if kind == "member":
            head += (
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
            )
        if kind != "upload":
            return f"{head}\r\n".encode()
        part = (
            f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
            'name="file"; filename="half.rcs"\r\n\r\n'
        )
        return (
            f"{head}Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
            f"Content-Length: {len(part) + UPLOAD_BYTES}\r\n\r\n{part}"
        ).encode() + HALF_A_FILE

    def _is_answered(self, client: Client) -> bool:
        wanted = {
            "reader": b"\n\n",
            "member": b"\r\n\r\n",
            "download": b"\r\n\r\n",
            "upload": b"UPLOADING",
        }
        answer = b"HTTP/1.1 101" if client.kind == "member" else b"HTTP/1.1 200"
        if len(client.first) >= len(answer):
            assert client.first.startswith(answer), client.first
        return wanted[client.kind] in client.first

    def finish(self, uploads: Iterable[Client], downloads: Iterable[Client]) -> None:
        """Let these go on: the uploads send the rest, the downloads take it."""
        for client in uploads:
            end = f"\r\n--{BOUNDARY}--\r\n".encode()
            client.send(b"\n" * (UPLOAD_BYTES - len(HALF_A_FILE) - len(end)) + end)
        for client in downloads:
            self._selector.register(client.socket, selectors.EVENT_READ, client)

    def watch(self, pid: int | None, timeout_s: float) -> float:
        """Read until every client that reads has ended, and the process too, if one is given.

        Returns:
            `time.monotonic()` when the process ended, or else the last client.

        Raises:
            AssertionError: the time is up; says who is still there.
        """
        ended_at = 0.0
        pidfd = None if pid is None else os.pidfd_open(pid)
        try:
            if pidfd is not None:
                self._selector.register(pidfd, selectors.EVENT_READ, None)
            deadline = time.monotonic() + timeout_s
            while self._selector.get_map():
                left = Counter(
                    "process" if key.data is None else key.data.kind
                    for key in self._selector.get_map().values()
                )
                assert time.monotonic() < deadline, f"still there: {left}"
                for key, _ in self._selector.select(0.1):
                    if key.data is None:
                        ended_at = time.monotonic()
                        self._selector.unregister(key.fileobj)
                        continue
                    key.data.read()
                    if key.data.ended:
                        self._selector.unregister(key.data.socket)
                        if pidfd is None:
                            ended_at = time.monotonic()
        finally:
            if pidfd is not None:
                os.close(pidfd)
        return ended_at

    def read_on(self) -> None:
        """Read what those who took nothing so far still get."""
        for client in self.clients:
            client.socket.setblocking(True)
            client.socket.settimeout(5)
            while not client.ended:
                client.read()
