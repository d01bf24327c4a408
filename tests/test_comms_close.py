"""Members that are refused, closed, stalled or vanish, over real sockets."""

from __future__ import annotations

import socket
import struct
from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING

import pytest
from anyio import (
    create_task_group,
    fail_after,
)
from websockets.typing import Subprotocol

from rover.asgi.servers.uvicorn_protocols import BoundedWebSocketProtocol
from rover.comms.events import MessageEvent
from tests.comms_site import (
    IMPLEMENTATIONS,
    V1,
    closed,
    comms,
    narrow,
    receive,
    receive_plain,
    server_address,
    unbuffered,
)
from tests.slow_client import read_slowly, slow_socket
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.client import ClientConnection

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


REFUSED = [
    ("-eva", "channel '-eva'"),
    ("a/b", "channel 'a/b'"),
    ("..%2f..%2fetc", "channel '../../etc'"),
    ("", "channel ''"),
    ("x" * 65, "channel 'xxxx"),
    ("eva?name=a%00b", r"member name 'a\x00b'"),
    ("eva?name=%E2%80%AEada", r"member name '\u202eada'"),
    ("eva?after=nonsense", "after='nonsense'"),
    ("eva?after=", "after=''"),
]


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_a_refused_client_is_closed_with_a_reason_after_the_handshake(
    serve: Serve, ws: str
) -> None:
    async with comms(serve, ws) as server:
        for path, expected in REFUSED:
            for subprotocols in (None, V1):
                async with server.join(path, subprotocols) as member:
                    code, reason = await closed(member)
                    assert code == 1008
                    assert reason.startswith(expected)
        assert server.comms.members == 0
        assert server.comms.channels.listed() == []


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_an_unknown_subprotocol_is_refused_with_the_name_of_the_known_one(
    serve: Serve, ws: str
) -> None:
    async with comms(serve, ws) as server:
        async with server.join("eva", [Subprotocol("chat"), Subprotocol("mqtt")]) as member:
            code, reason = await closed(member)
            assert code == 1008
            assert "rover.comms.v1" in reason
        async with server.join("eva", [Subprotocol("chat"), *V1]) as member:
            assert (await receive(member))["type"] == "welcome"


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
@pytest.mark.parametrize("subprotocols", [None, V1])
async def test_a_binary_frame_closes_the_connection(
    serve: Serve, ws: str, subprotocols: list[Subprotocol] | None
) -> None:
    async with comms(serve, ws) as server, server.join("eva", subprotocols) as ada:
        await ada.send(b"\x00\xff")
        code, reason = await closed(ada)
        assert (code, "binary" in reason) == (1003, True)
        await until(lambda: server.comms.members == 0)


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_a_plain_message_that_is_too_long_closes_the_connection(
    serve: Serve, ws: str
) -> None:
    async with (
        comms(serve, ws, max_message_bytes=100) as server,
        server.plain("eva") as other,
        server.plain("eva") as ada,
    ):
        await ada.send("é" * 51)
        code, reason = await closed(ada)
        assert code == 1009
        assert "100 bytes" in reason
        await other.send("é" * 50)
        assert await receive_plain(other) == "Message: " + "é" * 50


async def test_a_full_channel_refuses_a_client_until_a_member_leaves(serve: Serve) -> None:
    async with comms(serve, max_members=1) as server:
        async with server.plain("eva"), server.plain("eva") as second:
            code, reason = await closed(second)
            assert code == 1013
            assert "ROVER_MAX_MEMBERS" in reason
        await until(lambda: server.comms.members == 0)
        async with server.join("eva") as third:
            assert (await receive(third))["type"] == "welcome"


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_a_drain_closes_every_member_and_admits_no_new_one(serve: Serve, ws: str) -> None:
    async with (
        comms(serve, ws) as server,
        server.plain("eva") as ada,
        server.join("ops") as bo,
    ):
        await receive(bo)
        await until(lambda: server.comms.members == 2)
        server.comms.close()
        for member in (ada, bo):
            assert (await closed(member))[0] == 1012
        async with server.plain("eva") as late:
            assert (await closed(late))[0] == 1012
        assert server.comms.members == 0


HANDSHAKE = b"""GET /ws/comms/eva HTTP/1.1\r
Host: localhost\r
Connection: Upgrade\r
Upgrade: websocket\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r
\r
"""


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_a_stalled_member_is_closed_and_delays_no_other_member(serve: Serve, ws: str) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            comms(serve, ws, send_timeout_s=1.0, room_events=5000, room_bytes=2**26)
        )
        stalled = await stack.enter_async_context(
            server.plain("eva", sock=narrow(server_address(server)), **unbuffered())
        )
        ada, bo = [
            await stack.enter_async_context(server.plain("eva", compression=None)) for _ in "ab"
        ]
        text = "x" * 4000
        with fail_after(15):
            async with create_task_group() as tasks:

                async def talk() -> None:
                    for n in range(3000):
                        await ada.send(f"{n} {text}")

                async def listen(member: ClientConnection) -> None:
                    for n in range(3000):
                        assert (await member.recv(decode=True)).startswith(f"Message: {n} ")

                tasks.start_soon(talk)
                tasks.start_soon(listen, ada)
                tasks.start_soon(listen, bo)
        await until(lambda: server.comms.members == 2)
        # it receives the close frame if it reads soon; else the kernel has timed out
        assert (await closed(stalled))[0] in (1013, 1006)
        await ada.send("after")
        assert await receive_plain(bo) == "Message: after"


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_a_member_that_reads_slowly_is_not_closed(serve: Serve, ws: str) -> None:
    async with comms(serve, ws, send_timeout_s=1.0, room_bytes=2**26) as server:
        host, port = server_address(server)
        with slow_socket(f"http://{host}:{port}", 16_384) as slow:
            slow.sendall(HANDSHAKE)
            await until(lambda: server.comms.members == 1)
            with server.comms.join("eva", "talker") as talker:
                for n in range(400):  # more than the buffers of both kernels
                    talker.say(f"{n} " + "x" * 15_000)
                await read_slowly(slow, 4, 50_000)
                assert server.comms.members == 2


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_members_that_reset_their_connection_during_sends_are_removed(
    serve: Serve, ws: str
) -> None:
    async with comms(serve, ws) as server, server.plain("eva") as ada:
        for _ in range(3):
            vanishing = [narrow(server_address(server)) for _ in range(5)]
            for sock in vanishing:
                sock.sendall(HANDSHAKE)
            await until(lambda: server.comms.members == 6)
            for _ in range(100):
                await ada.send("x" * 10_000)
                await receive_plain(ada)
            for sock in vanishing:
                reset(sock)
            await until(lambda: server.comms.members == 1)
        await ada.send("still here")
        assert await receive_plain(ada) == "Message: still here"


def reset(sock: socket.socket) -> None:
    """End a connection without a close frame, and without waiting for what was sent."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def frame(opcode: int, payload: bytes) -> bytes:
    """A frame of a client, whose mask is zero."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


def close_frame_and_close(sock: socket.socket) -> None:
    sock.sendall(frame(8, b"\x03\xe8"))
    sock.close()


def half_close(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("end", [close_frame_and_close, socket.socket.close, half_close, reset])
@pytest.mark.parametrize("is_read_before", [False, True])
async def test_what_arrived_is_said_however_the_connection_ends(
    serve: Serve, end: Callable[[socket.socket], None], *, is_read_before: bool
) -> None:
    texts = [f"step {number}" for number in range(300)]
    async with comms(
        serve, BoundedWebSocketProtocol, message_rate=500, message_burst=10, room_events=1000
    ) as server:
        with closing(socket.create_connection(server_address(server))) as sock:
            # else the client's kernel holds the last segment back, and a reset discards it
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(HANDSHAKE)
            await until(lambda: server.comms.members == 1)
            channel = server.comms.channels.find("eva")
            assert channel is not None
            frames = [frame(1, text.encode()) for text in texts]
            sock.sendall(b"".join(frames[:100]))
            if is_read_before:
                await until(lambda: len(channel.topic.retained()) > 20)
            sock.sendall(b"".join(frames[100:]))
            end(sock)
            await until(lambda: server.comms.members == 0)
        events = channel.topic.retained_items()
        assert [one.text for one in events if isinstance(one, MessageEvent)] == texts


async def test_hundreds_of_short_connections_leave_no_member(serve: Serve) -> None:
    async with comms(serve) as server:

        async def visit(n: int) -> None:
            for k in range(8):
                async with server.join(f"eva-{n % 4}", compression=None) as member:
                    if k % 2:
                        await receive(member)

        async with create_task_group() as tasks:
            for n in range(40):
                tasks.start_soon(visit, n)
        await until(lambda: server.comms.members == 0)
        for channel in server.comms.channels.listed():
            assert channel.members == 0
        # one join and one leave for each
        await until(lambda: {c.last_id.offset for c in server.comms.channels.listed()} == {2 * 80})
