"""How clients share the time of the event loop, with a clock of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.asgi.turns import CLIENT_TURN_S, MAX_HELD_BYTES, TURN_S, Turns

if TYPE_CHECKING:
    from collections.abc import Callable

SLICE_BYTES = 1000
SLICE_S = CLIENT_TURN_S / 4


class Loop:
    """A clock, and the functions that run in the next turn."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.soon: list[Callable[[], None]] = []
        self.turns = Turns(lambda: self.now_s, self.soon.append)

    def turn(self) -> float:
        """Run a turn; returns its seconds."""
        began_s, soon = self.now_s, self.soon[:]
        self.soon.clear()
        for run in soon:
            run()
        return self.now_s - began_s


class Connection:
    """Parses a slice in `SLICE_S`, and estimates `estimated_s` for the app."""

    def __init__(self, loop: Loop, client: str, estimated_s: float = 0.0) -> None:
        self.held_bytes = self.parsed_bytes = 0
        self.is_app_busy = self.is_blocked = False
        self._loop = loop
        self._estimated_s = estimated_s
        self.client = loop.turns.join(client, self)

    @property
    def can_parse(self) -> bool:
        return self.held_bytes > 0 and not self.is_app_busy

    def parse_slice(self) -> float:
        size = min(SLICE_BYTES, self.held_bytes)
        self.held_bytes -= size
        self.parsed_bytes += size
        self._loop.now_s += SLICE_S
        return self._estimated_s

    def set_blocked(self, blocked: bool) -> None:
        self.is_blocked = blocked

    def receive(self, size: int = 1_000_000) -> None:
        self.held_bytes += size
        self._loop.turns.read(self.client, self)


def test_data_is_parsed_at_once_up_to_the_time_of_a_turn() -> None:
    loop = Loop()
    calm, greedy = Connection(loop, "192.0.2.1"), Connection(loop, "192.0.2.2")
    greedy.receive()
    calm.receive(SLICE_BYTES)
    assert (greedy.parsed_bytes, calm.parsed_bytes) == (4 * SLICE_BYTES, SLICE_BYTES)
    loop.turn()
    assert greedy.parsed_bytes == 8 * SLICE_BYTES


def test_many_connections_of_a_client_have_the_time_of_one() -> None:
    loop = Loop()
    many = [Connection(loop, "192.0.2.1") for _ in range(50)]
    other = Connection(loop, "192.0.2.2")
    for connection in [*many, other]:
        connection.receive()
    assert sum(connection.parsed_bytes for connection in many) == other.parsed_bytes
    for _ in range(200):
        assert loop.turn() <= 3 * CLIENT_TURN_S
    assert sum(connection.parsed_bytes for connection in many) == other.parsed_bytes
    assert all(connection.parsed_bytes for connection in many)


def test_a_turn_of_many_clients_is_short_and_each_gets_one() -> None:
    loop = Loop()
    many = [Connection(loop, f"192.0.2.{n}") for n in range(200)]
    began_s = loop.now_s
    for connection in many:
        connection.receive()
    assert loop.now_s - began_s <= TURN_S + CLIENT_TURN_S
    for _ in range(20):
        assert loop.turn() <= TURN_S + CLIENT_TURN_S
    assert {connection.parsed_bytes for connection in many} <= {4 * SLICE_BYTES, 8 * SLICE_BYTES}


def test_the_time_of_the_app_counts() -> None:
    loop = Loop()
    connection = Connection(loop, "192.0.2.1", estimated_s=CLIENT_TURN_S)
    connection.receive()
    assert connection.parsed_bytes == SLICE_BYTES


def test_a_client_with_much_data_that_waits_is_not_read() -> None:
    loop = Loop()
    many = [Connection(loop, "192.0.2.1") for _ in range(4)]
    other = Connection(loop, "192.0.2.2")
    many[0].receive(MAX_HELD_BYTES // 2)
    many[1].receive(MAX_HELD_BYTES // 2)
    assert not any(connection.is_blocked for connection in many)
    many[2].receive(MAX_HELD_BYTES // 2)
    assert all(connection.is_blocked for connection in many)
    assert Connection(loop, "192.0.2.1").is_blocked
    assert not other.is_blocked
    while loop.soon:
        loop.turn()
    assert not any(connection.is_blocked or connection.held_bytes for connection in many)


def test_a_connection_waits_for_its_app_and_closed_ones_for_nothing() -> None:
    loop = Loop()
    busy, closed = Connection(loop, "192.0.2.1"), Connection(loop, "192.0.2.1")
    busy.receive()
    closed.receive()
    busy.is_app_busy = True
    loop.turns.leave(closed.client, closed)
    while loop.soon:
        loop.turn()
    assert (busy.parsed_bytes, closed.parsed_bytes) == (4 * SLICE_BYTES, 0)
    busy.is_app_busy = False
    loop.turns.wait(busy.client, busy)
    loop.turn()
    assert busy.parsed_bytes == 8 * SLICE_BYTES
