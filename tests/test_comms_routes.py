"""Comms over real sockets, in both protocols and with both WebSocket implementations of uvicorn."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from anyio import (
    create_task_group,
    fail_after,
)
from anyio.lowlevel import checkpoint

from rover.comms.protocol import SUBPROTOCOL
from rover.errors import UpgradeRequired
from rover.topic import EventId
from tests.comms_site import (
    IMPLEMENTATIONS,
    closed,
    comms,
    narrow,
    receive,
    receive_plain,
    say,
    server_address,
    unbuffered,
)
from tests.waiting import until

if TYPE_CHECKING:
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_all_plain_text_members_receive_a_message_including_the_sender(
    serve: Serve, ws: str
) -> None:
    async with (
        comms(serve, ws) as server,
        server.plain("eva") as ada,
        server.plain("eva") as bo,
        server.plain("ops") as cy,
    ):
        await ada.send("Hello, crew 👩‍🚀")
        assert await receive_plain(ada) == "Message: Hello, crew 👩‍🚀"
        assert await receive_plain(bo) == "Message: Hello, crew 👩‍🚀"
        await cy.send("other")
        assert await receive_plain(cy) == "Message: other"


async def test_a_plain_text_member_receives_only_messages(serve: Serve) -> None:
    async with comms(serve) as server, server.plain("eva") as ada:
        async with server.join("eva") as bo:
            await receive(bo)
        await until(lambda: server.comms.members == 1)
        for text in ["", "  \n", "one"]:
            await ada.send(text)
        assert await receive_plain(ada) == "Message: one"


async def test_both_protocols_share_a_channel(serve: Serve) -> None:
    async with (
        comms(serve) as server,
        server.plain("eva?name=ada") as ada,
        server.join("eva?name=bo") as bo,
    ):
        await receive(bo)
        await ada.send("plain")
        frame = await receive(bo)
        assert (frame["from"], frame["text"]) == ("ada", "plain")
        await say(bo, "json")
        assert await receive_plain(ada) == "Message: plain"
        assert await receive_plain(ada) == "Message: json"


async def test_a_plain_member_receives_a_gap_as_text(serve: Serve) -> None:
    async with comms(serve) as server, server.plain("eva?after=0badcafe-7") as ada:
        assert (await receive_plain(ada)).startswith("Gap: an unknown number of events")


async def test_a_plain_member_with_a_malformed_message_is_closed(serve: Serve) -> None:
    async with comms(serve) as server, server.plain("eva") as ada:
        await ada.send("a\0b")
        code, reason = await closed(ada)
        assert (code, "NUL" in reason) == (1008, True)


async def test_the_command_line_client_of_websockets_works(serve: Serve) -> None:
    async with comms(serve) as server, server.plain("eva") as ada:
        url = server.url.replace("http", "ws") + "/ws/comms/eva"
        command = [sys.executable, "-m", "websockets", url]
        async with await anyio.open_process(command) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            await client.stdin.send(b"from a terminal\n")
            assert await receive_plain(ada) == "Message: from a terminal"
            printed = b""
            with fail_after(5):
                while b"< Message: from a terminal" not in printed:
                    printed += await client.stdout.receive()
            await client.stdin.aclose()


@pytest.mark.parametrize("ws", IMPLEMENTATIONS)
async def test_a_welcome_has_the_members_and_the_history(serve: Serve, ws: str) -> None:
    async with comms(serve, ws) as server, server.join("eva?name=ada") as ada:
        assert ada.subprotocol == SUBPROTOCOL
        first = await receive(ada)
        epoch = EventId.parse(first["last_id"]).epoch
        assert first == {
            "type": "welcome",
            "channel": "eva",
            "you": "ada",
            "members": ["ada"],
            "member_count": 1,
            "last_id": f"{epoch}-1",
            "resume": first["resume"],
            "now": first["now"],
            "limits": {
                "message_bytes": 16_384,
                "ref_characters": 64,
                "messages_per_s": 1e6,
                "burst": 30,
                "subscriptions": 100,
            },
            "history": [],
        }
        await say(ada, "hello")
        message = await receive(ada)
        async with server.join("eva?name=ada") as bo:
            welcome = await receive(bo)
    assert welcome["you"] == "ada-2"
    assert welcome["members"] == ["ada", "ada-2"]
    assert welcome["member_count"] == 2
    assert welcome["last_id"] == f"{epoch}-3"
    assert welcome["history"] == [message]


async def test_messages_joins_and_leaves_are_sent(serve: Serve) -> None:
    async with comms(serve) as server, server.join("eva?name=ada") as ada:
        await receive(ada)
        async with server.join("eva?name=bo") as bo:
            await receive(bo)
            await say(bo, "héllo\n👋")
            message = await receive(bo)
        events = [await receive(ada) for _ in range(3)]
    assert [set(event) for event in events] == [
        {"type", "id", "channel", "name", "member_count", "at"},
        {"type", "id", "channel", "from", "text", "at"},
        {"type", "id", "channel", "name", "member_count", "at"},
    ]
    assert [event["type"] for event in events] == ["join", "message", "leave"]
    assert events[1] == message
    assert (message["from"], message["text"]) == ("bo", "héllo\n👋")


async def test_only_the_sender_receives_an_ack_and_before_its_message(
    serve: Serve,
) -> None:
    async with (
        comms(serve) as server,
        server.join("eva?name=ada") as ada,
        server.join("eva?name=bo") as bo,
    ):
        assert [(await receive(ada))["type"] for _ in range(2)] == ["welcome", "join"]
        await receive(bo)
        for n in range(100):
            await say(ada, str(n), ref=f"r{n}")
        acks: dict[str, int] = {}
        mine = []
        for _ in range(200):
            frame = await receive(ada)
            if frame["type"] == "ack":
                acks[frame["id"]] = int(frame["ref"][1:])
            else:
                assert acks[frame["id"]] == int(frame["text"])  # the ack arrived before
                mine.append(frame)
        assert [await receive(bo) for _ in range(100)] == mine


async def test_a_ping_is_answered_to_its_sender_only(serve: Serve) -> None:
    async with (
        comms(serve) as server,
        server.join("eva?name=ada") as ada,
        server.join("eva?name=bo") as bo,
    ):
        assert [(await receive(ada))["type"] for _ in range(2)] == ["welcome", "join"]
        await receive(bo)
        await ada.send('{"type": "ping"}')
        assert await receive(ada) == {"type": "pong"}
        await say(ada, "hello")
        assert (await receive(bo))["text"] == "hello"


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


async def test_a_bad_frame_is_an_error_and_the_connection_stays_open(
    serve: Serve,
) -> None:
    async with comms(serve) as server, server.join("eva") as ada:
        await receive(ada)
        for frame, code in BAD_FRAMES:
            await ada.send(frame)
            error = await receive(ada)
            assert (error["type"], error["code"]) == ("error", code), frame
            assert error["detail"]
        await say(ada, "still here")
        assert (await receive(ada))["text"] == "still here"


async def test_an_error_has_the_ref_of_its_frame(serve: Serve) -> None:
    async with comms(serve) as server, server.join("eva") as ada:
        await receive(ada)
        await say(ada, "", ref="r1")
        assert (await receive(ada))["ref"] == "r1"


async def test_a_welcome_is_the_first_frame(serve: Serve) -> None:
    async with comms(serve) as server, server.join("eva") as ada:
        await say(ada, "quick", ref="r")
        assert [(await receive(ada))["type"] for _ in range(3)] == ["welcome", "ack", "message"]


async def test_a_member_that_resumes_receives_each_event_once(
    serve: Serve,
) -> None:
    async with comms(serve) as server, server.join("eva?name=ada") as ada:
        last_id = (await receive(ada))["last_id"]
        ids: list[str] = []
        async with create_task_group() as tasks:

            async def talk() -> None:
                for n in range(300):
                    await say(ada, str(n))
                    if n % 10 == 0:
                        await checkpoint()

            tasks.start_soon(talk)
            texts: list[str] = []
            while len(texts) < 300:
                async with server.join(f"eva?name=bo&after={last_id}") as bo:
                    assert (await receive(bo))["history"] == []
                    for _ in range(25):
                        frame = await receive(bo)
                        ids.append(last_id := frame["id"])
                        if frame["type"] == "message":
                            texts.append(frame["text"])
                        if len(texts) == 300:
                            break
    assert texts == [str(n) for n in range(300)]
    offsets = [EventId.parse(event_id).offset for event_id in ids]
    assert offsets == list(range(2, len(ids) + 2))


async def test_a_member_that_resumes_after_events_expired_receives_a_gap(serve: Serve) -> None:
    async with comms(serve, room_events=10) as server, server.join("eva?name=ada") as ada:
        after = (await receive(ada))["last_id"]
        for n in range(30):
            await say(ada, str(n))
        while (await receive(ada)).get("text") != "29":
            pass
        async with server.join(f"eva?name=bo&after={after}") as bo:
            assert (await receive(bo))["type"] == "welcome"
            gap = await receive(bo)
            assert (gap["type"], gap["after"], gap["reason"]) == ("gap", after, "expired")
            following = await receive(bo)
            assert following["id"] == gap["resumed"]
            offsets = [EventId.parse(event_id).offset for event_id in (after, gap["resumed"])]
            assert gap["lost"] == offsets[1] - offsets[0] - 1


async def test_a_slow_member_receives_a_gap(serve: Serve) -> None:
    async with (
        comms(serve, room_events=20, room_bytes=2**19) as server,
        server.join("eva", sock=narrow(server_address(server)), **unbuffered()) as slow,
        server.plain("eva") as ada,
    ):
        for n in range(600):
            await ada.send(f"{n} ".ljust(16_000, "x"))
            await receive_plain(ada)
        last: int | None = None
        gaps = []
        with fail_after(20):
            while last != 599:
                frame = json.loads(await slow.recv())
                if frame["type"] == "gap":
                    gaps.append(frame)
                elif frame["type"] == "message":
                    last = int(frame["text"].split()[0])
        assert gaps
        assert {gap["reason"] for gap in gaps} == {"slow"}


async def test_the_channels_are_listed(serve: Serve) -> None:
    async with comms(serve) as server, httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/comms")).json() == {"channels": []}
        async with server.join("ops") as ada, server.plain("eva"):
            last_id = (await receive(ada))["last_id"]
            response = await client.get("/comms")
            eva, ops = response.json()["channels"]
            assert ops == {"name": "ops", "members": 1, "last_id": last_id}
            assert (eva["name"], eva["members"]) == ("eva", 1)
            assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["", "eva", "a/b"])
async def test_an_ordinary_request_to_a_channel_is_told_to_use_a_websocket(
    serve: Serve, path: str
) -> None:
    async with comms(serve) as server, httpx.AsyncClient(base_url=server.url) as client:
        response = await client.get(f"/ws/comms/{path}")
        assert response.status_code == 426
        assert response.headers["upgrade"] == "websocket"
        assert "upgrade" in response.headers["connection"].lower()
        assert "/comms/CHANNEL/messages" in response.json()["detail"]


def test_http_2_allows_no_upgrade_header() -> None:
    assert "Upgrade" not in UpgradeRequired("2").headers
