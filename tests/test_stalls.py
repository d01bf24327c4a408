"""Slow clients and stalled clients."""

from __future__ import annotations

import socket
from math import inf

from rover.asgi.unsent import unsent_bytes
from rover.stalls import Stalls

TIMEOUT_S = 30.0


class Sender:
    def __init__(self, sending_since: float = inf, unsent_bytes: int = 0) -> None:
        self.sending_since = sending_since
        self.unsent_bytes = unsent_bytes


def test_a_client_that_reads_anything_within_the_timeout_is_not_stalled() -> None:
    stalls: Stalls[Sender] = Stalls(TIMEOUT_S)
    idle, stalled, slow = Sender(), Sender(100.0, 90_000), Sender(100.0, 90_000)
    for seconds in range(0, 300, 25):
        slow.unsent_bytes -= 1
        found = stalls.find([idle, stalled, slow], 100.0 + seconds)
        assert found == ([stalled] if seconds > TIMEOUT_S else [])


def test_bytes_of_a_later_send_are_not_taken_for_progress() -> None:
    stalls: Stalls[Sender] = Stalls(TIMEOUT_S)
    sender = Sender(100.0, 90_000)
    assert stalls.find([sender], 110.0) == []
    sender.sending_since = inf
    assert stalls.find([sender], 120.0) == []
    sender.sending_since, sender.unsent_bytes = 121.0, 10_000
    assert stalls.find([sender], 130.0) == []
    assert sender.sending_since == 121.0
    assert stalls.find([sender], 152.0) == [sender]


def test_unsent_bytes_include_those_of_the_kernel() -> None:
    class Transport:
        def __init__(self, connection: socket.socket) -> None:
            self.connection = connection

        def get_write_buffer_size(self) -> int:
            return 1000

        def get_extra_info(self, _: str) -> socket.socket:
            return self.connection

        def close(self) -> None: ...
        def abort(self) -> None: ...
        def is_closing(self) -> bool:
            return False

    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(server.getsockname())
        connection, _ = server.accept()
        with client, connection:
            connection.setblocking(False)
            sent = connection.send(bytes(1_000_000))
            transport = Transport(connection)
            full = unsent_bytes(transport)
            assert 1000 < full <= sent + 1000
            for _ in range(1000):
                client.recv(1024)
                if unsent_bytes(transport) < full:
                    break
            else:
                raise AssertionError("no progress seen")
        assert unsent_bytes(transport) == 1000
    assert unsent_bytes(None) == 0
