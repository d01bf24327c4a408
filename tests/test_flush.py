from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from anyio import Event, create_task_group
from anyio.lowlevel import checkpoint

from rover import flush
from rover.flush import Flusher
from rover.topic import Batch, Heartbeat, Topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio

HEARTBEAT_S = 10.0


class FakeTime:
    """Time that passes when it is told to: by waiting (`advance`), or by work (`spend`)."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, Event]] = []

    async def sleep(self, delay_s: float) -> None:
        woken = Event()
        self._sleepers.append((self.now + delay_s, woken))
        await woken.wait()

    def spend(self, work_s: float) -> None:
        self.now += work_s

    async def advance(self, delay_s: float) -> None:
        await settle()
        end = self.now + delay_s
        while due := [sleeper for sleeper in self._sleepers if sleeper[0] <= end]:
            first = min(due, key=lambda sleeper: sleeper[0])
            self._sleepers.remove(first)
            self.now = max(self.now, first[0])
            first[1].set()
            await settle()
        self.now = max(self.now, end)


async def settle() -> None:
    """Give every task the turns that it needs to come to rest."""
    for _ in range(10):
        await checkpoint()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(flush, "sleep", fake.sleep)
    monkeypatch.setattr(flush, "perf_counter", lambda: fake.now)
    return fake


class Reader:
    """Follows a topic and notes when it got what."""

    def __init__(
        self, topic: Topic[bytes, bytes], time: FakeTime, work_s: Callable[[], float] = lambda: 0
    ) -> None:
        self.topic, self.time, self.work_s = topic, time, work_s
        self.batches: list[tuple[float, bytes]] = []
        self.beats: list[float] = []

    async def run(self) -> None:
        async for news in self.topic.subscribe():
            if isinstance(news, Batch):
                self.batches.append((self.time.now, news.body))
                self.time.spend(self.work_s())
            elif isinstance(news, Heartbeat):
                self.beats.append(self.time.now)


def topic_of(flusher: Flusher) -> Topic[bytes, bytes]:
    return Topic(
        lambda _, item: item, size=len, max_events=999, max_bytes=9999, notify=flusher.mark
    )


@asynccontextmanager
async def running(flusher: Flusher, *readers: Reader) -> AsyncIterator[None]:
    async with create_task_group() as tasks:
        tasks.start_soon(flusher.run)
        for reader in readers:
            tasks.start_soon(reader.run)
        await settle()
        yield
        tasks.cancel_scope.cancel()


async def test_an_event_goes_out_at_once_while_that_is_cheap(time: FakeTime) -> None:
    topic = topic_of(flusher := Flusher(HEARTBEAT_S))
    async with running(flusher, reader := Reader(topic, time)):
        for item in (b"a", b"b"):
            topic.publish(item)
            await settle()
    assert reader.batches == [(time.now, b"a"), (time.now, b"b")]


async def test_what_is_published_in_one_go_goes_out_in_one_go(time: FakeTime) -> None:
    topic = topic_of(flusher := Flusher(HEARTBEAT_S))
    async with running(flusher, one := Reader(topic, time), other := Reader(topic, time)):
        for item in (b"a", b"b", b"c"):
            topic.publish(item)
        await settle()
    assert one.batches == other.batches == [(time.now, b"abc")]


async def test_the_loop_rests_as_long_as_the_readers_took(time: FakeTime) -> None:
    """With 40 ms of writing for each flush, half of the time is left to everything else."""
    topic = topic_of(flusher := Flusher(HEARTBEAT_S))
    readers = [Reader(topic, time, lambda: 0.01) for _ in range(4)]
    start = time.now
    async with running(flusher, *readers):
        for n in range(8):
            topic.publish(b"%d" % n)
            await time.advance(0.02)
        await time.advance(1)
    began = [round(at - start, 3) for at, _ in readers[0].batches]
    assert began == [0.0, 0.08, 0.16, 0.24, 0.32]
    assert b"".join(body for _, body in readers[0].batches) == b"01234567"


async def test_after_a_short_flush_the_loop_rests_three_times_as_long(time: FakeTime) -> None:
    topic = topic_of(flusher := Flusher(HEARTBEAT_S))
    readers = [Reader(topic, time, lambda: 0.0025) for _ in range(4)]
    start = time.now
    async with running(flusher, *readers):
        for n in range(8):
            topic.publish(b"%d" % n)
            await time.advance(0.02)
        await time.advance(1)
    began = [round(at - start, 3) for at, _ in readers[0].batches]
    assert began == [0.0, 0.04, 0.08, 0.12, 0.16]


async def test_a_busy_topic_does_not_hold_up_a_heartbeat_of_another(time: FakeTime) -> None:
    flusher = Flusher(HEARTBEAT_S)
    busy, silent = topic_of(flusher), topic_of(flusher)
    flusher.mark(silent)
    async with running(flusher, Reader(busy, time), reader := Reader(silent, time)):
        for _ in range(400):
            busy.publish(b"x")
            await time.advance(0.1)
    assert len(reader.beats) >= 4
    assert max(later - earlier for earlier, later in pairwise(reader.beats)) <= HEARTBEAT_S


async def test_silence_is_never_longer_than_the_heartbeat(time: FakeTime) -> None:
    topic = topic_of(flusher := Flusher(HEARTBEAT_S))
    async with running(flusher, reader := Reader(topic, time)):
        for n in range(50):
            topic.publish(b"x")
            await time.advance(2 * HEARTBEAT_S + n * 0.19)  # the last word is at any time of a beat
    signs = sorted([at for at, _ in reader.batches] + reader.beats)
    assert max(later - earlier for earlier, later in pairwise(signs)) <= HEARTBEAT_S


async def test_no_heartbeat_while_something_is_going_on(time: FakeTime) -> None:
    topic = topic_of(flusher := Flusher(HEARTBEAT_S))
    async with running(flusher, reader := Reader(topic, time)):
        for _ in range(50):
            topic.publish(b"x")
            await time.advance(HEARTBEAT_S / 3)
    assert len(reader.batches) == 50
    assert reader.beats == []


async def test_a_flusher_without_news_sleeps(
    time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        turns += 1
        await checkpoint()

    monkeypatch.setattr(flush, "checkpoint", count_turns)
    topic = topic_of(flusher := Flusher(HEARTBEAT_S))
    async with running(flusher):
        topic.publish(b"x")
        await settle()
        assert turns == 1
        await settle()
    assert turns == 1


async def test_a_topic_that_was_never_marked_is_left_alone(time: FakeTime) -> None:
    topic = topic_of(flusher := Flusher(HEARTBEAT_S))
    async with running(flusher, reader := Reader(topic, time)):
        await time.advance(60)
    assert reader.beats == []


async def test_what_was_marked_before_the_start_is_flushed_after_it(time: FakeTime) -> None:
    topic = topic_of(flusher := Flusher(HEARTBEAT_S))
    reader = Reader(topic, time)
    async with create_task_group() as tasks:
        tasks.start_soon(reader.run)
        await settle()
        topic.publish(b"early")
        await settle()
        assert reader.batches == []
        tasks.start_soon(flusher.run)
        await settle()
        tasks.cancel_scope.cancel()
    assert [body for _, body in reader.batches] == [b"early"]


@pytest.mark.parametrize("marked_last", [True, False])
async def test_a_closed_topic_is_forgotten(time: FakeTime, marked_last: bool) -> None:
    topic = topic_of(flusher := Flusher(HEARTBEAT_S))
    async with running(flusher, reader := Reader(topic, time)):
        topic.publish(b"x")
        if not marked_last:
            await settle()
        topic.close()
        await time.advance(2 * HEARTBEAT_S)
        assert topic not in held(flusher)
    assert [body for _, body in reader.batches] == [b"x"]


def held(flusher: Flusher) -> set[Any]:
    """Every topic that the flusher keeps alive."""
    return flusher._marked | set(flusher._released_at)


class Turns:
    """In place of a topic: so many readers, and how many of them woke in each turn."""

    closed = False

    def __init__(self, readers: int, wake: Callable[[], None]) -> None:
        self.woken: list[int] = []
        self._readers = self._left = readers
        self._wake = wake

    def release(self, at_most: int) -> bool:
        now = min(at_most, self._left)
        self.woken.append(now)
        self._left -= now
        self._wake()
        if more := self._left > 0:
            return more
        self._left = self._readers
        return False


async def test_a_crowd_wakes_in_turns(time: FakeTime) -> None:
    topic: Any = Turns(1_200, lambda: time.spend(0.007))
    flusher = Flusher(HEARTBEAT_S)
    async with create_task_group() as tasks:
        tasks.start_soon(flusher.run)
        for _ in range(3):
            topic.woken.clear()
            flusher.mark(topic)
            await time.advance(1)
            assert topic.woken == [500, 500, 200]
        tasks.cancel_scope.cancel()
