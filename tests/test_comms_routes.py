from __future__ import annotations

import json
import logging
import math
import socket
import struct
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from anyio import (
    Event,
    create_memory_object_stream,
    create_task_group,
    fail_after,
    sleep,
    wait_all_tasks_blocked,
)
from starlette.types import Message
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from rover.comms import Comms
from rover.comms.protocol import SUBPROTOCOL
from rover.routes.comms import (
    CLOSE_CODES,
    MAX_REASON_BYTES,
    CommsEndpoint,
    close_reason,
    routes,
)
from rover.settings import Settings
from rover.topic import EventId
from tests.one_stream import OneStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

V1 = [Subprotocol(SUBPROTOCOL)]

IMPLEMENTATIONS = [
    "websockets-sansio",
    pytest.param(
        "websockets",
        marks=pytest.mark.filterwarnings(
            "ignore::DeprecationWarning", "ignore::uvicorn.config.UvicornDeprecationWarning"
        ),
    ),
]
"""uvicorn's own choice, and the deprecated one that it still has."""


@dataclass
class Server:
    """A running server with comms and nothing else."""

    url: str
    comms: Comms

    def join(
        self, path: str, subprotocols: list[Subprotocol] | None = V1, **options: Any
    ) -> connect:
        return connect(
            f"{self.url.replace('http', 'ws')}/ws/comms/{path}",
            subprotocols=subprotocols,
            proxy=None,
            **{"max_queue": None, **options},
        )

    def plain(self, path: str, **options: Any) -> connect:
        return self.join(path, None, **options)


class Complaints(logging.Handler):
    """What uvicorn says of an app that raises; the client only sees its connection close."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@asynccontextmanager
async def comms(serve: Serve, ws: str = "auto", **settings: Any) -> AsyncIterator[Server]:
    site = OneStream(**settings)
    site.comms = Comms(site.settings, notify=site.serving.flusher.mark)
    app = site.app(routes(site), site.comms.run)
    async with serve(app, ws=ws) as url:
        complaints = Complaints(logging.ERROR)
        logging.getLogger("uvicorn.error").addHandler(complaints)
        yield Server(url, site.comms)
        assert complaints.messages == []


async def hear(member: ClientConnection) -> dict[str, Any]:
    with fail_after(5):
        told: dict[str, Any] = json.loads(await member.recv())
    return told


async def hear_plain(member: ClientConnection) -> str:
    with fail_after(5):
        return await member.recv(decode=True)


async def say(member: ClientConnection, text: str, **more: Any) -> None:
    await member.send(json.dumps({"type": "say", "text": text, **more}))


async def closed(member: ClientConnection) -> tuple[int | None, str]:
    """The code and the reason that the server closes with; what it says before is passed over."""
    with fail_after(10):
        try:
            while True:
                await member.recv()
        except ConnectionClosed:
            return member.close_code, member.close_reason or ""


async def until(condition: Callable[[], bool]) -> None:
    with fail_after(10):
        while not condition():
            await sleep(0.01)


# --------------------------------------------------------------------------- plain text


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_plain_text_comes_to_everyone_in_the_channel_the_sender_too(
    serve: Serve, ws: str
) -> None:
    async with (
        comms(serve, ws) as server,
        server.plain("eva") as ada,
        server.plain("eva") as bo,
        server.plain("ops") as cy,
    ):
        await ada.send("Hello, crew 👩‍🚀")
        assert await hear_plain(ada) == "Message: Hello, crew 👩‍🚀"
        assert await hear_plain(bo) == "Message: Hello, crew 👩‍🚀"
        await cy.send("elsewhere")
        assert await hear_plain(cy) == "Message: elsewhere"


async def test_a_plain_member_is_told_of_nothing_but_messages(serve: Serve) -> None:
    async with comms(serve) as server, server.plain("eva") as ada:
        async with server.join("eva") as bo:
            await hear(bo)
        await until(lambda: server.comms.members == 1)
        for text in ["", "  \n", "one"]:
            await ada.send(text)
        assert await hear_plain(ada) == "Message: one"


async def test_both_languages_meet_in_one_room(serve: Serve) -> None:
    async with (
        comms(serve) as server,
        server.plain("eva?name=ada") as ada,
        server.join("eva?name=bo") as bo,
    ):
        await hear(bo)
        await ada.send("plain")
        told = await hear(bo)
        assert (told["from"], told["text"]) == ("ada", "plain")
        await say(bo, "json")
        assert await hear_plain(ada) == "Message: plain"
        assert await hear_plain(ada) == "Message: json"


async def test_a_plain_member_receives_a_gap_as_text(serve: Serve) -> None:
    async with comms(serve) as server, server.plain("eva?after=0badcafe-7") as ada:
        assert (await hear_plain(ada)).startswith("Gap: an unknown number of events")


async def test_a_plain_member_with_a_malformed_message_is_closed(serve: Serve) -> None:
    async with comms(serve) as server, server.plain("eva") as ada:
        await ada.send("a\0b")
        code, reason = await closed(ada)
        assert (code, "NUL" in reason) == (1008, True)


async def test_the_command_line_client_of_websockets_can_talk(serve: Serve) -> None:
    async with comms(serve) as server, server.plain("eva") as ada:
        url = server.url.replace("http", "ws") + "/ws/comms/eva"
        command = [sys.executable, "-m", "websockets", url]
        async with await anyio.open_process(command) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            await client.stdin.send(b"from a terminal\n")
            assert await hear_plain(ada) == "Message: from a terminal"
            printed = b""
            with fail_after(5):
                while b"< Message: from a terminal" not in printed:
                    printed += await client.stdout.receive()
            await client.stdin.aclose()


# ------------------------------------------------------------------------- rover.comms.v1


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_a_welcome_says_who_is_there_and_what_was_said(serve: Serve, ws: str) -> None:
    async with comms(serve, ws) as server, server.join("eva?name=ada") as ada:
        assert ada.subprotocol == SUBPROTOCOL
        first = await hear(ada)
        epoch = EventId.parse(first["last_id"]).epoch
        assert first == {
            "type": "welcome",
            "channel": "eva",
            "you": "ada",
            "members": ["ada"],
            "member_count": 1,
            "last_id": f"{epoch}-1",
            "history": [],
        }
        await say(ada, "hello")
        message = await hear(ada)
        async with server.join("eva?name=ada") as bo:
            welcome = await hear(bo)
    assert welcome["you"] == "ada-2"
    assert welcome["members"] == ["ada", "ada-2"]
    assert welcome["member_count"] == 2
    assert welcome["last_id"] == f"{epoch}-3"
    assert welcome["history"] == [message]


async def test_messages_joins_and_leaves_are_told(serve: Serve) -> None:
    async with comms(serve) as server, server.join("eva?name=ada") as ada:
        await hear(ada)
        async with server.join("eva?name=bo") as bo:
            await hear(bo)
            await say(bo, "héllo\n👋")
            message = await hear(bo)
        told = [await hear(ada) for _ in range(3)]
    assert [set(event) for event in told] == [
        {"type", "id", "name", "member_count", "at"},
        {"type", "id", "from", "text", "at"},
        {"type", "id", "name", "member_count", "at"},
    ]
    assert [event["type"] for event in told] == ["join", "message", "leave"]
    assert told[1] == message
    assert (message["from"], message["text"]) == ("bo", "héllo\n👋")


async def test_the_sender_alone_gets_an_ack_and_gets_it_just_before_its_message(
    serve: Serve,
) -> None:
    async with (
        comms(serve) as server,
        server.join("eva?name=ada") as ada,
        server.join("eva?name=bo") as bo,
    ):
        assert [(await hear(ada))["type"] for _ in range(2)] == ["welcome", "join"]
        await hear(bo)
        for n in range(100):
            await say(ada, str(n), ref=f"r{n}")
        seen: dict[str, int] = {}
        mine = []
        for _ in range(200):
            told = await hear(ada)
            if told["type"] == "ack":
                seen[told["id"]] = int(told["ref"][1:])
            else:
                assert seen[told["id"]] == int(told["text"])  # its ack has come before
                mine.append(told)
        assert [await hear(bo) for _ in range(100)] == mine


BAD_FRAMES = [
    ("hello", "malformed"),
    ("", "malformed"),
    ("[]", "malformed"),
    ("[" * 10_000, "malformed"),
    ("9" * 10_000, "malformed"),
    ("null", "malformed"),
    ("{}", "unknown_type"),
    ('{"type": "shout", "text": "x"}', "unknown_type"),
    ('{"type": ["say"], "text": "x"}', "unknown_type"),
    ('{"type": "say"}', "malformed"),
    ('{"type": "say", "text": 7}', "malformed"),
    ('{"type": "say", "text": " "}', "empty"),
    ('{"type": "say", "text": "a\\u0000b"}', "malformed"),
    ('{"type": "say", "text": "\\ud800"}', "malformed"),
    ('{"type": "say", "text": "x", "ref": 7}', "malformed"),
    ('{"type": "say", "text": "x", "ref": "\\ud800"}', "malformed"),
    (json.dumps({"type": "say", "text": "x", "ref": "r" * 65}), "malformed"),
]


async def test_a_frame_that_cannot_be_taken_is_an_error_and_the_connection_stays(
    serve: Serve,
) -> None:
    async with comms(serve) as server, server.join("eva") as ada:
        await hear(ada)
        for frame, code in BAD_FRAMES:
            await ada.send(frame)
            error = await hear(ada)
            assert (error["type"], error["code"]) == ("error", code), frame
            assert error["detail"]
        await say(ada, "still here")
        assert (await hear(ada))["text"] == "still here"


async def test_an_error_names_the_ref_that_it_is_about(serve: Serve) -> None:
    async with comms(serve) as server, server.join("eva") as ada:
        await hear(ada)
        await say(ada, "", ref="r1")
        assert (await hear(ada))["ref"] == "r1"


async def test_a_welcome_comes_first_whatever_is_sent_meanwhile(serve: Serve) -> None:
    async with comms(serve) as server, server.join("eva") as ada:
        await say(ada, "quick", ref="r")
        assert [(await hear(ada))["type"] for _ in range(3)] == ["welcome", "ack", "message"]


# --------------------------------------------------------------------------------- resume


async def test_a_member_that_comes_back_misses_nothing_and_hears_nothing_twice(
    serve: Serve,
) -> None:
    async with comms(serve) as server, server.join("eva?name=ada") as ada:
        last_id = (await hear(ada))["last_id"]
        ids: list[str] = []
        async with create_task_group() as tasks:

            async def talk() -> None:
                for n in range(300):
                    await say(ada, str(n))
                    if n % 10 == 0:
                        await sleep(0.001)

            tasks.start_soon(talk)
            texts: list[str] = []
            while len(texts) < 300:
                async with server.join(f"eva?name=bo&after={last_id}") as bo:
                    assert (await hear(bo))["history"] == []
                    for _ in range(25):
                        told = await hear(bo)
                        ids.append(last_id := told["id"])
                        if told["type"] == "message":
                            texts.append(told["text"])
                        if len(texts) == 300:
                            break
    assert texts == [str(n) for n in range(300)]
    offsets = [EventId.parse(event_id).offset for event_id in ids]
    assert offsets == list(range(2, len(ids) + 2))


async def test_a_member_that_comes_back_too_late_is_told_of_the_gap(serve: Serve) -> None:
    async with comms(serve, room_events=10) as server, server.join("eva?name=ada") as ada:
        after = (await hear(ada))["last_id"]
        for n in range(30):
            await say(ada, str(n))
        while (await hear(ada)).get("text") != "29":
            pass
        async with server.join(f"eva?name=bo&after={after}") as bo:
            assert (await hear(bo))["type"] == "welcome"
            gap = await hear(bo)
            assert (gap["type"], gap["after"], gap["reason"]) == ("gap", after, "expired")
            following = await hear(bo)
            assert following["id"] == gap["resumed"]
            offsets = [EventId.parse(told).offset for told in (after, gap["resumed"])]
            assert gap["lost"] == offsets[1] - offsets[0] - 1


async def test_a_member_that_reads_too_slowly_is_told_of_the_gap(serve: Serve) -> None:
    async with (
        comms(serve, room_events=20, room_bytes=2**19) as server,
        server.join("eva", sock=narrow(server_address(server)), **unbuffered()) as slow,
        server.plain("eva") as ada,
    ):
        for n in range(600):
            await ada.send(f"{n} ".ljust(16_000, "x"))
            await hear_plain(ada)
        last: int | None = None
        gaps = []
        with fail_after(20):
            while last != 599:
                told = json.loads(await slow.recv())
                if told["type"] == "gap":
                    gaps.append(told)
                elif told["type"] == "message":
                    last = int(told["text"].split()[0])
        assert gaps
        assert {gap["reason"] for gap in gaps} == {"slow"}


# ---------------------------------------------------------------------------- close codes


REFUSED = [
    ("-eva", "channel '-eva' is not allowed"),
    ("a/b", "channel 'a/b' is not allowed"),
    ("..%2f..%2fetc", "channel '../../etc' is not allowed"),
    ("", "channel '' is not allowed"),
    ("x" * 65, "channel 'xxxx"),
    ("eva?name=a%00b", r"member name 'a\x00b' is not allowed"),
    ("eva?name=%E2%80%AEada", r"member name '\u202eada' is not allowed"),
    ("eva?after=nonsense", "after='nonsense': an event id looks like `epoch-offset`"),
    ("eva?after=", "after='': an event id"),
]


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_what_is_refused_is_accepted_first_and_then_closed_with_a_reason(
    serve: Serve, ws: str
) -> None:
    async with comms(serve, ws) as server:
        for path, reason in REFUSED:
            for subprotocols in (None, V1):
                async with server.join(path, subprotocols) as member:
                    code, told = await closed(member)
                    assert code == 1008
                    assert told.startswith(reason)
        assert server.comms.members == 0
        assert server.comms.channels() == []


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
@pytest.mark.parametrize("subprotocols", [None, V1])
async def test_a_binary_message_closes(
    serve: Serve, ws: str, subprotocols: list[Subprotocol] | None
) -> None:
    async with comms(serve, ws) as server, server.join("eva", subprotocols) as ada:
        await ada.send(b"\x00\xff")
        code, reason = await closed(ada)
        assert (code, "binary" in reason) == (1003, True)
        await until(lambda: server.comms.members == 0)


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
@pytest.mark.parametrize("subprotocols", [None, V1])
async def test_a_message_that_is_too_long_closes(
    serve: Serve, ws: str, subprotocols: list[Subprotocol] | None
) -> None:
    async with (
        comms(serve, ws, max_message_bytes=100) as server,
        server.plain("eva") as other,
        server.join("eva", subprotocols) as ada,
    ):
        await ada.send("é" * 51)
        code, reason = await closed(ada)
        assert code == 1009
        assert "100 bytes" in reason
        await other.send("é" * 50)
        assert await hear_plain(other) == "Message: " + "é" * 50


async def test_a_full_room_closes_and_takes_the_next_when_somebody_left(serve: Serve) -> None:
    async with comms(serve, max_members=1) as server:
        async with server.plain("eva"), server.plain("eva") as second:
            code, reason = await closed(second)
            assert code == 1013
            assert "ROVER_MAX_MEMBERS" in reason
        await until(lambda: server.comms.members == 0)
        async with server.join("eva") as third:
            assert (await hear(third))["type"] == "welcome"


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_a_drain_closes_every_member_and_admits_no_new_one(serve: Serve, ws: str) -> None:
    async with (
        comms(serve, ws) as server,
        server.plain("eva") as ada,
        server.join("ops") as bo,
    ):
        await hear(bo)
        await until(lambda: server.comms.members == 2)
        server.comms.close()
        for member in (ada, bo):
            assert (await closed(member))[0] == 1012
        async with server.plain("eva") as late:
            assert (await closed(late))[0] == 1012
        assert server.comms.members == 0


def test_a_reason_is_cut_to_what_a_close_frame_holds() -> None:
    assert close_reason("short") == "short"
    assert close_reason("x" * MAX_REASON_BYTES) == "x" * MAX_REASON_BYTES
    for text in ["x" * 124, "é" * 80, "👋" * 40]:
        cut = close_reason(text)
        assert cut.endswith("…")
        assert MAX_REASON_BYTES - 3 <= len(cut.encode()) <= MAX_REASON_BYTES
        assert text.startswith(cut[:-1])


def test_every_close_code_may_be_sent() -> None:
    assert set(CLOSE_CODES.values()) == {1003, 1008, 1009, 1012, 1013}


# ------------------------------------------------------------- a socket that does as told


class Wire:
    """The server's side of a connection, by hand: frames pass while `open` is set."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.open = Event()
        self.open.set()
        self.busy = False
        self.broken: Exception | None = None
        self.said, self.inbox = create_memory_object_stream[Message](math.inf)
        self.said.send_nowait({"type": "websocket.connect"})

    def say(self, text: str, **more: Any) -> None:
        frame = json.dumps({"type": "say", "text": text, **more})
        self.said.send_nowait({"type": "websocket.receive", "text": frame})

    async def send(self, message: Message) -> None:
        assert not self.busy, "two frames at once"
        self.busy = True
        await self.open.wait()
        self.busy = False
        if self.broken is not None:
            raise self.broken
        kind = json.loads(message["text"])["type"] if "text" in message else message["type"]
        self.sent.append(kind.removeprefix("websocket."))

    async def run(self, comms: Comms) -> None:
        scope = {
            "type": "websocket",
            "subprotocols": [SUBPROTOCOL],
            "path_params": {"team_channel": "eva"},
            "query_string": b"",
            "headers": [],
        }
        site = OneStream(max_message_bytes=100)
        site.comms = comms
        with self.said, self.inbox:
            await CommsEndpoint(
                scope,
                self.inbox.receive,
                self.send,
                mission=site,
            )


@asynccontextmanager
async def wired(comms: Comms) -> AsyncIterator[Wire]:
    wire = Wire()
    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(wire.run, comms)
            await wait_all_tasks_blocked()
            assert wire.sent == ["accept", "welcome"]
            wire.sent.clear()
            yield wire
            tasks.cancel_scope.cancel()


async def test_an_ack_comes_before_its_message_when_the_socket_is_busy_too() -> None:
    comms = Comms(Settings())
    async with wired(comms) as ada:
        with comms.join("eva") as bo:
            ada.open = Event()
            bo.say("on its way")
            await wait_all_tasks_blocked()
            ada.say("mine", ref="r")
            await wait_all_tasks_blocked()
            ada.open.set()
            await until(lambda: len(ada.sent) == 4)
            mine = len(ada.sent) - 1  # after the join and the message of the other
            assert sorted(ada.sent[:mine]) == ["ack", "join", "message"]
            assert ada.sent[mine] == "message"


async def test_a_member_that_takes_everything_is_not_stuck_however_silent_the_room() -> None:
    comms = Comms(Settings())
    async with wired(comms) as ada:
        ada.say("hello", ref="r")
        await until(lambda: ada.sent == ["ack", "message"])
        comms.close_stalled(now=monotonic() + 1000)
        ada.say("still here")
        await until(lambda: ada.sent == ["ack", "message", "message"])


@pytest.mark.parametrize("ref", [None, "r"])
@pytest.mark.parametrize(
    "broken", [OSError("reset by peer"), RuntimeError("after sending 'websocket.close'")]
)
async def test_a_socket_that_breaks_at_a_send_ends_the_membership_quietly(
    broken: Exception, ref: str | None
) -> None:
    comms = Comms(Settings())
    async with wired(comms) as ada:
        ada.broken = broken
        ada.say("hello", ref=ref)
        await until(lambda: comms.members == 0)


async def test_sending_a_close_frame_times_out() -> None:
    comms = Comms(Settings())
    wire = Wire()
    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(wire.run, comms)
            await wait_all_tasks_blocked()
            wire.open = Event()
            comms.close()
    assert wire.sent == ["accept", "welcome"]


# --------------------------------------------------------------------- stalled and leaving


def server_address(server: Server) -> tuple[str, int]:
    url = httpx.URL(server.url)
    assert url.port is not None
    return url.host, url.port


def narrow(address: tuple[str, int]) -> socket.socket:
    """A connected socket that takes little in when nobody reads it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.connect(address)
    return sock


def unbuffered() -> dict[str, Any]:
    """Options of a client that stops reading when its caller does."""
    return {"max_queue": 1, "compression": None, "ping_interval": None, "close_timeout": 0.1}


HANDSHAKE = b"""GET /ws/comms/eva HTTP/1.1\r
Host: localhost\r
Connection: Upgrade\r
Upgrade: websocket\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r
\r
"""


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_a_member_that_takes_nothing_delays_nobody_and_is_sent_away(
    serve: Serve, ws: str
) -> None:
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
        # it hears why, if it reads again at once; else the kernel has given it up meanwhile
        assert (await closed(stalled))[0] in (1013, 1006)
        await ada.send("after")
        assert await hear_plain(bo) == "Message: after"


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_members_that_vanish_while_they_are_written_to_leave_nothing_behind(
    serve: Serve, ws: str
) -> None:
    async with comms(serve, ws) as server, server.plain("eva") as ada:
        for _ in range(3):
            rude = [narrow(server_address(server)) for _ in range(5)]
            for sock in rude:
                sock.sendall(HANDSHAKE)
            await until(lambda: server.comms.members == 6)
            for _ in range(100):
                await ada.send("x" * 10_000)
                await hear_plain(ada)
            for sock in rude:  # a reset, not a goodbye
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
            await until(lambda: server.comms.members == 1)
        await ada.send("still here")
        assert await hear_plain(ada) == "Message: still here"


async def test_a_thousand_connections_come_and_go_and_leave_nothing_behind(serve: Serve) -> None:
    async with comms(serve) as server:

        async def visit(n: int) -> None:
            for k in range(25):
                async with server.join(f"eva-{n % 4}", compression=None) as member:
                    if k % 2:
                        await hear(member)

        async with create_task_group() as tasks:
            for n in range(40):
                tasks.start_soon(visit, n)
        await until(lambda: server.comms.members == 0)
        for channel in server.comms.channels():
            assert channel.members == 0
            assert channel.last_id.offset == 2 * 250  # a join and a leave of each, and no more


# --------------------------------------------------------------------------------- the list


async def test_the_channels_are_listed(serve: Serve) -> None:
    async with comms(serve) as server, httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/comms")).json() == {"channels": []}
        async with server.join("ops") as ada, server.plain("eva"):
            last_id = (await hear(ada))["last_id"]
            response = await client.get("/comms")
            eva, ops = response.json()["channels"]
            assert ops == {"name": "ops", "members": 1, "last_id": last_id}
            assert (eva["name"], eva["members"]) == ("eva", 1)
            assert response.headers["content-type"] == "application/json"
