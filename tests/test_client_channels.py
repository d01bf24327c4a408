"""Channels over HTTP: a program follows them, reads their record, and sends messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from anyio import fail_after, to_thread

from rover.cli import main
from rover.cli.comms import shown
from rover.cli.connection import WRONG_USE
from rover.client import Client, Message, MessageRefused, Notice, Presence, Refused
from rover.client.channel_events import event_of
from rover.logs import MemoryLog
from tests.comms_site import comms as serving
from tests.cutting import cutting

if TYPE_CHECKING:
    from rover.client import ChannelStream
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


async def read(events: ChannelStream, count: int) -> list[Message]:
    found: list[Message] = []
    with fail_after(20):
        while len(found) < count:
            event = await anext(events)
            found += [event] if isinstance(event, Message) else []
    return found


async def test_a_program_follows_a_channel_without_joining_it(serve: Serve) -> None:
    async with serving(serve) as at, Client(at.url) as rover:
        await rover.say("flight", "past")
        async with rover.follow("Flight", last=10) as events:
            with fail_after(5):
                state, past = [await anext(events) for _ in range(2)]
            async with rover.comms("flight", "Ada") as ada:
                data = {"image": "sol-812/0042.png"}
                said = await ada.say("Look", kind="link", data=data)
                with fail_after(5):
                    join, message = [await anext(events) for _ in range(2)]
            assert events.last_id == said
    assert isinstance(state, Notice)
    assert (state.name, state.fields["member_count"]) == ("channel", 0)
    assert isinstance(past, Message)
    assert isinstance(join, Presence)
    assert isinstance(message, Message)
    assert (past.text, join.kind, join.name) == ("past", "join", "Ada")
    assert (message.id, message.sender, message.kind, message.data) == (said, "Ada", "link", data)


async def test_across_cuts_a_program_receives_each_message_once(serve: Serve) -> None:
    texts = [f"{n}" for n in range(30)]
    async with (
        serving(serve) as at,
        cutting(at.url, 1_500) as proxy,
        Client(at.url) as rover,
        Client(proxy.url) as cut_off,
        cut_off.follow("flight") as events,
    ):
        with fail_after(20):
            await anext(events)
            for text in texts:
                await rover.say("flight", text)
        assert [event.text for event in await read(events, 30)] == texts
    assert len(proxy.requests) == 2


async def test_the_record_is_read_page_by_page_from_either_end(serve: Serve) -> None:
    async with serving(serve, log=MemoryLog()) as at, Client(at.url) as rover:
        ids = [(await rover.say("flight", f"m{n}")).id for n in range(205)]
        newest_first = [one.id async for one in rover.messages("flight")]
        assert newest_first == ids[::-1]
        assert [one.id async for one in rover.messages("flight", after=ids[0])] == ids[1:]
        found = [one.text async for one in rover.messages("flight", text="M20", before=ids[-1])]
        assert found == ["m203", "m202", "m201", "m200", "m20"]
        assert [one async for one in rover.messages("other")] == []
        assert [one["name"] for one in await rover.channels()] == ["flight"]


async def test_a_message_over_http_is_sent_once_with_its_ref(serve: Serve) -> None:
    async with serving(serve, max_message_bytes=64) as at, Client(at.url) as rover:
        async with rover.follow("flight") as events:
            await anext(events)
            said = [await rover.say("flight", "GO", "Ada", ref="1") for _ in range(2)]
            await rover.say("flight", "NO GO", kind="status", data={"station": "EECOM"})
            go, no_go = await read(events, 2)
        assert said[0] == said[1]
        assert (go.id, go.sender, go.ref) == (said[0].id, "Ada", "1")
        assert (no_go.sender, no_go.kind, no_go.data) == ("guest", "status", {"station": "EECOM"})
        for text, code in ((" ", "empty"), ("a\0", "malformed"), ("a" * 65, "too_long")):
            with pytest.raises(MessageRefused) as refused:
                await rover.say("flight", text)
            assert refused.value.code == code
        with pytest.raises(Refused):
            await rover.say("a/b", "GO")


async def test_the_commands_say_and_follow(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(serve) as at:

        async def lines(*words: str) -> list[str]:
            assert await to_thread.run_sync(main, [*words, "--url", at.url]) == 0
            return capsys.readouterr().out.splitlines()

        link = ["--kind", "link", "--data", '{"t": "2026-11-28T21:52:00Z"}']
        [first_id] = await lines("say", "flight", "Look", "--name", "Ada", *link)
        [second_id] = await lines("say", "flight", "Drive is complete")
        found = [json.loads(line) for line in await lines("tail", "comms", "flight", "-n", "2")]
        assert [one["id"] for one in found] == [first_id, second_id]
        assert (found[0]["from"], found[0]["kind"]) == ("Ada", "link")
        [newest] = await lines("tail", "comms", "flight", "-n", "1", "--last", "1")
        assert json.loads(newest)["id"] == second_id
        joined = await lines("tail", "comms", "flight", "-n", "3", "--name", "Bo", "--say", "Hello")
        assert [json.loads(line)["from"] for line in joined] == ["Ada", "guest", "Bo"]
        await at.comms.say("ops", "GO")
        both = await lines("tail", "comms", "flight", "ops", "-n", "4")
        messages = [one for one in map(json.loads, both) if one["type"] == "message"]
        assert {one["channel"] for one in messages} == {"flight", "ops"}


@pytest.mark.parametrize(
    "command",
    [
        ["say", "flight", " "],
        ["say", "flight", "Look", "--kind", "link", "--data", "[1]"],
        ["tail", "comms", "flight", "--last", "5", "--name", "Ada"],
        ["tail", "comms", "flight", "ops", "--after", "a-1"],
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_wrong_use(command: list[str]) -> None:
    assert main(command) == WRONG_USE


def test_a_terminal_obeys_nothing_in_a_message() -> None:
    fields = {"type": "message", "id": "a-1", "from": "A\x1b[2J", "at": "2026-11-28T21:52:00.000Z"}
    message = event_of({**fields, "text": "one\n\x1b]0;two", "kind": "x", "data": {"a": "\u202e"}})
    assert isinstance(message, Message)
    assert all(line.isprintable() for line in shown(message).split("\n"))
    lines = shown(message).split("\n")
    assert lines[0].startswith("21:52:00 ")
    assert all(line.startswith("    ") for line in lines[1:])
