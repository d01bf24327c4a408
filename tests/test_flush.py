from __future__ import annotations

import gc
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING
from weakref import ref

import pytest
from anyio import Event, create_task_group, fail_after
from anyio.lowlevel import checkpoint

from rover.flush import Flusher
from rover.logs import MemoryLog
from rover.logs.store import Packed, Store
from rover.topic import HEARTBEAT, Batch, Heartbeat, Topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio

HEARTBEAT_S = 10.0


class FakeTime:
    """A clock that advances only by `advance` (tasks may wait) and by `spend` (they may not)."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.reads = 0
        self._sleepers: list[tuple[float, Event]] = []

    def clock(self) -> float:
        self.reads += 1
        return self.now

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
    """Run the other tasks until all of them wait."""
    for _ in range(10):
        await checkpoint()


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def flusher(time: FakeTime) -> Flusher:
    return Flusher(HEARTBEAT_S, clock=time.clock, sleep=time.sleep)


class Client:
    """Follows a topic, and records the time of each batch and heartbeat."""

    def __init__(self, topic: Topic[bytes, bytes], time: FakeTime, work_s: float = 0.0) -> None:
        self.topic, self.time, self.work_s = topic, time, work_s
        self.batches: list[tuple[float, bytes]] = []
        self.heartbeats: list[float] = []

    async def run(self) -> None:
        async for news in self.topic.subscribe():
            if isinstance(news, Batch):
                self.batches.append((self.time.now, news.body))
                self.time.spend(self.work_s)
            elif isinstance(news, Heartbeat):
                self.heartbeats.append(self.time.now)


def topic_of(flusher: Flusher) -> Topic[bytes, bytes]:
    return Topic(
        lambda _, item: item, size=len, max_events=999, max_bytes=9999, notify=flusher.mark
    )


@asynccontextmanager
async def running(flusher: Flusher, *clients: Client) -> AsyncIterator[None]:
    async with create_task_group() as tasks:
        tasks.start_soon(flusher.run)
        for client in clients:
            tasks.start_soon(client.run)
        await settle()
        yield
        tasks.cancel_scope.cancel()


async def test_events_are_sent_at_once_while_flushes_are_short(
    time: FakeTime, flusher: Flusher
) -> None:
    topic = topic_of(flusher)
    async with running(flusher, client := Client(topic, time)):
        for item in (b"a", b"b"):
            topic.publish(item)
            await settle()
    assert client.batches == [(time.now, b"a"), (time.now, b"b")]


async def test_events_published_together_are_sent_together(
    time: FakeTime, flusher: Flusher
) -> None:
    topic = topic_of(flusher)
    async with running(flusher, one := Client(topic, time), other := Client(topic, time)):
        for item in (b"a", b"b", b"c"):
            topic.publish(item)
        await settle()
    assert one.batches == other.batches == [(time.now, b"abc")]


@pytest.mark.parametrize(
    ("work_s", "starts"),
    [
        (0.01, [0.0, 0.08, 0.16, 0.24, 0.32]),  # 40 ms of writing, then a pause of the same length
        (0.0025, [0.0, 0.04, 0.08, 0.12, 0.16]),  # 10 ms of writing, then three times as long
    ],
)
async def test_a_flush_is_followed_by_a_pause(
    time: FakeTime, flusher: Flusher, work_s: float, starts: list[float]
) -> None:
    topic = topic_of(flusher)
    clients = [Client(topic, time, work_s) for _ in range(4)]
    began = time.now
    async with running(flusher, *clients):
        for n in range(8):
            topic.publish(b"%d" % n)
            await time.advance(0.02)
        await time.advance(1)
    assert [at - began for at, _ in clients[0].batches] == pytest.approx(starts)
    assert b"".join(body for _, body in clients[0].batches) == b"01234567"


async def test_a_busy_topic_does_not_delay_heartbeats_of_another(
    time: FakeTime, flusher: Flusher
) -> None:
    busy, silent = topic_of(flusher), topic_of(flusher)
    flusher.mark(silent)
    async with running(flusher, Client(busy, time), client := Client(silent, time)):
        for _ in range(400):
            busy.publish(b"x")
            await time.advance(0.1)
    assert len(client.heartbeats) >= 4
    assert longest_pause(client.heartbeats) <= HEARTBEAT_S


async def test_silence_is_never_longer_than_the_heartbeat(time: FakeTime, flusher: Flusher) -> None:
    topic = topic_of(flusher)
    async with running(flusher, client := Client(topic, time)):
        for n in range(50):
            topic.publish(b"x")
            await time.advance(2 * HEARTBEAT_S + n * 0.19)  # at any phase of the heartbeat's timer
    assert longest_pause([at for at, _ in client.batches] + client.heartbeats) <= HEARTBEAT_S


def longest_pause(times: list[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(sorted(times)))


async def test_a_busy_topic_receives_no_heartbeat(time: FakeTime, flusher: Flusher) -> None:
    topic = topic_of(flusher)
    async with running(flusher, client := Client(topic, time)):
        for _ in range(50):
            topic.publish(b"x")
            await time.advance(HEARTBEAT_S / 3)
    assert len(client.batches) == 50
    assert client.heartbeats == []


async def test_a_flusher_without_new_events_sleeps(time: FakeTime, flusher: Flusher) -> None:
    topic = topic_of(flusher)
    async with running(flusher):
        topic.publish(b"x")
        await settle()
        reads = time.reads
        await settle()
        assert time.reads == reads > 0


async def test_a_topic_that_was_never_marked_receives_no_heartbeat(
    time: FakeTime, flusher: Flusher
) -> None:
    async with running(flusher, client := Client(topic_of(flusher), time)):
        await time.advance(60)
    assert client.heartbeats == []


async def test_a_topic_marked_before_the_start_is_released_after_it(
    time: FakeTime, flusher: Flusher
) -> None:
    topic = topic_of(flusher)
    client = Client(topic, time)
    async with create_task_group() as tasks:
        tasks.start_soon(client.run)
        await settle()
        topic.publish(b"early")
        await settle()
        assert client.batches == []
        tasks.start_soon(flusher.run)
        await settle()
        tasks.cancel_scope.cancel()
    assert [body for _, body in client.batches] == [b"early"]


@pytest.mark.parametrize("released_before", [True, False])
async def test_a_closed_topic_is_freed(
    time: FakeTime, flusher: Flusher, released_before: bool
) -> None:
    topic = topic_of(flusher)
    client = Client(topic, time)
    async with running(flusher):
        async with create_task_group() as tasks:
            tasks.start_soon(client.run)
            await settle()
            topic.publish(b"x")
            if released_before:
                await time.advance(HEARTBEAT_S)
            topic.close()
            await time.advance(HEARTBEAT_S)
        assert [body for _, body in client.batches] == [b"x"]
        held = ref(topic)
        del topic, client
        gc.collect()
        assert held() is None


async def test_many_subscribers_wake_in_several_turns(time: FakeTime, flusher: Flusher) -> None:
    topic = topic_of(flusher)
    clients = [Client(topic, time) for _ in range(1_200)]
    async with running(flusher, *clients):
        for flushes in (1, 2, 3):
            topic.publish(b"x")
            woken: list[int] = []
            while not woken or woken[-1] < len(clients):
                await checkpoint()
                woken.append(sum(len(client.batches) == flushes for client in clients))
            assert {count for count in woken if count} == {500, 1_000, 1_200}


async def test_one_topic_may_have_heartbeats_more_often_than_the_others() -> None:
    flusher = Flusher(60)
    often, seldom = topic_of(flusher), topic_of(flusher)
    flusher.limit_silence(often, 0.02)
    flusher.mark(seldom)
    with often.subscribe() as subscriber:
        async with create_task_group() as tasks:
            tasks.start_soon(flusher.run)
            with fail_after(5):
                assert [await anext(subscriber) for _ in range(3)] == [HEARTBEAT] * 3
            tasks.cancel_scope.cancel()


class Disk(MemoryLog):
    """A log whose disk begins and ends its work when it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.may_begin, self.may_end = Event(), Event()

    async def sync(self, begins: Callable[[], object] = lambda: None) -> bool:
        await self.may_begin.wait()
        begins()
        await self.may_end.wait()
        return True


async def test_durable_events_are_released_when_the_disk_has_them(time: FakeTime) -> None:
    log = Disk()
    flusher = Flusher(HEARTBEAT_S, log=log, clock=time.clock, sleep=time.sleep)
    topic: Topic[bytes, bytes] = Topic(
        lambda _, item: item,
        size=len,
        max_events=999,
        max_bytes=9999,
        notify=flusher.mark,
        store=Store(
            log,
            "comms/flight",
            pack=lambda item: Packed("message", item.decode()),
            unpack=lambda record: (record.data.encode(), record.at),
            durable=True,
        ),
    )
    async with running(flusher, client := Client(topic, time)):
        topic.publish(b"a")
        await settle()
        topic.publish(b"b")  # the disk has not begun: its work covers this one
        log.may_begin.set()
        await settle()
        topic.publish(b"c")
        await settle()
        assert client.batches == []
        log.may_end.set()
        await settle()
    assert [body for _, body in client.batches] == [b"ab", b"c"]
