"""The search for a client's connection among this process's sockets."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group, fail_after, sleep_forever, to_thread

from rover.asgi.connections import Connections, Unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Message, Scope

pytestmark = pytest.mark.anyio


class Pair:
    """A client's end of a connection, and the server's, as a request's scope tells of it."""

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, 0), family=family) as listener:
            self.client = socket.create_connection(listener.getsockname()[:2])
            self.server, _ = listener.accept()
        self.scope: Scope = {
            "type": "http",
            "http_version": "1.1",
            "path": "/stream",
            "client": self.client.getsockname()[:2],
            "server": self.server.getsockname()[:2],
        }

    @property
    def is_cut(self) -> bool:
        """Whether the client was sent the end."""
        self.client.setblocking(False)
        try:
            return self.client.recv(1) == b""
        except BlockingIOError:
            return False


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(request.param)
    with pair.client, pair.server:
        yield pair


async def receive() -> Message:
    return {"type": "http.disconnect"}


async def silent() -> Message:
    await sleep_forever()
    raise AssertionError("never")


async def test_it_is_found_and_cut_and_no_other_is(pair: Pair) -> None:
    other = Pair("127.0.0.1")
    connections = Connections(1.0)
    with other.client, other.server, fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(connections.run)
            connections.cut(pair.scope, receive)
            while not pair.is_cut:
                await to_thread.run_sync(lambda: None)
            tasks.cancel_scope.cancel()
        assert not other.is_cut


async def test_granian_says_ports_as_text(pair: Pair) -> None:
    pair.scope["client"] = tuple(map(str, pair.scope["client"]))
    pair.scope["server"] = ("0.0.0.0", str(pair.scope["server"][1]))  # what it says
    connections = Connections(1.0)
    connections.leave(pair.scope, unread=True)
    await connections.clear()
    assert pair.is_cut


async def test_the_client_is_to_acknowledge_in_time(pair: Pair) -> None:
    option = socket.TCP_USER_TIMEOUT
    async with create_task_group() as tasks:
        connections = Connections(7.5)
        tasks.start_soon(connections.run)
        connections.expect_acks(pair.scope, receive)
        with fail_after(5):
            while not pair.server.getsockopt(socket.IPPROTO_TCP, option):
                await to_thread.run_sync(lambda: None)
        tasks.cancel_scope.cancel()
    assert pair.server.getsockopt(socket.IPPROTO_TCP, option) == 7_500


async def test_what_has_ended_is_cut_only_if_its_client_takes_nothing(pair: Pair) -> None:
    connections = Connections(1.0)
    connections.leave(pair.scope)
    await connections.clear()
    assert not pair.is_cut
    pair.server.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            pair.server.send(bytes(65_536))
    await connections.clear()
    await connections.clear()
    with pytest.raises(BrokenPipeError):
        pair.server.send(b"more")


async def test_a_searched_socket_stays_as_it_was(pair: Pair) -> None:
    connections = Connections(1.0)
    connections.leave(pair.scope)
    socket.setdefaulttimeout(3)  # a host may have one
    try:
        await connections.clear()
    finally:
        socket.setdefaulttimeout(None)
    assert os.get_blocking(pair.server.fileno())


@pytest.mark.parametrize(
    "changed", [{"http_version": "2"}, {"client": None}, {"server": ("/run/rover.sock", None)}]
)
async def test_what_cannot_be_found_is_not_left_as_if_it_were_whole(
    pair: Pair, changed: dict[str, Any]
) -> None:
    connections = Connections(1.0)
    with pytest.raises(Unfinished, match="/stream"):
        await connections.hang_up({**pair.scope, **changed}, silent)
    assert not pair.is_cut


async def test_only_the_newest_that_have_ended_are_remembered(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rover.asgi.connections.MOST_LEFT", 3)
    connections = Connections(1.0)
    connections.leave(pair.scope, unread=True)
    for port in range(1, 4):
        connections.leave({**pair.scope, "client": ("127.0.0.1", port)}, unread=True)
    await connections.clear()
    assert not pair.is_cut
