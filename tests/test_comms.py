from __future__ import annotations

import json
from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group, fail_after, sleep_forever, wait_all_tasks_blocked

from rover import errors
from rover.comms import Comms
from rover.comms.channel import MAX_HISTORY_BYTES, MAX_NAME_CHARACTERS, Member
from rover.settings import Settings
from rover.topic import Batch, EventId, Gap, GapReason, Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rover.comms.protocol import Frame

pytestmark = pytest.mark.anyio


def rooms_of(**settings: Any) -> Comms:
    return Comms(Settings(**settings), clock=lambda: 1_000_000_000.123)


async def read(member: Member) -> list[dict[str, Any]]:
    """What the channel has told the member since it last read."""
    told: list[dict[str, Any]] = []
    last = member.channel.topic.last_id
    while member.subscriber.position.offset < last.offset:
        news = await anext(member.subscriber)
        if isinstance(news, Batch):
            told += [json.loads(frame.json) for frame in news.frames]
        elif isinstance(news, Gap):
            told.append({"type": "gap", "lost": news.lost, "reason": news.reason})
    return told


def texts(frames: Sequence[Frame]) -> list[str]:
    return [json.loads(frame.json)["text"] for frame in frames]


# ------------------------------------------------------------------------------- messages


async def test_everyone_in_the_room_hears_a_message_the_sender_too() -> None:
    comms = rooms_of()
    with comms.join("eva", "ada") as ada, comms.join("eva", "bo") as bo:
        event_id = ada.say("hello")

        said = {
            "type": "message",
            "id": str(event_id),
            "from": "ada",
            "text": "hello",
            "at": "2001-09-09T01:46:40.123Z",
        }
        assert (await read(ada))[-1] == said
        assert await read(bo) == [said]


async def test_a_message_is_made_text_once_and_shared() -> None:
    comms = rooms_of()
    with comms.join("eva") as one, comms.join("eva") as other:
        await read(one)
        one.say("hello")
        first, second = await anext(one.subscriber), await anext(other.subscriber)
        assert isinstance(first, Batch)
        assert isinstance(second, Batch)
        assert first.frames[-1] is second.frames[-1]
        assert first.frames[-1].plain == "Message: hello"


async def test_rooms_do_not_hear_each_other() -> None:
    comms = rooms_of()
    with comms.join("eva") as ada, comms.join("ops") as bo:
        ada.say("hello")
        assert await read(bo) == []


async def test_messages_joins_and_leaves_come_in_one_order_with_ids_that_count_up() -> None:
    comms = rooms_of()
    with comms.join("eva", "ada") as ada:
        with comms.join("eva", "bo") as bo:
            bo.say("hello")
        told = await read(ada)
    assert [event["type"] for event in told] == ["join", "message", "leave"]
    assert [event.get("member_count") for event in told] == [2, None, 1]
    offsets = [EventId.parse(event["id"]).offset for event in told]
    assert offsets == list(range(offsets[0], offsets[0] + 3))


async def test_a_member_is_not_told_of_its_own_join() -> None:
    with rooms_of().join("eva", "ada") as ada:
        ada.say("hello")
        assert [event["type"] for event in await read(ada)] == ["message"]


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u2003"])
async def test_a_message_without_text_is_refused(text: str) -> None:
    with rooms_of().join("eva") as ada:
        with pytest.raises(errors.MessageRefused) as refused:
            ada.say(text)
        assert refused.value.code == "empty"
        assert await read(ada) == []


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "a \udfff b"])
async def test_a_message_that_no_wire_can_carry_is_refused(text: str) -> None:
    with rooms_of().join("eva") as ada:
        with pytest.raises(errors.MessageRefused) as refused:
            ada.say(text)
        assert refused.value.code == "malformed"
        assert await read(ada) == []


async def test_the_longest_message_is_counted_in_bytes() -> None:
    with rooms_of(max_message_bytes=64).join("eva") as ada:
        ada.say("é" * 32)
        with pytest.raises(errors.MessageTooBig, match="64 bytes"):
            ada.say("é" * 32 + "x")


# ---------------------------------------------------------------------------------- names


@pytest.mark.parametrize("channel", ["a", "0", "EVA-2_b.c", "a" * 64])
async def test_a_channel_name_that_is_allowed(channel: str) -> None:
    with rooms_of().join(channel) as member:
        assert member.channel.name == channel


@pytest.mark.parametrize(
    "channel", ["", ".", "..", "-a", "_a", "a/b", "a b", "é", "a\n", "a" * 65, "٣", "../etc"]
)
async def test_a_channel_name_that_is_not_allowed(channel: str) -> None:
    comms = rooms_of()
    with pytest.raises(errors.ChannelRefused, match="channel"), comms.join(channel):
        pass
    assert comms.channels() == []


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("ada", "ada"),
        ("  ada ", "ada"),
        ("Ada L.", "Ada L."),
        ("名前", "名前"),
        ("x" * 64, "x" * 64),
    ],
)
async def test_a_member_gets_the_name_it_asks_for(asked: str, name: str) -> None:
    with rooms_of().join("eva", asked) as member:
        assert member.name == name


@pytest.mark.parametrize(
    "asked", ["x" * 65, "a\0b", "a\nb", "a\u202eb", "a\u2066b", "\u200eada", "a\ud800", "a\u2028b"]
)
async def test_a_member_name_that_is_not_allowed(asked: str) -> None:
    comms = rooms_of()
    with pytest.raises(errors.ChannelRefused, match="member name"), comms.join("eva", asked):
        pass
    assert comms.channels() == []


@pytest.mark.parametrize("asked", ["", "  "])
async def test_a_member_without_a_name_gets_one(asked: str) -> None:
    with rooms_of().join("eva", asked) as member:
        assert member.name.startswith("guest-")


async def test_members_who_ask_for_the_same_name_get_different_ones() -> None:
    comms = rooms_of()
    with ExitStack() as stack:
        seats = [stack.enter_context(comms.join("eva", name)) for name in ["ada", "Ada", "ada"]]
        assert [seat.name for seat in seats] == ["ada", "Ada-2", "ada-3"]
        with comms.join("ops", "ada") as elsewhere:
            assert elsewhere.name == "ada"
    with comms.join("eva", "ada") as again:
        assert again.name == "ada"


async def test_a_name_made_unique_is_not_longer_than_allowed() -> None:
    comms = rooms_of()
    with comms.join("eva", "x" * 64), comms.join("eva", "x" * 64) as second:
        assert second.name == "x" * 62 + "-2"
        assert len(second.name) == MAX_NAME_CHARACTERS


# --------------------------------------------------------------------- history and resume


async def test_a_new_member_is_shown_the_newest_messages_and_then_what_follows() -> None:
    comms = rooms_of(welcome_events=2)
    with comms.join("eva", "ada") as ada:
        for text in "abc":
            ada.say(text)
        with comms.join("eva", "bo") as bo:
            ada.say("d")
            assert texts(bo.history()[:2]) == ["c", "d"]
            told = await read(bo)
            assert [event["text"] for event in told] == ["d"]
            assert EventId.parse(told[0]["id"]).offset == bo.joined.offset + 1


async def test_history_is_bounded_in_bytes() -> None:
    comms = rooms_of(max_message_bytes=2**17, room_bytes=2**21)
    with comms.join("eva", "ada") as ada:
        for n in range(8):
            ada.say(str(n) * 50_000)
        history = ada.history()
    assert texts(history) == [str(n) * 50_000 for n in (6, 7)]
    assert sum(frame.size for frame in history) <= MAX_HISTORY_BYTES


async def test_history_survives_everyone_leaving() -> None:
    comms = rooms_of()
    with comms.join("eva", "ada") as ada:
        ada.say("remember me")
    with comms.join("eva", "bo") as bo:
        assert texts(bo.history()) == ["remember me"]


async def test_a_member_that_comes_back_is_told_everything_it_missed_once() -> None:
    comms = rooms_of()
    with comms.join("eva", "ada") as ada:
        with comms.join("eva", "bo") as bo:
            ada.say("heard")
            await read(bo)
            last = bo.subscriber.position
        ada.say("missed")
        with comms.join("eva", "bo", after=last) as bo:
            assert bo.history() == []
            ada.say("live")
            told = await read(bo)
    assert [event.get("text", event["type"]) for event in told] == [
        "leave",
        "missed",
        "join",
        "live",
    ]
    assert [EventId.parse(event["id"]).offset for event in told] == [
        last.offset + n for n in range(1, 5)
    ]


async def test_a_member_that_comes_back_too_late_is_told_what_is_lost() -> None:
    comms = rooms_of(room_events=4)
    with comms.join("eva", "ada") as ada:
        first = ada.say("0")
        for n in range(1, 9):
            ada.say(str(n))
        with comms.join("eva", "bo", after=first) as bo:
            told = await read(bo)
    assert told[0] == {"type": "gap", "lost": 5, "reason": GapReason.EXPIRED}
    assert [event.get("text") for event in told[1:]] == ["6", "7", "8", None]


# ------------------------------------------------------------------------------- bounds


async def test_a_full_room_takes_nobody_until_somebody_leaves() -> None:
    comms = rooms_of(max_members=2)
    with comms.join("eva", "ada"):
        with comms.join("eva", "bo"):
            with pytest.raises(errors.ChannelFull, match="ROVER_MAX_MEMBERS"), comms.join("eva"):
                pass
            with comms.join("ops"):
                assert comms.members == 3
        with comms.join("eva", "cy") as cy:
            assert cy.member_count == 2


async def test_the_longest_empty_channel_gives_way_to_a_new_one() -> None:
    comms = rooms_of(max_channels=3)
    with comms.join("a") as member:
        member.say("a")
    with comms.join("b"), comms.join("c"):
        pass
    with comms.join("a"):  # c was left first, then b, then a again
        pass
    with comms.join("d"):
        assert [channel.name for channel in comms.channels()] == ["a", "b", "d"]
    with comms.join("e"):
        assert [channel.name for channel in comms.channels()] == ["a", "d", "e"]


async def test_a_channel_that_is_in_use_gives_way_to_none() -> None:
    comms = rooms_of(max_channels=1)
    with comms.join("a"):
        with pytest.raises(errors.ChannelFull, match="ROVER_MAX_CHANNELS"), comms.join("b"):
            pass
        with comms.join("a"):
            assert comms.members == 2


async def test_coming_back_to_a_forgotten_channel_is_a_gap() -> None:
    comms = rooms_of(max_channels=1)
    with comms.join("a") as member:
        last = member.say("gone soon")
        topic = member.channel.topic
    with comms.join("b"):
        assert topic.closed  # so that the flusher forgets it too
    with comms.join("a", after=last) as member:
        told = await read(member)
    assert told[0] == {"type": "gap", "lost": None, "reason": GapReason.EPOCH}


async def test_a_log_is_bounded_in_events_and_bytes() -> None:
    comms = rooms_of(room_events=10, room_bytes=1024, welcome_events=100)
    with comms.join("eva") as member:
        for n in range(1000):
            member.say(str(n))
        assert len(member.channel.topic) <= 10
        member.say("x" * 2000)
        assert len(member.channel.topic) == 1


async def test_a_thousand_joins_and_leaves_leave_nothing_behind() -> None:
    comms = rooms_of(max_members=1000)
    with ExitStack() as stack:
        members = [stack.enter_context(comms.join("eva", "ada")) for _ in range(1000)]
        assert comms.members == 1000
        topic = members[0].channel.topic
        assert topic.subscribers == 1000
    assert comms.members == topic.subscribers == 0
    assert members[0].channel.members == {}


# ----------------------------------------------------------------------- being sent away


async def take_part(comms: Comms, act: Callable[[Member], object]) -> errors.RoverError:
    """Join a channel, act, and stay; gives what ended it."""
    with fail_after(5):
        try:
            with comms.join("eva") as member:
                act(member)
                await sleep_forever()
        except errors.RoverError as exc:
            return exc
    raise AssertionError("the block ended by itself")


async def test_a_dismissed_member_has_its_block_cancelled_and_told_why() -> None:
    comms = rooms_of()
    first, second = errors.NotText(), errors.MemberStalled(1)

    def get_dismissed(member: Member) -> None:
        member.close(first)
        member.close(second)

    with comms.join("eva") as other:
        ended = await take_part(comms, get_dismissed)
        assert ended is first
        assert comms.members == 1
        assert [event["type"] for event in await read(other)] == ["join", "leave"]


async def test_only_a_member_that_is_stuck_for_too_long_is_sent_away() -> None:
    comms = rooms_of(send_timeout_s=30)

    def get_stuck(member: Member) -> None:
        member.sending_since = 69.0
        comms.close_stalled(now=99.5)

    with comms.join("eva") as idle, comms.join("eva") as slow:
        slow.sending_since = 70.0
        assert isinstance(await take_part(comms, get_stuck), errors.MemberStalled)
        assert idle.close_reason is slow.close_reason is None
        assert comms.members == 2


async def test_run_sweeps() -> None:
    comms = rooms_of(send_timeout_s=0.1)

    def get_stuck(member: Member) -> None:
        member.sending_since = 0.0

    async with create_task_group() as tasks:
        tasks.start_soon(comms.run)
        assert isinstance(await take_part(comms, get_stuck), errors.MemberStalled)
        tasks.cancel_scope.cancel()


async def test_close_sends_everyone_away_and_lets_nobody_in() -> None:
    comms = rooms_of()
    ended: list[errors.RoverError] = []

    async def stay() -> None:
        ended.append(await take_part(comms, lambda _: None))

    async with create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(stay)
        await wait_all_tasks_blocked()
        comms.close()
    assert [type(exc) for exc in ended] == [errors.Draining] * 3
    assert comms.members == 0
    with pytest.raises(errors.Draining), comms.join("eva"):
        pass


async def test_every_room_that_has_news_is_notified() -> None:
    marked: list[Topic[Any, Any]] = []
    comms = Comms(Settings(), notify=marked.append)
    with comms.join("eva") as ada:
        ada.say("hello")
    assert [topic is ada.channel.topic for topic in marked] == [
        True,
        True,
        True,
    ]  # join, say, leave


async def test_the_channels_are_listed_by_name_with_their_members() -> None:
    ticks = count()
    comms = Comms(Settings(), clock=lambda: next(ticks))
    with comms.join("ops"), comms.join("eva") as ada, comms.join("eva"):
        last = ada.say("hello")
        assert [(c.name, c.members) for c in comms.channels()] == [("eva", 2), ("ops", 1)]
        assert comms.channels()[0].last_id == last
