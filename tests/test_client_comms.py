"""The client is a member of a channel across cuts: nothing is said twice, nothing is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from anyio import fail_after

from rover.client import (
    Client,
    ClientError,
    ConnectionFailed,
    Interruption,
    InvalidArgument,
    Message,
    MessageRefused,
    Presence,
    Refused,
)
from tests.comms_site import comms as serving
from tests.cutting import cutting, scripted
from tests.serving import free_port

if TYPE_CHECKING:
    from rover.client import Channel
    from rover.client.comms import CommsEvent
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


async def read(channel: Channel, count: int) -> list[CommsEvent]:
    """The events up to the `count`-th message."""
    found: list[CommsEvent] = []
    with fail_after(20):
        while sum(isinstance(event, Message) for event in found) < count:
            found.append(await anext(channel))
    return found


async def test_a_message_reaches_each_member_with_the_id_that_say_returns(serve: Serve) -> None:
    async with (
        serving(serve) as at,
        Client(at.url) as rover,
        rover.comms("flight", "Ada") as ada,
        rover.comms("flight", "Lin") as lin,
    ):
        assert (ada.you, lin.members) == ("Ada", ["Ada", "Lin"])
        assert ada.last_id.endswith("-1")  # of its own join, to resume before the first event
        said = await ada.say("Drive is complete \N{ROCKET}")
        [joined] = [e for e in await read(ada, 1) if isinstance(e, Presence)]
        [message] = await read(lin, 1)
    assert (joined.kind, joined.name, joined.member_count) == ("join", "Lin", 2)
    assert isinstance(message, Message)
    assert (message.id, message.sender) == (said, "Ada")
    assert message.text == "Drive is complete \N{ROCKET}"


async def test_a_new_member_receives_the_newest_messages(serve: Serve) -> None:
    async with serving(serve) as at, Client(at.url) as rover:
        async with rover.comms("flight", "Ada") as ada:
            for n in range(3):
                await ada.say(f"{n}")
        async with rover.comms("flight", "Lin") as lin:
            found = await read(lin, 3)
    assert [e.text for e in found if isinstance(e, Message)] == ["0", "1", "2"]


async def test_across_cuts_each_message_is_said_once_and_received_once(serve: Serve) -> None:
    texts = [f"{n}" for n in range(30)]
    async with (
        serving(serve) as at,
        cutting(at.url, 1000, 800) as proxy,
        Client(proxy.url) as cut_off,
        Client(at.url) as rover,
        rover.comms("flight", "Lin") as lin,
        cut_off.comms("flight", "Ada") as ada,
    ):
        with fail_after(20):
            for text in texts:
                await ada.say(text)
        for member in (ada, lin):
            found = await read(member, 30)
            assert [e.text for e in found if isinstance(e, Message)] == texts
            cuts = [e for e in found if isinstance(e, Interruption)]
            assert len(cuts) == (2 if member is ada else 0)
        assert ada.you == "Ada"
    assert b"after=" in proxy.requests[1]


async def test_a_refused_message_raises_and_the_channel_stays_open(serve: Serve) -> None:
    async with serving(serve) as at, Client(at.url) as rover, rover.comms("flight") as channel:
        with pytest.raises(MessageRefused) as refused:
            await channel.say("  ")
        assert await channel.say("text")
    assert refused.value.code == "empty"


async def test_a_channel_that_is_not_allowed_is_not_tried_again(serve: Serve) -> None:
    async with serving(serve) as at, Client(at.url) as rover:
        with pytest.raises(Refused) as refused:
            async with rover.comms("a/b"):
                pass
    assert refused.value.status == 400


async def test_a_refused_handshake_has_the_detail_of_the_server() -> None:
    problem = json.dumps({"detail": "the reason"}).encode()
    head = "HTTP/1.1 403 No\r\ncontent-type: application/problem+json\r\n"
    answer = f"{head}content-length: {len(problem)}\r\n\r\n".encode() + problem
    async with scripted(answer) as server, Client(server.url) as rover:
        with pytest.raises(Refused) as refused:
            async with rover.comms("flight"):
                pass
    assert (refused.value.status, refused.value.detail) == (403, "the reason")


async def test_a_server_that_cannot_be_reached_raises() -> None:
    async with Client(f"http://127.0.0.1:{free_port()}") as rover:
        with pytest.raises(ConnectionFailed):
            async with rover.comms("flight"):
                pass


async def test_another_server_is_recognised() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    async with scripted(answer) as server, Client(server.url) as rover:
        with pytest.raises(ClientError):
            async with rover.comms("flight"):
                pass


async def test_a_message_has_a_kind_and_data_and_is_sent_once_with_its_ref(serve: Serve) -> None:
    data = {"t": "2026-11-28T21:52:00Z"}
    async with serving(serve) as at, Client(at.url) as rover, rover.comms("flight", "Ada") as ada:
        first = await ada.say("Look", kind="link", data=data, ref="go-1")
        assert await ada.say("Look", kind="link", data=data, ref="go-1") == first
        with pytest.raises(MessageRefused):
            await ada.say("Look", data=data)
        with pytest.raises(InvalidArgument):
            await ada.say("Look", kind="status", data={"battery": float("nan")})
        await ada.say("plain")
        look, plain = [e for e in await read(ada, 2) if isinstance(e, Message)]
    assert (look.kind, look.data, look.ref) == ("link", data, "go-1")
    assert (plain.text, plain.kind, plain.data) == ("plain", "", None)


async def test_a_member_listens_to_other_channels_also_across_cuts(serve: Serve) -> None:
    texts = [f"{n}" for n in range(20)]
    async with (
        serving(serve) as at,
        cutting(at.url, 2_500) as proxy,
        Client(proxy.url) as rover,
        rover.comms("flight", "Ada") as ada,
    ):
        first = (await at.comms.say("science", "@ada: look")).id
        science = await ada.subscribe("Science", read=f"{first.epoch}-0")
        assert (science.channel, science.unread, science.mentions) == ("science", 1, 1)
        with pytest.raises(MessageRefused):
            await ada.subscribe("science")
        with fail_after(20):
            for text in texts:
                await ada.say(text, channel="science")
            found = await read(ada, 20)
        assert [e.text for e in found if isinstance(e, Message)] == texts
        assert {e.channel for e in found if isinstance(e, Message)} == {"science"}
        assert len([e for e in found if isinstance(e, Interruption)]) == 1
        await ada.unsubscribe("science")
        await at.comms.say("science", "unheard")
        await ada.say("heard")
        [heard] = [e for e in await read(ada, 1) if isinstance(e, Message)]
    assert heard.text == "heard"
