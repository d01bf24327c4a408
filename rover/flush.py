"""Releases topics to all of their subscribers, for at most half of the event loop's time.

A topic with 10,000 subscribers must not write to them for each of 200 events a second. The flusher
releases all events published since its last flush, measures how long it takes to write
them, and then pauses for at least as long. Events go out at once while that is cheap, and in
growing batches as it becomes expensive.

Before it releases events, it commits them. Events that must survive a power cut wait for the disk
in a second task, which does not delay the others. If the log cannot commit, events go on without
it, with a new epoch.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import anyio
from anyio import Event, create_task_group
from anyio.lowlevel import checkpoint

from rover.logs.memory import MemoryLog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from rover.logs.base import Log
    from rover.topic import Topic

PAUSE_FACTOR = 3.0
"""The pause after a flush is this many times its duration, so that flushes take a quarter of the
time. Above `PAUSE_CAP_S`, the factor falls to 1, so that they take half of it."""

PAUSE_CAP_S = 0.04
"""Maximum seconds of a pause, unless the flush took longer: 200 samples a second then reach
1,000 clients within 100 ms."""

MIN_FLUSH_S = 0.001
"""Seconds that a flush must take to be followed by a pause. Timers are not more precise."""

MAX_DELIVERED = 500
"""Maximum number of subscribers that a release reaches in one turn of the event loop.

Between the turns, other tasks run. Python's garbage collector runs after 700 new objects: if tasks
of 1,000 subscribers woke at once, each flush would start it.
"""


class Flusher:
    """Releases the topics that have new events, and sends heartbeats to silent ones.

    All topics of a mission share one flusher, because they share one event loop.

    Args:
        heartbeat_s: maximum seconds that a topic is silent before its subscribers receive a
            `Heartbeat`.
        log: keeps the events of the topics that have a store; by default a log in memory.
        clock: monotonic seconds.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        heartbeat_s: float,
        *,
        log: Log | None = None,
        clock: Callable[[], float] = perf_counter,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        self._heartbeat_s = heartbeat_s
        self._log = log or MemoryLog()
        self._clock = clock
        self._sleep = sleep
        self._marked: set[Topic[Any, Any]] = set()
        self._released_at: dict[Topic[Any, Any], float] = {}
        self._heartbeats_s: dict[Topic[Any, Any], float] = {}  # shorter than `heartbeat_s`
        self._wakeup = Event()
        self._unsynced: set[Topic[Any, Any]] = set()
        self._sync_wakeup = Event()

    def mark(self, topic: Topic[Any, Any]) -> None:
        """Release the topic soon; pass this method as a topic's `notify`.

        From the first call until the topic is closed, it also receives heartbeats.
        """
        if topic.store is not None and topic.store.durable:
            self._unsynced.add(topic)
            self._sync_wakeup.set()
        else:
            self._marked.add(topic)
            self._wakeup.set()

    def limit_silence(self, topic: Topic[Any, Any], heartbeat_s: float) -> None:
        """Send heartbeats to one topic more often than to the others, until it is closed."""
        self._heartbeats_s[topic] = min(heartbeat_s, self._heartbeat_s)
        self.mark(topic)

    async def run(self) -> None:
        """Release topics and send heartbeats until cancelled."""
        async with create_task_group() as tasks:
            tasks.start_soon(self._run_heartbeats)
            tasks.start_soon(self._run_syncs)
            while True:
                await self._wakeup.wait()
                self._wakeup = Event()
                await self._pause(await self._flush())

    async def _flush(self) -> float:
        """Commit and release marked topics; returns the seconds that the subscribers took."""
        marked, self._marked = self._marked, set()
        ready = [(topic, topic.last_id.offset) for topic in marked]
        if not await self._log.commit():
            _renew(marked)
        started = self._clock()
        for topic, offset in ready:
            await self._release(topic, offset)
        await checkpoint()  # returns after all woken subscribers have run
        return self._clock() - started

    async def _run_syncs(self) -> None:
        """Release topics whose events must survive a power cut."""
        while True:
            await self._sync_wakeup.wait()
            ready: list[tuple[Topic[Any, Any], int]] = []
            if not await self._log.sync(partial(self._take_unsynced, ready)):
                _renew(topic for topic, _ in ready)
            await checkpoint()  # acknowledgements precede the events
            started = self._clock()
            for topic, offset in ready:
                await self._release(topic, offset)
            await checkpoint()
            await self._pause(self._clock() - started)

    def _take_unsynced(self, ready: list[tuple[Topic[Any, Any], int]]) -> None:
        """Note what the log is going to keep: events that follow are for the next time."""
        ready += [(topic, topic.last_id.offset) for topic in self._unsynced]
        self._unsynced, self._sync_wakeup = set(), Event()

    async def _pause(self, took_s: float) -> None:
        if took_s > MIN_FLUSH_S:
            await self._sleep(max(took_s, min(PAUSE_FACTOR * took_s, PAUSE_CAP_S)))

    async def _run_heartbeats(self) -> None:
        while True:
            shortest_s = min(self._heartbeats_s.values(), default=self._heartbeat_s)
            await self._sleep(shortest_s / 4)
            await self._send_heartbeats()

    async def _send_heartbeats(self) -> None:
        now = self._clock()
        for topic, released_at in list(self._released_at.items()):
            heartbeat_s = self._heartbeats_s.get(topic, self._heartbeat_s)
            if now - released_at > heartbeat_s * 0.7:
                await self._release(topic, 0)  # a heartbeat, and nothing that is not committed

    async def _release(self, topic: Topic[Any, Any], up_to: int) -> None:
        self._released_at[topic] = self._clock()
        if topic.closed:
            del self._released_at[topic]
            self._heartbeats_s.pop(topic, None)
        while topic.deliver(MAX_DELIVERED):  # a release of another task
            await checkpoint()
        topic.begin_release(up_to)
        while topic.deliver(MAX_DELIVERED):
            await checkpoint()


def _renew(topics: Iterable[Topic[Any, Any]]) -> None:
    for topic in topics:
        topic.renew_if_stored()
