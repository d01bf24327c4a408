"""Connections are closed through the transport that uvicorn shows, and only through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group, sleep_forever

from rover.asgi.connections import Connections, IncompleteResponse
from rover.asgi.servers.uvicorn import transport_of
from tests.waiting import until

if TYPE_CHECKING:
    from starlette.types import Message, Receive

pytestmark = pytest.mark.anyio

SCOPE = {"type": "http", "path": "/stream"}


class Transport:
    """A transport with data that its client has not read."""

    def __init__(self, unsent: int = 0) -> None:
        self.unsent = unsent
        self.calls: list[str] = []

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def is_closing(self) -> bool:
        return bool(self.calls)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def get_extra_info(self, name: str) -> Any:
        raise AttributeError(name)


class Cycle:
    """A request cycle as uvicorn's: `receive` is its method."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def receive(self) -> Message:
        while not self.transport.calls:
            await sleep_forever()
        return {"type": "http.disconnect"}


def hide(receive: Receive) -> Receive:
    """The same `receive`, wrapped as middleware does."""

    async def wrapped() -> Message:
        return await receive()

    return wrapped


def aborted(connections: Connections, *transports: Transport, passes: int = 2) -> list[bool]:
    """Which transports are aborted after the connections have been checked `passes` times.

    Between two checks, clients with less than 100 unsent bytes read one of them.
    """
    for _ in range(passes):
        connections.abort_ended()
        for transport in transports:
            if 0 < transport.unsent < 100:
                transport.unsent -= 1
    return ["abort" in transport.calls for transport in transports]


def test_a_wrapped_receive_shows_no_transport() -> None:
    cycle = Cycle(Transport())
    assert transport_of(cycle.receive) is cycle.transport
    assert transport_of(hide(cycle.receive)) is None


async def test_an_incomplete_response_is_aborted() -> None:
    cycle = Cycle(Transport(100))
    await Connections(1.0).end_incomplete(SCOPE, cycle.receive)
    assert cycle.transport.calls == ["abort"]


async def test_an_incomplete_response_lets_its_client_read_what_is_buffered() -> None:
    cycle = Cycle(Transport(100))
    await Connections(1.0).end_incomplete(SCOPE, cycle.receive, flush=True)
    assert cycle.transport.calls == ["close"]


async def test_an_incomplete_response_raises_if_its_connection_cannot_be_closed() -> None:
    cycle = Cycle(Transport())
    with pytest.raises(IncompleteResponse, match="/stream"):
        await Connections(1.0).end_incomplete(SCOPE, hide(cycle.receive))
    assert cycle.transport.calls == []


def test_an_ended_response_is_aborted_only_if_its_client_stopped_reading() -> None:
    connections = Connections(1.0)
    reading, stalled, done = Transport(50), Transport(100), Transport(0)
    for transport in (reading, stalled, done):
        connections.end(Cycle(transport).receive)
    assert aborted(connections, reading, stalled, done) == [False, True, False]


def test_a_close_that_waits_for_a_stalled_client_is_aborted() -> None:
    connections = Connections(1.0)
    transport = Transport(100)
    connections.end(Cycle(transport).receive)
    transport.close()  # by the server, at its shutdown
    assert aborted(connections, transport) == [True]


def test_an_unread_request_is_aborted_at_shutdown() -> None:
    connections = Connections(1.0)
    unread = Transport(0)
    connections.end(Cycle(unread).receive, unread=True)
    assert unread.calls == []
    assert aborted(connections, unread, passes=1) == [True]


async def test_an_ended_response_of_a_client_that_reads_nothing_is_aborted_in_time() -> None:
    connections = Connections(0.04)
    stalled, done = Transport(100), Transport(100)
    for transport in (stalled, done):
        connections.end(Cycle(transport).receive)
    done.unsent = 0
    async with create_task_group() as tasks:
        tasks.start_soon(connections.run)
        await until(lambda: stalled.calls)
        tasks.cancel_scope.cancel()
    assert (stalled.calls[0], done.calls) == ("abort", [])


def test_a_new_request_on_the_same_connection_is_not_an_ended_response() -> None:
    connections = Connections(1.0)
    transport = Transport(100)
    connections.end(Cycle(transport).receive)
    connections.begin(Cycle(transport).receive)
    assert aborted(connections, transport) == [False]


def test_only_the_newest_ended_responses_are_watched() -> None:
    connections = Connections(1.0, max_ended=3)
    transports = [Transport(100) for _ in range(4)]
    for transport in transports:
        connections.end(Cycle(transport).receive)
    assert aborted(connections, *transports) == [False, True, True, True]
