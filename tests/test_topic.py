from __future__ import annotations

import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pytest
from anyio import Event, create_task_group, fail_after, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from rover.errors import MalformedEventId
from rover.topic import (
    HEARTBEAT,
    Batch,
    EventId,
    Gap,
    GapReason,
    Heartbeat,
    Subscriber,
    Topic,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0

News = Batch[Any, bytes] | Gap | Heartbeat


def topic_of(**options: Any) -> Topic[bytes, bytes]:
    """A topic of bytes with wide bounds."""
    options = {"max_events": 1000, "max_bytes": 10**6, "epoch": "e", **options}
    return Topic(lambda event_id, item: item, size=len, **options)


async def next_of(subscriber: Subscriber[Any, bytes]) -> News:
    with fail_after(5):
        return await anext(subscriber)


async def frames_of(subscriber: Subscriber[Any, bytes]) -> list[bytes]:
    news = await next_of(subscriber)
    assert isinstance(news, Batch)
    return list(news.frames)


async def test_offsets_increase_by_one() -> None:
    topic = topic_of()
    assert topic.last_id == ("e", 0)
    assert [topic.publish(b"x") for _ in range(3)] == [("e", 1), ("e", 2), ("e", 3)]
    assert topic.last_id == ("e", 3)


async def test_each_topic_has_a_random_epoch() -> None:
    epochs = {topic_of(epoch=None).epoch for _ in range(10)}
    assert len(epochs) == 10
    assert all(EventId.parse(f"{epoch}-1").epoch == epoch for epoch in epochs)


async def test_an_event_is_encoded_once_for_all_subscribers() -> None:
    encoded: list[tuple[EventId, str]] = []

    def encode(event_id: EventId, item: str) -> str:
        encoded.append((event_id, item))
        return item

    topic = Topic(encode, size=len, max_events=9, max_bytes=99, epoch="e")
    subscribers = [topic.subscribe() for _ in range(5)]
    topic.publish("a")
    batches = [await anext(subscriber) for subscriber in subscribers]
    assert encoded == [(("e", 1), "a")]
    assert all(batch is batches[0] for batch in batches)


async def test_an_item_that_cannot_be_encoded_leaves_the_topic_unchanged() -> None:
    def encode(event_id: EventId, item: str) -> bytes:
        return item.encode("ascii")

    topic = Topic(encode, size=len, max_events=9, max_bytes=99, epoch="e")
    with pytest.raises(UnicodeEncodeError):
        topic.publish("é")
    assert (topic.last_id.offset, len(topic)) == (0, 0)
    assert topic.publish("e").offset == 1


async def test_a_topic_retains_at_most_max_events() -> None:
    topic = topic_of(max_events=3)
    for n in range(10):
        topic.publish(b"%d" % n)
    assert topic.retained() == [b"7", b"8", b"9"]


async def test_a_topic_retains_at_most_max_bytes() -> None:
    topic = topic_of(max_bytes=10)
    for item in (b"aaaaa", b"bbbbb", b"ccccc"):
        topic.publish(item)
    assert topic.retained() == [b"bbbbb", b"ccccc"]
    topic.publish(b"d")
    assert topic.retained() == [b"ccccc", b"d"]


async def test_the_newest_event_is_retained_even_if_it_exceeds_max_bytes() -> None:
    topic = topic_of(max_bytes=10)
    topic.publish(b"small")
    topic.publish(b"x" * 100)
    assert topic.retained() == [b"x" * 100]
    topic.publish(b"small")
    assert topic.retained() == [b"small"]


async def test_publishing_to_a_closed_topic_raises() -> None:
    topic = topic_of()
    topic.close()
    with pytest.raises(RuntimeError, match="closed"):
        topic.publish(b"x")


async def test_a_subscriber_receives_new_events_by_default() -> None:
    topic = topic_of()
    topic.publish(b"before")
    subscriber = topic.subscribe()
    topic.publish(b"after")
    assert await frames_of(subscriber) == [b"after"]


@pytest.mark.parametrize(("last", "frames"), [(1, [b"c"]), (2, [b"b", b"c"]), (9, [b"b", b"c"])])
async def test_a_subscriber_can_start_with_the_newest_events(
    last: int, frames: list[bytes]
) -> None:
    topic = topic_of(max_events=2)
    for item in (b"a", b"b", b"c"):
        topic.publish(item)
    subscriber = topic.subscribe(last=last)
    assert await frames_of(subscriber) == frames
    topic.publish(b"live")
    assert await frames_of(subscriber) == [b"live"]


async def test_accumulated_events_come_as_one_batch_with_one_body() -> None:
    topic = topic_of()
    subscriber = topic.subscribe()
    for item in (b"a", b"b", b"c"):
        topic.publish(item)
    news = await next_of(subscriber)
    assert isinstance(news, Batch)
    assert (news.frames, news.offsets, news.body) == ([b"a", b"b", b"c"], [1, 2, 3], b"abc")


async def test_a_subscriber_that_catches_up_receives_batches_of_batch_bytes() -> None:
    topic = topic_of(batch_bytes=10)
    for n in range(10):
        topic.publish(b"%d..." % n)
    subscriber = topic.subscribe(last=10)
    sizes = [len(await frames_of(subscriber)) for _ in range(4)]
    assert sizes == [3, 3, 3, 1]


async def test_waiting_subscribers_share_one_batch_after_a_release() -> None:
    notified: list[Topic[bytes, bytes]] = []
    topic = topic_of(notify=notified.append)
    got: list[News] = []

    async def read() -> None:
        got.append(await anext(topic.subscribe()))

    async with create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(read)
        await wait_all_tasks_blocked()
        topic.publish(b"a")
        topic.publish(b"b")
        await wait_all_tasks_blocked()
        assert got == []
        topic.release()
    assert notified == [topic, topic]
    assert isinstance(got[0], Batch)
    assert got[0].body == b"ab"
    assert got[0] is got[1] is got[2]


async def test_a_release_without_new_events_sends_a_heartbeat() -> None:
    topic = topic_of(notify=lambda _: None)
    got: list[News] = []

    async def read() -> None:
        got.append(await anext(topic.subscribe()))

    async with create_task_group() as tasks:
        tasks.start_soon(read)
        await wait_all_tasks_blocked()
        topic.release()
    assert got == [HEARTBEAT]


class Crowd:
    """Waiting subscribers, and the frames and heartbeats that each of them received."""

    def __init__(self, topic: Topic[bytes, bytes], subscribers: int) -> None:
        self.topic = topic
        self.got: list[list[bytes | Heartbeat]] = [[] for _ in range(subscribers)]
        self.ended = 0

    async def read(self, got: list[bytes | Heartbeat]) -> None:
        with self.topic.subscribe() as subscriber:
            async for news in subscriber:
                assert not isinstance(news, Gap)
                got.extend([news] if isinstance(news, Heartbeat) else news.frames)
        self.ended += 1

    def woken(self) -> int:
        return sum(1 for got in self.got if got)


@asynccontextmanager
async def crowd_of(topic: Topic[bytes, bytes], subscribers: int) -> AsyncIterator[Crowd]:
    crowd = Crowd(topic, subscribers)
    async with create_task_group() as tasks:
        for got in crowd.got:
            tasks.start_soon(crowd.read, got)
        await wait_all_tasks_blocked()
        yield crowd
        topic.close()


async def test_a_release_in_parts_wakes_each_subscriber_once() -> None:
    topic = topic_of(notify=lambda _: None)
    async with crowd_of(topic, 10) as crowd:
        topic.publish(b"1")
        woken = []
        topic.begin_release()
        while topic.deliver(at_most=4):
            await wait_all_tasks_blocked()
            woken.append(crowd.woken())
        await wait_all_tasks_blocked()
        assert [*woken, crowd.woken()] == [4, 8, 10]
    assert crowd.got == [[b"1"]] * 10  # no heartbeat for those woken first


async def test_events_published_during_a_release_reach_each_subscriber_once() -> None:
    topic = topic_of(notify=lambda _: None)
    async with crowd_of(topic, 10) as crowd:
        topic.publish(b"1")
        topic.begin_release()
        assert topic.deliver(at_most=4)
        await wait_all_tasks_blocked()
        topic.publish(b"2")
        turns = 0
        while topic.deliver(at_most=4):
            topic.publish(b"%d" % (turns + 3))  # must not prolong the release
            turns += 1
            await wait_all_tasks_blocked()
        assert turns == 1
        await wait_all_tasks_blocked()
        assert crowd.got == [[b"1"]] * 10
        topic.release()
        await wait_all_tasks_blocked()
    assert crowd.got == [[b"1", b"2", b"3"]] * 10


async def test_closing_during_a_release_ends_all_subscribers() -> None:
    topic = topic_of(notify=lambda _: None)
    async with crowd_of(topic, 10) as crowd:
        topic.publish(b"1")
        topic.begin_release()
        assert topic.deliver(at_most=4)
        await wait_all_tasks_blocked()
        topic.close()
        await wait_all_tasks_blocked()
        assert crowd.ended == 10
    assert crowd.got == [[b"1"]] * 10


async def test_a_subscriber_of_a_closed_topic_receives_the_remaining_events_and_ends() -> None:
    topic = topic_of(notify=lambda _: None)
    subscriber = topic.subscribe()
    topic.publish(b"a")
    topic.close()
    assert [news.body for news in [n async for n in subscriber] if isinstance(news, Batch)] == [
        b"a"
    ]
    with pytest.raises(StopAsyncIteration):
        await anext(topic.subscribe())


async def test_a_subscriber_that_begins_after_the_last_event_ends_with_its_release() -> None:
    topic = topic_of(notify=lambda _: None)
    topic.publish(b"last")
    ended = Event()

    async def follow() -> None:
        with topic.subscribe() as subscriber:
            assert [news async for news in subscriber] == []
        ended.set()

    async with create_task_group() as tasks:
        tasks.start_soon(follow)
        await wait_all_tasks_blocked()
        assert not ended.is_set()  # nobody may know the last event yet
        topic.close()
        with fail_after(5):
            await ended.wait()


async def test_closing_ends_a_waiting_subscriber() -> None:
    topic = topic_of()
    with fail_after(5):
        async with create_task_group() as tasks:

            async def read() -> None:
                assert [n async for n in topic.subscribe()] == []

            tasks.start_soon(read)
            await wait_all_tasks_blocked()
            topic.close()


@pytest.mark.parametrize("cancel_first", [True, False])
async def test_a_cancelled_read_loses_no_event(cancel_first: bool) -> None:
    topic = topic_of()
    subscriber = topic.subscribe()
    got: list[News] = []

    async def read() -> None:
        got.append(await anext(subscriber))

    async with create_task_group() as tasks:
        tasks.start_soon(read)
        await wait_all_tasks_blocked()
        if cancel_first:
            tasks.cancel_scope.cancel()
        topic.publish(b"a")
        tasks.cancel_scope.cancel()
    if not got:
        got.append(await next_of(subscriber))
    assert [news.body for news in got if isinstance(news, Batch)] == [b"a"]


async def test_open_subscribers_are_counted() -> None:
    topic = topic_of()
    with topic.subscribe(), topic.subscribe():
        assert topic.subscribers == 2
    assert topic.subscribers == 0


async def test_a_subscriber_that_catches_up_lets_other_tasks_run() -> None:
    topic = topic_of(batch_bytes=1)
    for _ in range(100):
        topic.publish(b"x")
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    async with create_task_group() as tasks:
        tasks.start_soon(other)
        subscriber = topic.subscribe(last=100)
        for _ in range(100):
            await anext(subscriber)
        tasks.cancel_scope.cancel()
    assert turns >= 99


async def test_shared_batches_are_bounded() -> None:
    topic = topic_of(batch_bytes=100)
    batches: WeakSet[Batch[bytes, bytes]] = WeakSet()
    for _ in range(1000):
        topic.publish(b"x" * 10)

    async def read_from(offset: int) -> None:
        async for news in topic.subscribe(EventId("e", offset)):
            assert isinstance(news, Batch)
            batches.add(news)
            if news.offsets[-1] == 1000:
                break

    for offset in range(1000):
        await read_from(offset)
    gc.collect()
    assert 0 < sum(len(batch.frames) for batch in batches) <= 1000


async def test_a_resumed_subscriber_receives_missed_events_and_then_new_ones() -> None:
    topic = topic_of()
    ids = [topic.publish(b"%d" % n) for n in range(5)]
    subscriber = topic.subscribe(ids[1])
    assert await frames_of(subscriber) == [b"2", b"3", b"4"]
    topic.publish(b"5")
    assert await frames_of(subscriber) == [b"5"]
    assert subscriber.position == ("e", 6)


async def test_a_resumed_subscriber_that_missed_no_event_waits_for_new_ones() -> None:
    topic = topic_of(max_events=1)
    subscriber = topic.subscribe(topic.publish(b"0"))
    topic.publish(b"1")
    assert await frames_of(subscriber) == [b"1"]


async def test_a_subscriber_can_resume_before_the_first_event() -> None:
    topic = topic_of()
    start = topic.last_id
    topic.publish(b"first")
    assert await frames_of(topic.subscribe(start)) == [b"first"]


async def test_resuming_after_expired_events_is_a_gap_with_their_number() -> None:
    topic = topic_of(max_events=3)
    ids = [topic.publish(b"%d" % n) for n in range(10)]
    subscriber = topic.subscribe(ids[1])
    assert await next_of(subscriber) == Gap(ids[1], ids[7], 5, GapReason.EXPIRED)
    assert await frames_of(subscriber) == [b"7", b"8", b"9"]


@pytest.mark.parametrize("after", [EventId("other", 2), EventId("other", 0), EventId("e", 99)])
async def test_an_id_of_another_epoch_is_a_gap_of_unknown_size(after: EventId) -> None:
    topic = topic_of()
    for n in range(3):
        topic.publish(b"%d" % n)
    subscriber = topic.subscribe(after)
    assert await next_of(subscriber) == Gap(after, EventId("e", 1), None, GapReason.EPOCH)
    assert await frames_of(subscriber) == [b"0", b"1", b"2"]


async def test_an_id_of_another_epoch_is_a_gap_in_an_empty_topic() -> None:
    topic = topic_of()
    subscriber = topic.subscribe(EventId("other", 2))
    assert isinstance(await next_of(subscriber), Gap)
    topic.publish(b"first")
    assert await frames_of(subscriber) == [b"first"]


async def test_a_slow_subscriber_receives_a_gap_with_the_number_of_lost_events() -> None:
    topic = topic_of(max_events=3)
    subscriber, other = topic.subscribe(), topic.subscribe()
    for n in range(10):
        topic.publish(b"%d" % n)
        await frames_of(other)
    assert await next_of(subscriber) == Gap(EventId("e", 0), EventId("e", 8), 7, GapReason.SLOW)
    assert await frames_of(subscriber) == [b"7", b"8", b"9"]


@pytest.mark.parametrize("text", ["9f2c1a7b-42", "e-0", "E9-7"])
def test_parsing_an_event_id_reverses_str(text: str) -> None:
    assert str(EventId.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "-", "e", "e-", "-1", "e--1", "e-x", "e-1-", "e-1 ", "é-1", "a b-1", "a-b-1"]
    + ["e-٣", "e-1.5", "e-+1", "e-1\n", "e-" + "9" * 19, "e" * 65 + "-1", "e-1_0"],
)
def test_a_malformed_event_id_is_refused_with_the_name_of_its_parameter(text: str) -> None:
    with pytest.raises(MalformedEventId, match=r"^Last-Event-ID="):
        EventId.parse(text, name="Last-Event-ID")


async def test_a_derived_topic_can_use_the_offsets_of_its_source() -> None:
    topic = topic_of()
    subscriber = topic.subscribe()
    assert [topic.publish(b"%d" % n, offset=n) for n in (3, 7)] == [("e", 3), ("e", 7)]
    assert topic.publish(b"8") == ("e", 8)
    assert await frames_of(subscriber) == [b"3", b"7", b"8"]
    assert await frames_of(topic.subscribe(EventId("e", 5))) == [b"7", b"8"]
    assert await frames_of(topic.subscribe(last=2)) == [b"7", b"8"]


async def test_expire_to_is_a_gap_for_subscribers() -> None:
    topic = topic_of()
    subscriber = topic.subscribe(topic.publish(b"1"))
    topic.publish(b"2")
    topic.expire_to(5)
    topic.publish(b"6")
    assert await next_of(subscriber) == Gap(EventId("e", 1), EventId("e", 6), 4, GapReason.SLOW)
    assert await frames_of(subscriber) == [b"6"]
    topic.expire_to(3)  # no effect: these offsets are older
    assert topic.publish(b"7") == ("e", 7)
    assert await frames_of(subscriber) == [b"7"]


@pytest.mark.parametrize(
    ("since", "frames"),
    [
        (0.0, [b"1", b"2", b"3"]),
        (T, [b"1", b"2", b"3"]),
        (T + 2, [b"2", b"3"]),
        (T + 2.5, [b"3"]),
    ],
)
async def test_a_subscriber_can_start_at_a_time(since: float, frames: list[bytes]) -> None:
    topic = topic_of()
    for n in (1, 2, 3):
        topic.publish(b"%d" % n, at=T + n)
    assert await frames_of(topic.subscribe(since=since)) == frames


async def test_a_subscriber_that_starts_in_the_future_receives_new_events() -> None:
    topic = topic_of()
    topic.publish(b"1", at=T + 1)
    subscriber = topic.subscribe(since=T + 5)
    topic.publish(b"2", at=T + 2)
    assert await frames_of(subscriber) == [b"2"]


async def test_an_event_without_a_time_has_the_time_of_the_event_before_it() -> None:
    topic = topic_of()
    topic.publish(b"1", at=T + 1)
    topic.publish(b"5", at=T + 5)
    topic.publish(b"none")
    assert await frames_of(topic.subscribe(since=T + 4)) == [b"5", b"none"]


async def test_times_of_earlier_events_are_limited_when_the_clock_is_set_back() -> None:
    topic = topic_of(max_events=5)
    for n in (7, 8, 1, 5, 2, 3, 4):
        topic.publish(b"%d" % n, at=T + n)
    assert await frames_of(topic.subscribe(since=T + 3)) == [b"3", b"4"]
    assert await frames_of(topic.subscribe(since=T + 2)) == [b"5", b"2", b"3", b"4"]


@pytest.mark.parametrize("since", [0.0, T + 1.5, T + 2])
async def test_a_start_time_before_the_retained_events_is_a_gap(since: float) -> None:
    topic = topic_of(max_events=2)
    for n in (1, 2, 3, 4):
        topic.publish(b"%d" % n, at=T + n)
    subscriber = topic.subscribe(since=since)
    gap = await next_of(subscriber)
    assert isinstance(gap, Gap)
    assert (gap.resumed, gap.reason) == (EventId("e", 3), GapReason.EXPIRED)
    assert await frames_of(subscriber) == [b"3", b"4"]
    assert await frames_of(topic.subscribe(since=T + 3)) == [b"3", b"4"]


class Taken:
    """A sink that takes everything, or nothing more."""

    def __init__(self, framing: Callable[[News], Any] = lambda news: news) -> None:
        self.framing = framing
        self.news: list[Any] = []
        self.takes = True
        self.resumed = 0

    def write(self, framed: Any) -> bool:
        if self.takes:
            self.news.append(framed)
        return self.takes

    def resume(self) -> None:
        self.resumed += 1


def attached(
    topic: Topic[bytes, bytes], count: int, framing: Callable[[News], Any] = lambda news: news
) -> list[tuple[Subscriber[Any, bytes], Taken]]:
    """Subscribers at the newest event, with a sink each."""
    pairs = [(topic.subscribe(), Taken(framing)) for _ in range(count)]
    for subscriber, sink in pairs:
        assert subscriber.attach(sink)
    return pairs


def bodies(sink: Taken) -> list[bytes]:
    return [news.body for news in sink.news if isinstance(news, Batch)]


async def test_a_release_frames_one_batch_once_for_all_sinks_of_a_kind() -> None:
    framed: list[News] = []

    def framing(news: News) -> bytes:
        framed.append(news)
        return b"<%b>" % news.body if isinstance(news, Batch) else b"<>"

    topic = topic_of(notify=lambda _: None)
    pairs = attached(topic, 3, framing)
    topic.publish(b"a")
    topic.publish(b"b")
    topic.release()
    topic.release()
    assert all(sink.news == [b"<ab>", b"<>"] for _, sink in pairs)
    assert len(framed) == 2
    assert {(one.position.offset, one.lag) for one, _ in pairs} == {(2, 0)}
    assert topic.delivered_bytes == 6


async def test_a_sink_that_takes_nothing_is_detached_and_its_subscriber_reads_on() -> None:
    topic = topic_of(notify=lambda _: None)
    [(_, fast), (subscriber, slow)] = attached(topic, 2)
    slow.takes = False
    topic.publish(b"a")
    topic.release()
    topic.publish(b"b")
    topic.release()
    assert bodies(fast) == [b"a", b"b"]
    assert (slow.news, slow.resumed, subscriber.lag) == ([], 1, 2)
    assert not subscriber.attach(slow)  # it has something to read
    assert await frames_of(subscriber) == [b"a", b"b"]
    slow.takes = True
    assert subscriber.attach(slow)
    topic.publish(b"c")
    topic.release()
    assert bodies(slow) == [b"c"]


async def test_a_sink_that_is_attached_again_during_a_release_misses_and_repeats_nothing() -> None:
    topic = topic_of(notify=lambda _: None)
    pairs = attached(topic, 3)
    topic.publish(b"a")
    topic.begin_release()
    assert topic.deliver(1)
    subscriber, sink = pairs[2]
    subscriber.detach()
    assert await frames_of(subscriber) == [b"a"]
    assert subscriber.attach(sink)
    topic.publish(b"b")
    assert not topic.deliver(2)
    assert bodies(sink) == []
    topic.release()
    assert [bodies(one) for _, one in pairs] == [[b"a", b"b"]] * 2 + [[b"b"]]


async def test_a_detached_sink_receives_nothing_more() -> None:
    topic = topic_of(notify=lambda _: None)
    [(one, sink), (other, ended)] = attached(topic, 2)
    with other:
        pass
    topic.publish(b"a")
    topic.begin_release()
    one.detach()
    one.detach()
    topic.deliver()
    assert (sink.news, sink.resumed, ended.news, ended.resumed) == ([], 0, [], 0)


async def test_expired_events_and_large_batches_are_read_not_written() -> None:
    topic = topic_of(notify=lambda _: None, max_events=2, batch_bytes=1)
    [(subscriber, sink)] = attached(topic, 1)
    for item in (b"a", b"b", b"c"):
        topic.publish(item)
    topic.release()
    assert (sink.news, sink.resumed) == ([], 1)
    assert await next_of(subscriber) == Gap(EventId("e", 0), EventId("e", 2), 1, GapReason.SLOW)
    assert [await frames_of(subscriber), await frames_of(subscriber)] == [[b"b"], [b"c"]]
    assert subscriber.attach(sink)
    topic.publish(b"d")
    topic.publish(b"e")
    topic.release()
    assert (bodies(sink), sink.resumed) == ([b"d"], 2)
    assert await frames_of(subscriber) == [b"e"]


@pytest.mark.parametrize("remaining", [[], [b"a"]])
async def test_closing_detaches_all_sinks_after_the_remaining_events(
    remaining: list[bytes],
) -> None:
    topic = topic_of(notify=lambda _: None)
    [(subscriber, sink)] = attached(topic, 1)
    for item in remaining:
        topic.publish(item)
    topic.close()
    assert (bodies(sink), len(sink.news), sink.resumed) == (remaining, len(remaining), 1)
    assert not subscriber.attach(sink)
    with pytest.raises(StopAsyncIteration):
        await anext(subscriber)
