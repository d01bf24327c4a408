"""A crowd of clients on raw sockets: cheap enough for thousands beside the server on two cores.

One selector opens telemetry readers, channel members, downloads and uploads, and then reads from
them until their connections end and the server's process exits.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import socket
import termios
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Kind = Literal["reader", "member", "download", "upload"]

MAX_OPENING = 200
"""Maximum number of connections that wait for an answer at once: less than any server's backlog."""

TAIL_BYTES = 4096
BOUNDARY = "crowd"
HALF_A_FILE = b"@sequence first-drive\n" + b"; a comment\n" * 40
UPLOAD_BYTES = 100_000
CLOSE = b"\x88\x82\0\0\0\0\x03\xf4"
"""A close frame of a client: code 1012, masked with zeros."""


@dataclass
class Client:
    """One connection and the data that it received.

    Attributes:
        kind: the kind of its request.
        request: the request's bytes.
        socket: a non-blocking socket.
        first: the first 2,048 bytes received.
        tail: the last 4,096 bytes received.
        received: the number of bytes received.
        last_at: `time.monotonic()` when the last byte was received.
        answered: whether the first of the response's data was received.
        ended: whether the connection has ended.
        ended_at: `time.monotonic()` when it ended.
        close_code: of the last close frame received.
    """

    kind: Kind
    request: bytes
    socket: socket.socket
    first: bytes = field(default=b"", repr=False)
    tail: bytes = b""
    received: int = 0
    last_at: float = 0.0
    answered: bool = False
    ended: bool = False
    ended_at: float = 0.0
    close_code: int = 0

    def read(self) -> None:
        """Receive the available data."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:  # reset
            data = b""
        if not data:
            self.ended, self.ended_at = True, time.monotonic()
            return
        self.last_at = time.monotonic()
        self.first += data[: max(0, 2048 - len(self.first))]
        self.received += len(data)
        self.tail = (self.tail + data)[-TAIL_BYTES:]
        if self.kind == "member" and (at := self.tail.rfind(b"\x88")) >= 0 and self.answered:
            self.close_code = int.from_bytes(self.tail[at + 2 : at + 4], "big")
            if self.close_code == 1012:
                self.send(CLOSE)

    def send(self, data: bytes) -> None:
        """Send as much as fits into the send buffer; nothing if the connection has ended."""
        with suppress(OSError):
            self.socket.send(data)


class Crowd:
    """The clients of one server.

    Args:
        port: the server's port on the loopback interface.
        prefix: the path of the mission.
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
        """The clients of one kind."""
        return [client for client in self.clients if client.kind == kind]

    def open(self, readers: int, members: int, downloads: int, uploads: int) -> None:
        """Open clients of each kind; returns when all of them are answered.

        A download stops reading after the response's head.

        Raises:
            AssertionError: a client was not answered within 40 s.
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
            while more and opening < MAX_OPENING:
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
                        self._selector.unregister(client.socket)

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
            "member": f"GET {{}}/ws/comms/channel-{number % 5}",
            "upload": "POST {}/upload/rover-commands",
        }[kind].format(self._prefix) + " HTTP/1.1\r\nHost: localhost\r\n"
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
        """Continue these: uploads send the rest of the file, downloads read on."""
        for client in uploads:
            end = f"\r\n--{BOUNDARY}--\r\n".encode()
            client.send(b"\n" * (UPLOAD_BYTES - len(HALF_A_FILE) - len(end)) + end)
        for client in downloads:
            self._selector.register(client.socket, selectors.EVENT_READ, client)

    def watch(self, pid: int | None, timeout_s: float) -> float:
        """Read until every connection that is read has ended, and the process too, if one is given.

        Returns:
            `time.monotonic()` when the process exited; without a process, 0.

        Raises:
            AssertionError: the time is up; says which connections are open.
        """
        exited_at = 0.0
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
                assert time.monotonic() < deadline, f"still open: {left}"
                for key, _ in self._selector.select(0.1):
                    if key.data is None:
                        exited_at = time.monotonic()
                        self._selector.unregister(key.fileobj)
                        continue
                    key.data.read()
                    if key.data.ended:
                        self._selector.unregister(key.data.socket)
        finally:
            if pidfd is not None:
                os.close(pidfd)
        return exited_at

    def wait_for(self, data: bytes, kind: Kind) -> None:
        """Read until every client of a kind has received the data.

        Raises:
            AssertionError: one of them has not, after 10 s.
        """
        deadline = time.monotonic() + 10
        while missing := [client for client in self.of(kind) if data not in client.tail]:
            assert time.monotonic() < deadline, f"{data!r} was not sent to {len(missing)} clients"
            for key, _ in self._selector.select(0.1):
                key.data.read()

    @property
    def last_byte_at(self) -> float:
        """`time.monotonic()` when a client received the last byte."""
        return max(client.last_at for client in self.clients)

    def read_rest(self) -> None:
        """Read the rest of the connections that `watch` did not read."""
        for client in self.clients:
            client.socket.setblocking(True)
            client.socket.settimeout(5)
            while not client.ended:
                client.read()


def wait_until_stalled(sockets: Collection[socket.socket]) -> None:
    """Return when the sockets, which nobody reads, receive no more data for 0.3 s.

    By then the server has filled the buffers of both kernels. Neither side is notified of that.
    """
    before: list[bytes] = []
    while before != (now := [fcntl.ioctl(one, termios.FIONREAD, bytes(4)) for one in sockets]):
        before = now
        time.sleep(0.3)
