"""Any order of operations on a topic, compared with a simple model, on both paths to subscribers.

A subscriber is read, or the topic writes to its sink.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import create_task_group
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from rover.topic import HEARTBEAT, Batch, EventId, Gap, GapReason, Heartbeat, Topic

if TYPE_CHECKING:
    from rover.topic import Subscriber

News = Batch[Any, bytes] | Gap | Heartbeat


def topic_of(**options: Any) -> Topic[bytes, bytes]:
    options = {"max_events": 1000, "max_bytes": 10**6, "epoch": "e", **options}
    return Topic(lambda event_id, item: item, size=len, **options)


class Follower:
    """A subscriber and where it is. As a sink, it takes batches while `takes` is set."""

    def __init__(self, model: Model, subscriber: Subscriber[Any, bytes], position: int) -> None:
        self.model = model
        self.subscriber = subscriber
        self.position = position
        self.takes = True
        self.attached = False

    @staticmethod
    def framing(news: News) -> News:
        return news

    def attach(self) -> None:
        if not self.attached:
            self.attached = self.subscriber.attach(self)
            assert not self.attached or self.position == self.model.released

    def write(self, framed: News) -> bool:
        assert self.attached
        assert not isinstance(framed, Gap)
        if self.takes:
            self.position = self.model.check(framed, self.position)
        return self.takes

    def resume(self) -> None:
        assert self.attached
        self.attached = False

    async def read(self) -> bool:
        """Read once, without waiting; returns whether there was something to read."""
        if self.attached:
            return False
        news: list[News] = []

        async def read() -> None:
            news.append(await anext(self.subscriber))

        async with create_task_group() as tasks:
            tasks.start_soon(read)
            for _ in range(3):  # a read that needs more turns waits for a release
                await checkpoint()
            tasks.cancel_scope.cancel()
        if news:
            self.position = self.model.check(news[0], self.position)
        else:
            assert self.position >= self.model.released, "the subscriber missed events"
        return bool(news)


class Model:
    """A simple implementation of `Topic`, compared with the real one at each step."""

    def __init__(self, topic: Topic[bytes, bytes], max_events: int, max_bytes: int) -> None:
        self.topic = topic
        self.log: dict[int, bytes] = {}  # all events, by offset
        self.kept: dict[int, bytes] = {}
        self.last = self.released = 0
        self.is_heartbeat = False  # the current release has no events
        self.followers: list[Follower] = []
        self.max_events, self.max_bytes = max_events, max_bytes

    def publish(self, step: int, size: int) -> None:
        self.last += step
        item = self.log[self.last] = self.kept[self.last] = (b"%d " % self.last).ljust(size)
        assert self.topic.publish(item, offset=self.last).offset == self.last
        while len(self.kept) > self.max_events or (
            len(self.kept) > 1 and sum(map(len, self.kept.values())) > self.max_bytes
        ):
            del self.kept[min(self.kept)]
        assert self.topic.retained() == list(self.kept.values())

    def release(self) -> None:
        while self.topic.deliver():
            pass
        self.is_heartbeat = self.released == self.last
        self.released = self.last
        self.topic.begin_release()

    def deliver(self, count: int) -> None:
        self.topic.deliver(count)

    def renew(self) -> None:
        self.topic.renew()

    def subscribe(self, last: int) -> None:
        """Start after the newest event that the subscriber does not ask for."""
        older = list(self.log)[: len(self.log) - min(last, len(self.kept))]
        subscriber = self.topic.subscribe(last=last)
        self.followers.append(Follower(self, subscriber, max(older, default=0)))

    def resume(self, offset: int) -> None:
        offset = min(offset, self.last)
        subscriber = self.topic.subscribe(self.topic.epochs.id(offset))
        self.followers.append(Follower(self, subscriber, offset))

    def one(self, index: int) -> Follower | None:
        return self.followers[index % len(self.followers)] if self.followers else None

    def attach(self, index: int) -> None:
        if (one := self.one(index)) is not None:
            one.attach()

    def detach(self, index: int) -> None:
        if (one := self.one(index)) is not None:
            one.subscriber.detach()
            one.attached = False

    def block(self, index: int) -> None:
        if (one := self.one(index)) is not None:
            one.takes = not one.takes

    def check(self, news: News, position: int) -> int:
        """Check that the news follows `position`; returns the position after it."""
        if isinstance(news, Batch):
            last = news.offsets[-1]
            assert last <= self.released
            expected = {n: item for n, item in self.log.items() if position < n <= last}
            assert list(zip(news.offsets, news.frames, strict=True)) == list(expected.items())
            return last
        if isinstance(news, Heartbeat):
            assert self.is_heartbeat, "a heartbeat without a release"
            assert position >= self.released, "a heartbeat instead of events"
            return position
        assert news.after == self.topic.epochs.id(position)
        missing = [n for n in self.log if position < n < news.resumed.offset]
        assert missing, "a gap without missing events"
        assert not self.kept.keys() & set(missing), "retained events are missing"
        assert news.lost is not None
        assert news.lost >= len(missing)
        return max(missing)


STEPS = st.one_of(
    st.tuples(st.just("publish"), st.integers(1, 3), st.integers(6, 40)),
    st.tuples(st.just("subscribe"), st.integers(0, 9)),
    st.tuples(st.just("resume"), st.integers(0, 60)),
    st.tuples(st.just("read"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["attach", "detach", "block"]), st.integers(0, 5)),
    st.tuples(st.just("release")),
    st.tuples(st.just("deliver"), st.integers(1, 3)),
    st.tuples(st.just("renew")),
)


@settings(max_examples=300)
@given(
    max_events=st.integers(1, 8),
    max_bytes=st.integers(1, 200),
    batch_bytes=st.integers(1, 100),
    steps=st.lists(STEPS, max_size=60),
    close=st.none() | st.integers(0, 2),
)
def test_no_event_is_reordered_repeated_or_lost_silently(
    max_events: int,
    max_bytes: int,
    batch_bytes: int,
    steps: list[tuple[Any, ...]],
    close: int | None,
) -> None:
    async def scenario() -> None:
        bounds = {"max_events": max_events, "max_bytes": max_bytes}
        topic = topic_of(batch_bytes=batch_bytes, notify=lambda _: None, **bounds)
        model = Model(topic, **bounds)
        for act, *arguments in steps:
            if act != "read":
                getattr(model, act)(*arguments)
            elif (one := model.one(*arguments)) is not None:
                await one.read()
        model.release()
        while topic.deliver():
            pass
        for one in model.followers:
            while await one.read():
                pass
        assert all(one.position == model.last for one in model.followers)
        if close is not None:
            for one in model.followers:
                one.attach()
            for _ in range(close):
                model.publish(1, 6)
            model.released, model.is_heartbeat = model.last, False
            topic.close()
            for one in model.followers:
                assert not one.attached
                async for news in one.subscriber:
                    one.position = model.check(news, one.position)
                assert one.position == model.last

    anyio.run(scenario)


@pytest.mark.parametrize(
    "news",
    [
        Batch([b"2     ", b"3     "], [2, 3], [b"2     ", b"3     "]),  # skips
        Batch([b"2     ", b"1     "], [2, 1], [b"2     ", b"1     "]),  # reorders
        Batch([b"1     ", b"1     "], [1, 1], [b"1     ", b"1     "]),  # repeats
        Batch([b"2     "], [1], [b"2     "]),  # wrong offset
        Gap(EventId("e", 0), EventId("e", 2), 1, GapReason.SLOW),  # omits a retained event
        HEARTBEAT,  # omits events
    ],
)
def test_the_model_detects_errors(news: News) -> None:
    model = Model(topic_of(), 9, 999)
    for _ in range(3):
        model.publish(1, 6)
    model.release()
    assert model.check(Batch([b"1     ", b"2     "], [1, 2], [b"1     ", b"2     "]), 0) == 2
    with pytest.raises(AssertionError):
        model.check(news, 0)
