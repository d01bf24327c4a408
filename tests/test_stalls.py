"""Slow clients, stalled clients and vanished clients."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING

from rover.asgi.backlog import backlog_of
from rover.stalls import MIN_READ_RATE, Backlog, Stalls

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 30.0


class Sender:
    def __init__(self, sending_since: float = inf, unsent_bytes: int = 0) -> None:
        self.sending_since = sending_since
        self.backlog = Backlog(unsent_bytes, 5_000)

    def acknowledge(self, count: int, more: int = 0) -> None:
        """The client acknowledges some bytes while more are sent."""
        unsent_bytes, progress, _ = self.backlog
        self.backlog = Backlog(unsent_bytes - count + more, progress + count)


def test_a_client_that_reads_anything_within_the_timeout_is_not_stalled() -> None:
    stalls: Stalls[Sender] = Stalls(TIMEOUT_S)
    idle, stalled, slow = Sender(), Sender(100.0, 90_000), Sender(100.0, 90_000)
    for seconds in range(0, 300, 25):
        slow.acknowledge(1)
        found = stalls.find([idle, stalled, slow], 100.0 + seconds)
        assert found == ([stalled] if seconds > TIMEOUT_S else [])


def test_a_slow_client_whose_backlog_grows_is_not_stalled() -> None:
    stalls: Stalls[Sender] = Stalls(TIMEOUT_S)
    slow = Sender(unsent_bytes=1_000)
    for seconds in range(0, 300, 25):
        slow.acknowledge(1_000, more=1_500)
        assert stalls.find([slow], 100.0 + seconds) == []


def test_a_client_that_vanished_is_stalled_although_no_send_waits_for_it() -> None:
    stalls: Stalls[Sender] = Stalls(TIMEOUT_S)
    vanished = Sender()
    assert stalls.find([vanished], 100.0) == []
    for seconds in range(0, 60, 10):  # events that the kernel buffers
        vanished.acknowledge(0, more=100)
        found = stalls.find([vanished], 110.0 + seconds)
        assert found == ([vanished] if seconds > TIMEOUT_S else [])


def test_each_send_counts_as_progress_if_the_server_does_not_show_the_connection() -> None:
    stalls: Stalls[Sender] = Stalls(TIMEOUT_S)
    sender = Sender()
    for seconds in range(0, 200, 25):
        sender.sending_since = 100.0 + seconds
        assert stalls.find([sender], 120.0 + seconds) == []
    assert stalls.find([sender], 350.0) == [sender]


def test_a_client_has_the_time_to_read_what_its_system_has_buffered() -> None:
    stalls: Stalls[Sender] = Stalls(TIMEOUT_S)
    buffering = Sender()
    buffering.backlog = Backlog(1_000, 5_000, 60 * MIN_READ_RATE)
    assert stalls.find([buffering], 100.0) == []
    assert stalls.find([buffering], 189.0) == []
    assert stalls.find([buffering], 191.0) == [buffering]


def test_a_later_backlog_has_the_whole_timeout() -> None:
    stalls: Stalls[Sender] = Stalls(TIMEOUT_S)
    sender = Sender(unsent_bytes=100)
    assert stalls.find([sender], 110.0) == []
    sender.acknowledge(100)
    assert stalls.find([sender], 120.0) == []
    sender.acknowledge(0, more=90)
    assert stalls.find([sender], 145.0) == []
    assert stalls.find([sender], 170.0) == []
    assert stalls.find([sender], 176.0) == [sender]


class Transport:
    """The transport of a socket that the test sends to."""

    def __init__(self, connection: socket.socket, buffered: int = 0) -> None:
        self.connection = connection
        self.buffered = buffered

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def get_extra_info(self, _: str) -> socket.socket:
        return self.connection

    def close(self) -> None: ...
    def abort(self) -> None: ...
    def is_closing(self) -> bool:
        return False


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client with a small buffer, and the server's socket."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(server.getsockname())
        connection, _ = server.accept()
        with connection:
            connection.setblocking(False)
            yield client, connection


def test_the_backlog_includes_what_the_kernel_holds() -> None:
    with connected() as (client, connection):
        sent = connection.send(bytes(1_000_000))
        transport = Transport(connection, 1000)
        full = backlog_of(transport)
        assert 1000 < full.unsent_bytes <= sent + 1000
        for _ in range(1000):
            client.recv(1024)
            if backlog_of(transport).unsent_bytes < full.unsent_bytes:
                break
        else:
            raise AssertionError("no progress seen")
        assert backlog_of(transport).progress > full.progress
    assert backlog_of(transport).unsent_bytes == 1000
    assert backlog_of(None) == (0, 0, 0)


def test_data_that_is_added_does_not_hide_progress() -> None:
    with connected() as (client, connection):
        connection.send(bytes(1_000_000))
        transport = Transport(connection)
        first = backlog_of(transport)
        for _ in range(1000):
            client.recv(1024)
            transport.buffered += 2048  # more than the client reads
            if backlog_of(transport).progress > first.progress:
                break
        else:
            raise AssertionError("no progress seen")
        assert backlog_of(transport).unsent_bytes > first.unsent_bytes


def test_the_backlog_of_a_connection_without_tcp_includes_what_the_kernel_holds() -> None:
    client, connection = socket.socketpair()
    with client, connection:
        connection.send(bytes(10_000))
        transport = Transport(connection)
        full = backlog_of(transport)
        assert full.unsent_bytes >= 10_000
        client.recv(10_000)
        now = backlog_of(transport)
        assert now.unsent_bytes < full.unsent_bytes
        assert now.progress > full.progress
