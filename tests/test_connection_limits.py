"""Limits on connections before a request is read, and on what a WebSocket client may send."""

from __future__ import annotations

import logging
import re
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from anyio import (
    BrokenResourceError,
    EndOfStream,
    Event,
    connect_tcp,
    create_task_group,
    fail_after,
    move_on_after,
)
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CTRL_OPCODES, Frame, Opcode

from rover.asgi.connection_limits import RESERVED_CONNECTIONS, RESERVED_PER_CLIENT, ConnectionLimits
from rover.asgi.servers.uvicorn_protocols import BoundedHTTPProtocol, BoundedWebSocketProtocol
from rover.asgi.servers.uvicorn_websocket import MAX_EMPTY_FRAMES, SLICE_MESSAGES
from rover.errors import PoolFull
from rover.mission import MissionControl
from rover.settings import Settings
from rover.shares import Pool
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import SocketStream
    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

GREEDY, OTHER = "127.0.0.2", "127.0.0.3"
TOKEN = "open-sesame-4f1c-9d2e"  # noqa: S105 # of this test only
LIMIT, SHARE = 6, 2

BOUNDED: dict[str, Any] = {"http": BoundedHTTPProtocol, "ws": BoundedWebSocketProtocol}


class Clients:
    """Raw connections to one server, each from an address of its own."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self._port = int(url.rpartition(":")[2])
        self._stack = stack

    async def connect(self, address: str, sent: bytes = b"") -> SocketStream:
        connection = await connect_tcp("127.0.0.1", self._port, local_host=address)
        await self._stack.enter_async_context(connection)
        if sent:
            await connection.send(sent)
        return connection

    async def get(self, address: str, path: str, *headers: str) -> int:
        """The status of a request on a connection of its own."""
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
        async with await connect_tcp("127.0.0.1", self._port, local_host=address) as connection:
            await connection.send("\r\n".join(lines).encode() + b"\r\n\r\n")
            return await status(connection)

    async def join(self, address: str, *headers: str) -> SocketStream:
        """A connection with a complete handshake of a WebSocket."""
        more = "".join(f"{header}\r\n" for header in headers).encode()
        handshake = (
            b"GET /ws/comms/eva HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n" + more + b"\r\n"
        )
        connection = await self.connect(address, handshake)
        assert await status(connection) == 101
        return connection


async def status(connection: SocketStream) -> int:
    with fail_after(5):
        return int((await connection.receive()).split()[1])


@asynccontextmanager
async def mission_with(
    serve: Serve, tmp_path: Path, **settings: Any
) -> AsyncIterator[tuple[ConnectionLimits, Clients]]:
    settings = {"data_dir": tmp_path, "max_connections": LIMIT, **settings}
    mission = MissionControl(
        Settings(**settings), telemetry="push:", camera="none:", commands="none:"
    )
    async with serve(mission.app, **BOUNDED) as url:
        async with AsyncExitStack() as stack:
            yield mission.connection_limits, Clients(url, stack)
        await until(lambda: not len(mission.connection_limits.pool))
    limits = mission.connection_limits
    assert (len(limits.reserved), len(limits.incomplete)) == (0, 0)


async def test_beyond_its_share_of_connections_a_client_gets_only_health_checks(
    serve: Serve, tmp_path: Path
) -> None:
    async with mission_with(serve, tmp_path) as (limits, clients):
        for _ in range(SHARE):
            await clients.connect(GREEDY)
        await until(lambda: len(limits.pool) == SHARE)
        assert await clients.get(GREEDY, "/healthz") == 200
        assert await clients.get(GREEDY, "/telemetry/parameters") == 503
        assert await clients.get(OTHER, "/telemetry/parameters") == 200
        for _ in range(RESERVED_PER_CLIENT):
            await clients.connect(GREEDY)
        await until(lambda: len(limits.reserved) == RESERVED_PER_CLIENT)
        await until(lambda: all(one.protected_until_s < inf for one in limits._unproven.values()))
        assert await clients.get(GREEDY, "/healthz") == 200  # replaces the oldest of its own
        assert await clients.get(OTHER, "/telemetry/parameters") == 200
        assert limits.pool.refused["share"] == RESERVED_PER_CLIENT + 3


async def test_when_all_connections_are_used_health_checks_and_tokens_are_still_served(
    serve: Serve, tmp_path: Path
) -> None:
    async with mission_with(serve, tmp_path, client_share=1, tokens=TOKEN) as (limits, clients):
        for _ in range(LIMIT):
            await clients.connect(GREEDY)
        await until(lambda: len(limits.pool) == LIMIT)
        bearer = f"Authorization: Bearer {TOKEN}"
        assert await clients.get(OTHER, "/healthz") == 200
        assert await clients.get(OTHER, "/telemetry/parameters", bearer) == 200
        assert await clients.get(OTHER, "/telemetry/parameters") == 401


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /hea",
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
        b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nx",
    ],
)
async def test_strangers_that_wait_keep_no_reserved_connection_from_others(
    serve: Serve, tmp_path: Path, sent: bytes
) -> None:
    async with mission_with(serve, tmp_path, client_share=1, tokens=TOKEN) as (limits, clients):
        strangers = [f"127.0.1.{n + 1}" for n in range(RESERVED_CONNECTIONS // RESERVED_PER_CLIENT)]
        for address in [strangers[0]] * LIMIT:
            await clients.connect(address, b"GET /hea")
        await until(lambda: len(limits.pool) == LIMIT)
        for address in strangers * RESERVED_PER_CLIENT:
            await clients.connect(address, sent)
        if b"healthz" in sent:  # answered at once, although the body is incomplete
            await until(lambda: not len(limits.reserved), timeout_s=3)
        else:
            await until(lambda: len(limits.reserved) == RESERVED_CONNECTIONS)
        bearer = f"Authorization: Bearer {TOKEN}"
        with fail_after(10):
            for _ in range(5):
                assert await clients.get(OTHER, "/healthz") == 200
                assert await clients.get(OTHER, "/telemetry/parameters", bearer) == 200


async def test_strangers_end_no_stream_of_a_reserved_connection(
    serve: Serve, tmp_path: Path
) -> None:
    async with mission_with(serve, tmp_path, client_share=1, tokens=TOKEN) as (limits, clients):
        for _ in range(LIMIT):
            await clients.connect(GREEDY)
        await until(lambda: len(limits.pool) == LIMIT)
        member = await clients.join(OTHER, f"Authorization: Bearer {TOKEN}")
        for n in range(2 * RESERVED_CONNECTIONS):
            await clients.connect(f"127.0.1.{n + 1}", b"GET /hea")
        await until(lambda: len(limits.reserved) == RESERVED_CONNECTIONS)
        await member.send(Frame(Opcode.TEXT, b"hello").serialize(mask=True))
        with fail_after(5):
            assert b"Message: hello" in await member.receive()


class FakeTransport:
    """A connection from an address."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.is_aborted = False

    def get_extra_info(self, _: str) -> tuple[str, int]:
        return (self._address, 50_000)

    def abort(self) -> None:
        self.is_aborted = True


def test_strangers_lose_their_reserved_connections_before_clients_that_had_a_token() -> None:
    limits = ConnectionLimits(Settings(max_connections=1), lambda: 1000.0)
    limits.open(FakeTransport(GREEDY))
    limits.remember(OTHER)
    own = FakeTransport(OTHER)
    strangers = [FakeTransport(f"192.0.2.{n}") for n in range(RESERVED_CONNECTIONS - 1)]
    for transport in [own, *strangers]:
        limits.open(transport)
    with pytest.raises(PoolFull):
        limits.open(FakeTransport("192.0.2.200"))  # the others may have sent requests already
    known = FakeTransport("192.0.2.199")
    limits.remember("192.0.2.199")
    limits.open(known)
    replaced = strangers.pop(0)
    assert replaced.is_aborted
    for transport in [own, *strangers]:
        limits.protect(transport, 0.0)
    limits.open(FakeTransport("192.0.2.201"))
    assert strangers[0].is_aborted
    limits.open(FakeTransport(OTHER))
    assert [one.is_aborted for one in strangers[:3]] == [True, True, False]
    assert not own.is_aborted
    assert not known.is_aborted


async def test_a_trusted_proxy_has_no_share_of_the_connections(
    serve: Serve, tmp_path: Path
) -> None:
    async with mission_with(serve, tmp_path, trusted_proxies=GREEDY) as (limits, clients):
        for _ in range(LIMIT):
            await clients.connect(GREEDY)
        await until(lambda: len(limits.pool) == LIMIT)
        assert not limits.pool.refused


async def test_incomplete_headers_and_messages_of_one_client_are_limited(
    serve: Serve, tmp_path: Path
) -> None:
    async with mission_with(serve, tmp_path, client_share=1) as (limits, clients):
        limits.incomplete = Pool("incomplete requests", "", LIMIT, 1 / 3)
        half = b"GET /comms HTTP/1.1\r\nHost: localhost\r\nX: "
        members = [await clients.join(GREEDY) for _ in range(SHARE)]
        opened = await clients.connect(GREEDY, half)
        await until(lambda: len(limits.incomplete) == 1)
        message = Frame(Opcode.TEXT, b"a" * 100).serialize(mask=True)
        await members[0].send(message[:50])
        await until(lambda: len(limits.incomplete) == 2)
        assert await status(await clients.connect(GREEDY, half)) == 503
        fragment = Frame(Opcode.TEXT, b"a", fin=False).serialize(mask=True)
        await members[1].send(fragment)
        closed = await members[1].receive()
        assert closed[2:4] == (1013).to_bytes(2)
        await members[0].send(message[50:])
        assert b"Message: " in await members[0].receive()
        await opened.send(b"\r\n\r\n")
        assert await status(opened) == 200
        await until(lambda: not len(limits.incomplete))


def test_refused_connections_are_logged_at_intervals(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 100.0
    limits = ConnectionLimits(Settings(max_connections=1), lambda: now_s)
    caplog.set_level(logging.WARNING)
    for second in range(100):
        now_s = 100.0 + second / 10
        with suppress(PoolFull):
            limits.open(FakeTransport(GREEDY))
    assert len(caplog.records) == 1
    now_s += 1.0
    with suppress(PoolFull):
        limits.open(FakeTransport(GREEDY))
    assert [record.args[0] for record in caplog.records if record.args] == [1, 99]  # type: ignore[index]


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({}, ["BoundedHTTPProtocol", "BoundedWebSocketProtocol", "--ws-max-size"]),
        (BOUNDED, ["--ws-max-size"]),
        ({**BOUNDED, "ws_max_size": 100_000}, []),
    ],
)
async def test_an_unbounded_uvicorn_is_reported_with_the_options_that_it_needs(
    options: dict[str, Any],
    missing: list[str],
    serve: Serve,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mission = MissionControl(
        Settings(data_dir=tmp_path), telemetry="none:", camera="none:", commands="none:"
    )
    async with serve(mission.app, **options):
        logged = [r.getMessage() for r in caplog.records if r.name == "rover.connections"]
    assert len(logged) == bool(missing)
    assert all(option in logged[0] for option in missing)


class Channel:
    """An app with a WebSocket that receives messages, served by the bounded protocols.

    Attributes:
        protocol: that of the last connection.
        received: the messages.
    """

    def __init__(self) -> None:
        self.protocol: Any = None
        self.received: list[str] = []
        self.app = Starlette(routes=[WebSocketRoute("/ws/comms/{channel}", self.receive)])

    async def receive(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.protocol = websocket.scope["extensions"] and websocket._receive.__self__  # type: ignore[attr-defined]
        async for text in websocket.iter_text():
            self.received.append(text)


def frames(opcode: Opcode, data: bytes, count: int) -> bytes:
    return Frame(opcode, data, fin=opcode in CTRL_OPCODES).serialize(mask=True) * count


async def test_small_fragments_take_no_more_memory_than_their_text(serve: Serve) -> None:
    channel = Channel()
    async with (
        serve(channel.app, ws_max_size=1000, **BOUNDED) as url,
        AsyncExitStack() as stack,
    ):
        member = await Clients(url, stack).join(GREEDY)
        await member.send(frames(Opcode.TEXT, b"x", 1))
        await member.send(frames(Opcode.CONT, b"", 10) + frames(Opcode.CONT, b"y", 900))
        await until(lambda: len(channel.protocol._fragments) == 901)
        assert len(channel.protocol.frames) == 1
        await member.send(Frame(Opcode.CONT, b"z").serialize(mask=True))
        await until(lambda: channel.received)
        assert channel.received == ["x" + "y" * 900 + "z"]
        assert not channel.protocol._fragments


@pytest.mark.parametrize("sent", [[b"a" * 100] * 11, [b"", *[b"a"] * 1001]])
async def test_fragments_that_exceed_the_limit_together_end_with_1009(
    serve: Serve, sent: list[bytes]
) -> None:
    channel = Channel()
    async with (
        serve(channel.app, ws_max_size=1000, **BOUNDED) as url,
        connect(url.replace("http", "ws") + "/ws/comms/eva", compression=None) as member,
    ):
        with suppress(ConnectionClosed):
            await member.send(iter(sent))
        with pytest.raises(ConnectionClosed) as closed:
            await member.recv()
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1009
    assert channel.received == []


async def test_a_message_that_inflates_beyond_the_limit_ends_with_1009(serve: Serve) -> None:
    channel = Channel()
    async with (
        serve(channel.app, ws_max_size=1000, **BOUNDED) as url,
        connect(url.replace("http", "ws") + "/ws/comms/eva") as member,
    ):
        await member.send("0" * 900)
        await until(lambda: channel.received)
        await member.send("0" * 10_000_000)
        with pytest.raises(ConnectionClosed) as closed:
            await member.recv()
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1009
    assert channel.received == ["0" * 900]


async def test_pings_of_a_client_that_reads_nothing_take_bounded_memory(serve: Serve) -> None:
    channel = Channel()
    async with serve(channel.app, **BOUNDED) as url, AsyncExitStack() as stack:
        member = await Clients(url, stack).join(GREEDY)
        await until(lambda: channel.protocol)
        pings = frames(Opcode.PING, b"p" * 125, 4000)
        with suppress(EndOfStream, BrokenResourceError):
            for _ in range(30):  # 15 MB, several times the buffers of the kernel
                await member.send(pings)
        assert channel.protocol.transport.get_write_buffer_size() < 2**20


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG, Opcode.CONT])
async def test_many_frames_without_data_end_with_1008(serve: Serve, opcode: Opcode) -> None:
    channel = Channel()
    async with serve(channel.app, **BOUNDED) as url, AsyncExitStack() as stack:
        member = await Clients(url, stack).join(GREEDY)
        await member.send(frames(Opcode.TEXT, b"x", 1))
        empty = frames(opcode, b"" if opcode is Opcode.CONT else b"p", 1)
        await member.send(empty * MAX_EMPTY_FRAMES)
        await member.send(frames(Opcode.CONT, b"y", 1) + empty * 100)
        received = b""
        with fail_after(5), suppress(EndOfStream, BrokenResourceError):
            while True:
                received += await member.receive()
        assert (1008).to_bytes(2) in received


async def test_messages_of_a_fast_client_wait_for_the_app_and_take_bounded_memory(
    serve: Serve,
) -> None:
    goes_on, received = Event(), 0
    protocols: list[Any] = []

    async def receive(websocket: WebSocket) -> None:
        nonlocal received
        await websocket.accept()
        protocols.append(websocket._receive.__self__)  # type: ignore[attr-defined]
        async for _ in websocket.iter_text():
            await goes_on.wait()
            received += 1

    app = Starlette(routes=[WebSocketRoute("/ws/comms/{channel}", receive)])
    async with serve(app, **BOUNDED) as url, AsyncExitStack() as stack:
        member = await Clients(url, stack).join(GREEDY)
        with move_on_after(0.3):
            await member.send(Frame(Opcode.TEXT, b"x").serialize(mask=True) * 2_000_000)
        assert protocols[0].queue.qsize() <= 2 * SLICE_MESSAGES
        assert 0 < protocols[0].held_bytes <= 2**18
        goes_on.set()
        await until(lambda: received > 20_000)
        assert protocols[0].held_bytes <= 2**18


async def test_pipelined_requests_are_answered_in_turn_and_take_bounded_memory(
    serve: Serve,
) -> None:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.query_params["n"])

    app = Starlette(routes=[Route("/", answer)])
    requests = b"".join(b"GET /?n=%06d HTTP/1.1\r\nHost: l\r\n\r\n" % n for n in range(3_000))
    received = b""
    protocol: Any = PipeliningHTTPProtocol
    async with (
        serve(app, http=protocol, ws=BoundedWebSocketProtocol) as url,
        AsyncExitStack() as stack,
    ):
        connection = await Clients(url, stack).connect(GREEDY)
        async with create_task_group() as tasks:
            tasks.start_soon(connection.send, requests)
            with fail_after(10):
                while not received.endswith(b"002999"):
                    received += await connection.receive()
    assert [int(n) for n in re.findall(rb"\r\n\r\n(\d{6})", received)] == list(range(3_000))
    assert 0 < protocol.most_pipelined < 100


class PipeliningHTTPProtocol(BoundedHTTPProtocol):
    """Records the most requests that waited at once on a connection."""

    most_pipelined: ClassVar[int] = 0

    def is_app_busy(self) -> bool:
        PipeliningHTTPProtocol.most_pipelined = max(self.most_pipelined, len(self.pipeline))
        return super().is_app_busy()


async def test_a_body_in_many_chunks_arrives_whole(serve: Serve) -> None:
    async def length(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    app = Starlette(routes=[Route("/", length, methods=["POST"])])
    head = b"POST / HTTP/1.1\r\nHost: l\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n"
    plain = head + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
    received = b""
    async with serve(app, **BOUNDED) as url, AsyncExitStack() as stack:
        connection = await Clients(url, stack).connect(GREEDY, chunked + plain)
        with fail_after(10):
            while not received.endswith(b"1000000"):
                received += await connection.receive()
    assert received.count(b"HTTP/1.1 200") == 2
    assert b"50000HTTP" in received


async def test_members_behind_a_proxy_take_turns_of_their_own(serve: Serve, tmp_path: Path) -> None:
    async with mission_with(serve, tmp_path, trusted_proxies=GREEDY, tokens=TOKEN) as (
        limits,
        clients,
    ):
        for address in ("192.0.2.1", "192.0.2.2"):
            bearer = f"Authorization: Bearer {TOKEN}"
            await clients.join(GREEDY, f"X-Forwarded-For: {address}", bearer)
        assert {"192.0.2.1", "192.0.2.2"} <= set(limits.turns._clients)
