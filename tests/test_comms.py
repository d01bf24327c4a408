"""Channels without HTTP: messages, names, history, gaps, limits and closed members."""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group, fail_after, sleep_forever, wait_all_tasks_blocked

from rover import errors
from rover.comms import Comms
from rover.comms.channel import MAX_HISTORY_BYTES
from rover.comms.kinds import PLAIN, Content
from rover.comms.names import MAX_NAME_CHARACTERS
from rover.settings import Settings
from rover.topic import Batch, EventId, Gap, GapReason, Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rover.comms.frames import Frame
    from rover.comms.member import Member

pytestmark = pytest.mark.anyio


def comms_of(**settings: Any) -> Comms:
    return Comms(Settings(**settings), clock=lambda: 1_000_000_000.123)


async def read(member: Member) -> list[dict[str, Any]]:
    """The events that the member has not read yet."""
    events: list[dict[str, Any]] = []
    last = member.channel.topic.last_id
    while member.subscriber.position.offset < last.offset:
        news = await anext(member.subscriber)
        if isinstance(news, Batch):
            events += [json.loads(frame.json) for frame in news.frames]
        elif isinstance(news, Gap):
            events.append({"type": "gap", "lost": news.lost, "reason": news.reason})
    return events


def texts(frames: Sequence[Frame]) -> list[str]:
    return [json.loads(frame.json)["text"] for frame in frames]


async def test_all_members_receive_a_message_including_the_sender() -> None:
    comms = comms_of()
    with comms.join("eva", "ada") as ada, comms.join("eva", "bo") as bo:
        event_id = ada.say("hello")

        message = {
            "type": "message",
            "id": str(event_id),
            "channel": "eva",
            "from": "ada",
            "text": "hello",
            "at": "2001-09-09T01:46:40.123Z",
        }
        assert (await read(ada))[-1] == message
        assert await read(bo) == [message]


async def test_a_message_is_encoded_once_for_all_members() -> None:
    comms = comms_of()
    with comms.join("eva") as one, comms.join("eva") as other:
        await read(one)
        one.say("hello")
        first, second = await anext(one.subscriber), await anext(other.subscriber)
        assert isinstance(first, Batch)
        assert isinstance(second, Batch)
        assert first.frames[-1] is second.frames[-1]
        assert first.frames[-1].plain == "Message: hello"


async def test_channels_are_separate() -> None:
    comms = comms_of()
    with comms.join("eva") as ada, comms.join("ops") as bo:
        ada.say("hello")
        assert await read(bo) == []


async def test_messages_joins_and_leaves_have_one_order_and_consecutive_ids() -> None:
    comms = comms_of()
    with comms.join("eva", "ada") as ada:
        with comms.join("eva", "bo") as bo:
            bo.say("hello")
        events = await read(ada)
    assert [event["type"] for event in events] == ["join", "message", "leave"]
    assert [event.get("member_count") for event in events] == [2, None, 1]
    offsets = [EventId.parse(event["id"]).offset for event in events]
    assert offsets == list(range(offsets[0], offsets[0] + 3))


async def test_a_member_does_not_receive_its_own_join() -> None:
    with comms_of().join("eva", "ada") as ada:
        ada.say("hello")
        assert [event["type"] for event in await read(ada)] == ["message"]


async def test_a_message_that_is_sent_again_with_its_ref_is_published_once() -> None:
    comms = comms_of()
    with comms.join("eva", "bo") as bo:
        with suppress(errors.Replaced), comms.join("eva", "ada") as half_open:
            first = half_open.say("hello", "r1")
            with comms.join("eva", "ada", resume_token=half_open.resume_token) as again:
                assert again.say("hello", "r1") == first
        with comms.join("eva", "ada") as again:
            assert again.say("hello", "r1") == first
        messages = [event for event in await read(bo) if event["type"] == "message"]
        assert [(m["from"], m["text"], m["ref"]) for m in messages] == [("ada", "hello", "r1")]


async def test_messages_that_differ_in_name_or_ref_are_all_published() -> None:
    comms = comms_of()
    with comms.join("eva", "ada") as ada, comms.join("eva", "bo") as bo:
        ids = [
            ada.say("hello", "r1"),
            bo.say("hello", "r1"),
            ada.say("hello", "r2"),
            ada.say("hello"),
            ada.say("hello"),
        ]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("text", ["GO", "NO-GO"])
async def test_a_ref_belongs_to_one_of_two_members_that_asked_for_the_same_name(text: str) -> None:
    comms = comms_of()
    with comms.join("eva", "Ops") as ops, comms.join("eva", "Ops") as other:
        first, second = ops.say("GO", "go-1"), other.say(text, "go-1")
        posted = await comms.say("eva", text, "Ops", "go-1")
        assert len({first, second, posted.id}) == 3
        assert (await comms.say("eva", text, "Ops", "go-1")).id == posted.id
    assert (await comms.say("eva", text, "Ops", "go-1")).id == posted.id  # no longer as Ops-3


async def test_a_ref_of_a_listener_in_another_channel_is_its_own() -> None:
    comms = comms_of()
    with (
        comms.join("eva", "Ops") as at_home,
        comms.join("science", "Ops") as listener,
    ):
        listener.listening["eva"] = at_home.channel
        first = at_home.say("GO", "go-1")
        second = listener.say("GO", "go-1", channel=at_home.channel)
        assert first != second == listener.say("GO", "go-1", channel=at_home.channel)


@pytest.mark.parametrize("name", [" ", "\t ", "\u3000"])
async def test_a_name_without_a_visible_character_is_refused(name: str) -> None:
    comms = comms_of()
    with pytest.raises(errors.ChannelRefused, match="visible"):
        await comms.say("eva", "hello", name)
    with pytest.raises(errors.ChannelRefused, match="visible"), comms.join("eva", name):
        pass


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("goodbye", Content("note", {"a": 1})),
        ("hello", PLAIN),
        ("hello", Content("link", {"a": 1})),
        ("hello", Content("note", {"a": 2})),
    ],
)
async def test_a_ref_of_another_message_is_refused_and_published_once(
    text: str, content: Content
) -> None:
    note = Content("note", {"a": 1})
    with comms_of().join("eva", "ada") as ada:
        first = ada.say("hello", "r1", note)
        with pytest.raises(errors.MessageConflict) as refused:
            ada.say(text, "r1", content)
        assert refused.value.code == "ref_reused"
        assert ada.say("hello", "r1", note) == first
        assert ada.say("goodbye", "r2") != first


async def test_the_memory_for_refs_is_bounded() -> None:
    with comms_of(room_events=10).join("eva", "ada") as ada:
        first = ada.say("hello", "r0")
        for n in range(1, 11):
            ada.say("hello", f"r{n}")
        assert ada.say("hello", "r0") != first


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t", "\u2003", "\u200b\u2060", "\u0301", "\u3164", "\x07"]
)
async def test_a_message_without_text_is_refused(text: str) -> None:
    with comms_of().join("eva") as ada:
        with pytest.raises(errors.MessageRefused) as refused:
            ada.say(text)
        assert refused.value.code == "empty"
        assert await read(ada) == []


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "a \udfff b"])
async def test_a_message_that_cannot_be_encoded_is_refused(text: str) -> None:
    with comms_of().join("eva") as ada:
        with pytest.raises(errors.MessageRefused) as refused:
            ada.say(text)
        assert refused.value.code == "malformed"
        assert await read(ada) == []


async def test_the_message_limit_is_in_bytes() -> None:
    with comms_of(max_message_bytes=64).join("eva") as ada:
        ada.say("é" * 32)
        with pytest.raises(errors.MessageTooBig):
            ada.say("é" * 32 + "x")


@pytest.mark.parametrize("channel", ["a", "0", "EVA-2_b.c", "a" * 64])
async def test_allowed_channel_names(channel: str) -> None:
    with comms_of().join(channel) as member:
        assert member.channel.name == channel


@pytest.mark.parametrize(
    "channel", ["", ".", "..", "-a", "_a", "a/b", "a b", "a\n", "a" * 65, "../etc"]
)
async def test_channel_names_that_are_not_allowed(channel: str) -> None:
    comms = comms_of()
    with pytest.raises(errors.ChannelRefused, match="channel"), comms.join(channel):
        pass
    assert comms.channels.listed() == []


@pytest.mark.parametrize(
    ("requested", "name"),
    [
        ("ada", "ada"),
        ("  ada ", "ada"),
        ("Ada L.", "Ada L."),
        ("名前", "名前"),
        ("x" * 64, "x" * 64),
        ("Ada \U0001f469\u200d\U0001f680", "Ada \U0001f469\u200d\U0001f680"),
    ],
)
async def test_a_member_has_the_requested_name(requested: str, name: str) -> None:
    with comms_of().join("eva", requested) as member:
        assert member.name == name


@pytest.mark.parametrize(
    "requested",
    [
        *("x" * 65, "a\0b", "a\nb", "a\u202eb", "a\u2066b", "\u200eada", "a\ud800", "a\u2028b"),
        *("\u3164", "\u2800", "\u200d", "a\u034fb"),
    ],
)
async def test_member_names_that_are_not_allowed(requested: str) -> None:
    comms = comms_of()
    with pytest.raises(errors.ChannelRefused, match="member name"), comms.join("eva", requested):
        pass
    assert comms.channels.listed() == []


async def test_a_name_is_generated_for_a_member_without_one() -> None:
    with comms_of().join("eva") as member:
        assert member.name.startswith("guest-")


async def test_a_requested_name_that_is_taken_is_made_unique() -> None:
    comms = comms_of()
    with ExitStack() as stack:
        members = [stack.enter_context(comms.join("eva", name)) for name in ["ada", "Ada", "ada"]]
        assert [member.name for member in members] == ["ada", "Ada-2", "ada-3"]
        with comms.join("eva", "ＡＤＡ") as full_width:  # noqa: RUF001
            assert full_width.name == "ADA-4"
        with comms.join("ops", "ada") as elsewhere:
            assert elsewhere.name == "ada"
    with comms.join("eva", "ada") as again:
        assert again.name == "ada"


async def test_a_unique_name_is_not_too_long() -> None:
    comms = comms_of()
    with comms.join("eva", "x" * 64), comms.join("eva", "x" * 64) as second:
        assert second.name == "x" * 62 + "-2"
        assert len(second.name) == MAX_NAME_CHARACTERS


async def test_a_new_member_receives_the_newest_messages_and_then_new_events() -> None:
    comms = comms_of(welcome_events=2)
    with comms.join("eva", "ada") as ada:
        for text in "abc":
            ada.say(text)
        with comms.join("eva", "bo") as bo:
            ada.say("d")
            assert texts(bo.history()[:2]) == ["c", "d"]
            events = await read(bo)
            assert [event["text"] for event in events] == ["d"]
            assert EventId.parse(events[0]["id"]).offset == bo.joined.offset + 1


async def test_the_history_is_limited_in_bytes() -> None:
    comms = comms_of(max_message_bytes=2**17, room_bytes=2**21)
    with comms.join("eva", "ada") as ada:
        for n in range(8):
            ada.say(str(n) * 50_000)
        history = ada.history()
    assert texts(history) == [str(n) * 50_000 for n in (6, 7)]
    assert sum(frame.size for frame in history) <= MAX_HISTORY_BYTES


async def test_an_empty_channel_keeps_its_history() -> None:
    comms = comms_of()
    with comms.join("eva", "ada") as ada:
        ada.say("remember me")
    with comms.join("eva", "bo") as bo:
        assert texts(bo.history()) == ["remember me"]


async def test_a_member_that_resumes_receives_each_missed_event_once() -> None:
    comms = comms_of()
    with comms.join("eva", "ada") as ada:
        with comms.join("eva", "bo") as bo:
            ada.say("received")
            await read(bo)
            last = bo.subscriber.position
        ada.say("missed")
        with comms.join("eva", "bo", after=last) as bo:
            assert bo.history() == []
            ada.say("live")
            events = await read(bo)
    assert [event.get("text", event["type"]) for event in events] == [
        "leave",
        "missed",
        "join",
        "live",
    ]
    assert [EventId.parse(event["id"]).offset for event in events] == [
        last.offset + n for n in range(1, 5)
    ]


async def test_a_member_that_resumes_after_events_expired_receives_a_gap() -> None:
    comms = comms_of(room_events=4)
    with comms.join("eva", "ada") as ada:
        first = ada.say("0")
        for n in range(1, 9):
            ada.say(str(n))
        with comms.join("eva", "bo", after=first) as bo:
            events = await read(bo)
    assert events[0] == {"type": "gap", "lost": 4, "reason": GapReason.EXPIRED}
    assert [event.get("text") for event in events[1:]] == ["5", "6", "7", "8", None]


async def test_a_full_channel_refuses_new_members_until_one_leaves() -> None:
    comms = comms_of(max_members=2)
    with comms.join("eva", "ada"):
        with comms.join("eva", "bo"):
            with pytest.raises(errors.PoolFull, match="ROVER_MAX_MEMBERS"), comms.join("eva"):
                pass
            with comms.join("ops"):
                assert comms.members == 3
        with comms.join("eva", "cy") as cy:
            assert cy.member_count == 2


async def test_a_new_channel_replaces_the_one_that_is_empty_longest() -> None:
    comms = comms_of(max_channels=3)
    with comms.join("a") as member:
        member.say("a")
    with comms.join("b"), comms.join("c"):
        pass
    with comms.join("a"):  # c emptied first, then b, then a again
        pass
    with comms.join("d"):
        assert [channel.name for channel in comms.channels.listed()] == ["a", "b", "d"]
    with comms.join("e"):
        assert [channel.name for channel in comms.channels.listed()] == ["a", "d", "e"]


async def test_a_channel_with_members_is_never_replaced() -> None:
    comms = comms_of(max_channels=1)
    with comms.join("a"):
        with pytest.raises(errors.PoolFull, match="ROVER_MAX_CHANNELS"), comms.join("b"):
            pass
        with comms.join("a"):
            assert comms.members == 2


async def test_resuming_in_a_deleted_channel_is_a_gap() -> None:
    comms = comms_of(max_channels=1)
    with comms.join("a") as member:
        last = member.say("hello")
        topic = member.channel.topic
    with comms.join("b"):
        assert topic.closed  # so the flusher forgets it
    with comms.join("a", after=last) as member:
        events = await read(member)
    assert events[0] == {"type": "gap", "lost": None, "reason": GapReason.EPOCH}


async def test_a_channel_log_is_limited_in_events_and_bytes() -> None:
    comms = comms_of(room_events=10, room_bytes=1024, welcome_events=100)
    with comms.join("eva") as member:
        for n in range(1000):
            member.say(str(n))
        assert len(member.channel.topic) <= 10
        member.say("x" * 2000)
        assert len(member.channel.topic) == 1


async def test_a_thousand_members_that_left_leave_no_subscriber() -> None:
    comms = comms_of(max_members=1000)
    with ExitStack() as stack:
        members = [stack.enter_context(comms.join("eva", "ada")) for _ in range(1000)]
        assert comms.members == 1000
        topic = members[0].channel.topic
        assert topic.subscribers == 1000
    assert comms.members == topic.subscribers == 0
    assert len(members[0].channel.members) == 0


async def join_until_closed(comms: Comms, act: Callable[[Member], object]) -> errors.RoverError:
    """Join a channel, act, and wait. Returns the error that closed the member."""
    with fail_after(5):
        try:
            with comms.join("eva") as member:
                act(member)
                await sleep_forever()
        except errors.RoverError as exc:
            return exc
    raise AssertionError("the block was cancelled without an error")


async def test_closing_a_member_cancels_its_block_and_raises_the_first_reason() -> None:
    comms = comms_of()
    first, second = errors.NotText(), errors.MemberStalled(1)

    def close_twice(member: Member) -> None:
        member.close(first)
        member.close(second)

    with comms.join("eva") as other:
        ended = await join_until_closed(comms, close_twice)
        assert ended is first
        assert comms.members == 1
        assert [event["type"] for event in await read(other)] == ["join", "leave"]


async def test_only_a_member_that_stalls_longer_than_the_timeout_is_closed() -> None:
    comms = comms_of(send_timeout_s=30)

    def stall(member: Member) -> None:
        member.sending_since = 69.0
        comms.close_stalled(now=99.5)

    with comms.join("eva") as idle, comms.join("eva") as slow:
        slow.sending_since = 70.0
        assert isinstance(await join_until_closed(comms, stall), errors.MemberStalled)
        assert idle.close_reason is slow.close_reason is None
        assert comms.members == 2


async def test_run_closes_stalled_members() -> None:
    comms = comms_of(send_timeout_s=0.1)

    def stall(member: Member) -> None:
        member.sending_since = 0.0

    async with create_task_group() as tasks:
        tasks.start_soon(comms.run)
        assert isinstance(await join_until_closed(comms, stall), errors.MemberStalled)
        tasks.cancel_scope.cancel()


async def test_close_closes_all_members_and_refuses_new_ones() -> None:
    comms = comms_of()
    ended: list[errors.RoverError] = []

    async def stay() -> None:
        ended.append(await join_until_closed(comms, lambda _: None))

    async with create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(stay)
        await wait_all_tasks_blocked()
        comms.close()
    assert [type(exc) for exc in ended] == [errors.Draining] * 3
    assert comms.members == 0
    with pytest.raises(errors.Draining), comms.join("eva"):
        pass


async def test_notify_is_called_for_each_event() -> None:
    marked: list[Topic[Any, Any]] = []
    comms = Comms(Settings(), notify=marked.append)
    with comms.join("eva") as ada:
        ada.say("hello")
    assert [topic is ada.channel.topic for topic in marked] == [
        True,
        True,
        True,
    ]  # join, say, leave


async def test_channels_are_listed_by_name_with_their_members() -> None:
    ticks = count()
    comms = Comms(Settings(), clock=lambda: next(ticks))
    with comms.join("ops"), comms.join("eva") as ada, comms.join("eva"):
        last = ada.say("hello")
        assert [(c.name, c.members) for c in comms.channels.listed()] == [("eva", 2), ("ops", 1)]
        assert comms.channels.listed()[0].last_id == last
