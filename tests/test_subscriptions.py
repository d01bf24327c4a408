"""One connection listens to many channels: order, positions, counts, limits and isolation."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from anyio import fail_after

from rover.comms import Comms
from rover.comms.listening import MAX_SUBSCRIPTIONS, mentions, subscribed
from rover.errors import MessageRefused
from rover.identity import Identity
from rover.settings import Settings
from tests.comms_site import closed, narrow, receive, say, server_address, unbuffered
from tests.comms_site import comms as serving
from tests.waiting import until

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


async def send(member: ClientConnection, kind: str, channel: str, **more: Any) -> dict[str, Any]:
    """The reply to a frame about a channel; events before it are ignored."""
    await member.send(json.dumps({"type": kind, "channel": channel, **more}))
    while True:
        frame = await receive(member)
        if frame["type"] in ("subscribed", "unsubscribed", "error"):
            return frame


async def message(member: ClientConnection) -> dict[str, Any]:
    """The next message."""
    while (frame := await receive(member))["type"] != "message":
        pass
    return frame


async def test_a_listener_receives_and_sends_in_several_channels(serve: Serve) -> None:
    async with (
        serving(serve) as at,
        at.join("flight?name=Ada") as ada,
        at.join("ops?name=Bo") as bo,
    ):
        for member in (ada, bo):
            await receive(member)  # the welcome
        found = await send(ada, "subscribe", "OPS")
        assert (found["channel"], found["member_count"]) == ("ops", 1)
        await say(ada, "to ops", channel="OPS", ref="1")  # another spelling
        await say(bo, "from ops")
        await say(ada, "to flight")
        received = [await receive(ada) for _ in range(4)]
        [ack] = [one for one in received if one["type"] == "ack"]
        events = [(one["channel"], one["text"]) for one in received if one["type"] == "message"]
        assert sorted(events) == [("flight", "to flight"), ("ops", "from ops"), ("ops", "to ops")]
        assert ack["id"] in {one.get("id") for one in received if one.get("text") == "to ops"}
        frames = [await receive(bo) for _ in range(2)]  # no join: the listener has not joined
        assert [frame["text"] for frame in frames] == ["to ops", "from ops"]
        assert all(frame in received for frame in frames)
        assert (await send(ada, "unsubscribe", "ops"))["type"] == "unsubscribed"
        await say(bo, "unheard")
        await message(bo)
        await say(ada, "heard")
        assert (await message(ada))["text"] == "heard"
        await until(lambda: not len(at.comms.subscriptions))


async def test_each_channel_resumes_after_its_own_id(serve: Serve) -> None:
    async with serving(serve) as at:
        sent = {
            channel: [(await at.comms.say(channel, f"{channel} {n}")).id for n in range(50)]
            for channel in ("ops", "science")
        }
        async with at.join("flight?name=Ada") as ada:
            for channel, ids in sent.items():
                frame = {"type": "subscribe", "channel": channel, "after": str(ids[9])}
                await ada.send(json.dumps(frame))
            found: dict[str, list[str]] = {channel: [] for channel in sent}
            while sum(map(len, found.values())) < 80:
                event = await message(ada)
                found[event["channel"]].append(event["id"])
        assert found == {channel: [str(one) for one in ids[10:]] for channel, ids in sent.items()}


async def test_unread_messages_and_mentions_are_counted(serve: Serve) -> None:
    async with serving(serve, room_events=4) as at:
        ids = [
            (await at.comms.say("ops", text, name)).id
            for text, name in [("GO", "Bo"), ("@ada?", "Bo"), ("@Adam @all!", "Bo"), ("GO", "Ada")]
        ]
        async with at.join("flight?name=Ada") as ada:
            reply = await send(ada, "subscribe", "ops", read=str(ids[0]))
            assert (reply["unread"], reply["mentions"], "more" in reply) == (2, 2, False)
            await send(ada, "unsubscribe", "ops")
            await at.comms.say("ops", "@Ada", "Bo")
            await at.comms.say("ops", "GO", "Bo")
            reply = await send(ada, "subscribe", "ops", read=str(ids[0]))
            assert (reply["unread"], reply["more"]) == (3, True)  # 4 are in memory, one is hers
            await send(ada, "unsubscribe", "ops")
            assert "unread" not in await send(ada, "subscribe", "ops")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@Ada", True),
        ("hi @ADA!", True),
        ("@Adam", False),
        ("@Adam and @ada", True),
        ("ada", False),
        ("@all", True),
        ("@allow", False),
        ("@Ada_", True),
        ("x@Ada.com", False),
        ("ملف@all", False),
        ("x@Ada.com (@Ada)", True),
        ("...@Ada", True),
    ],
)
def test_a_mention_is_a_whole_name(text: str, found: bool) -> None:
    assert mentions(text, "Ada") is found


async def test_a_mention_of_the_role_of_a_member_is_counted() -> None:
    comms = Comms(Settings())
    last = (await comms.say("ops", "GO", "Bo")).id
    for text in ("@fd?", "@CAPCOM"):
        await comms.say("ops", text, "Bo")
    fd = Identity(name="Ada", role="FD", scopes=frozenset({"view", "say"}))
    with comms.join("flight", identity=fd) as ada:
        reply = subscribed(ada, comms.channels.open("ops", None), last, read=last)
    assert json.loads(reply)["mentions"] == 1


async def test_what_is_refused_changes_nothing(serve: Serve) -> None:
    async with serving(serve, max_subscriptions=6, client_share=0.5) as at, AsyncExitStack() as st:
        ada = await st.enter_async_context(at.join("flight?name=Ada"))
        for channel in ("ops", "science"):
            await send(ada, "subscribe", channel)
        refusals: list[tuple[str, str, dict[str, Any], str]] = [
            ("subscribe", "a/b", {}, "channel"),
            ("subscribe", "ops", {"after": "x"}, "malformed"),
            ("subscribe", "ops", {"after": 7}, "malformed"),
            ("subscribe", "Flight", {}, "subscribed"),
            ("subscribe", "ops", {}, "subscribed"),
            ("unsubscribe", "eva", {}, "not_subscribed"),
            ("say", "eva", {"text": "GO"}, "not_subscribed"),
        ]
        for kind, channel, more, code in refusals:
            reply = await send(ada, kind, channel, **more)
            assert (reply["type"], reply["code"]) == ("error", code)
            assert kind == "say" or reply["channel"] == channel
        reply = await send(ada, "subscribe", "\ud800")
        assert (reply["type"], reply["code"]) == ("error", "malformed")
        assert (await send(ada, "subscribe", "eva"))["type"] == "subscribed"
        refused = await send(ada, "subscribe", "power")  # the share of the client is 3
        assert (refused["code"], refused["channel"]) == ("full", "power")
        assert at.comms.channels.find("power") is None
        await at.comms.say("ops", "GO")
        assert (await message(ada))["text"] == "GO"


async def test_one_connection_listens_to_a_limited_number_of_channels(serve: Serve) -> None:
    async with serving(serve, max_channels=200, client_share=1) as at, at.join("flight") as ada:
        for n in range(MAX_SUBSCRIPTIONS):
            assert (await send(ada, "subscribe", f"c{n}"))["type"] == "subscribed"
        assert (await send(ada, "subscribe", "more"))["code"] == "full"


async def test_a_listener_that_reads_nothing_harms_nobody_and_is_closed(serve: Serve) -> None:
    text = "x" * 4_000
    async with serving(serve, send_timeout_s=0.4, max_message_bytes=8_000) as at:
        stalled = await at.join("flight", sock=narrow(server_address(at)), **unbuffered())
        channels = [f"c{n}" for n in range(20)]
        for channel in channels:
            await send(stalled, "subscribe", channel)
        async with at.join("flight?name=Ada") as ada:
            for channel in channels:
                await send(ada, "subscribe", channel)
            with fail_after(10):
                n = 0
                while len(at.comms.subscriptions) > len(channels):
                    for channel in channels:
                        await at.comms.say(channel, f"{text}{n}")
                    received = {(await message(ada))["channel"] for _ in channels}
                    assert received == set(channels)
                    n += 1
        assert (await closed(stalled))[0] in (1013, 1006)
        await until(lambda: not len(at.comms.subscriptions))


async def test_the_scope_of_each_channel_is_checked() -> None:
    comms = Comms(Settings())
    capcom = Identity(name="Ada", scopes=frozenset({"view", "say:flight-*"}))
    with comms.join("flight-1", identity=capcom) as ada:
        for name in ("flight-2", "ops"):
            ada.listening[name] = comms.channels.open(name, None)
        assert ada.say("GO", channel=ada.listening["flight-2"])
        with pytest.raises(MessageRefused) as refused:
            ada.say("GO", channel=ada.listening["ops"])
    assert refused.value.code == "not_allowed"
