"""Wakes the subscribers of topics together, for at most half of the event loop's time.

A topic with 10,000 subscribers must not wake them for each of 200 events a second. The flusher
releases all events published since its last flush, measures how long the subscribers take to write
them, and then pauses for at least as long. Events go out at once while that is cheap, and in
growing batches as it becomes expensive.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import anyio
from anyio import Event, create_task_group
from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rover.topic import Topic

PAUSE_FACTOR = 3.0
"""The pause after a flush is this many times its duration, so that flushes take a quarter of the
time. Above `PAUSE_CAP_S`, the factor falls to 1, so that they take half of it."""

PAUSE_CAP_S = 0.04
"""Maximum seconds of a pause, unless the flush took longer: 200 samples a second then reach
1,000 clients within 100 ms."""

MIN_FLUSH_S = 0.001
"""Seconds that a flush must take to be followed by a pause. Timers are not more precise."""

MAX_WOKEN = 500
"""Maximum number of subscribers woken in one turn of the event loop.

Python's garbage collector runs after 700 new objects. If 1,000 subscribers woke at once, each flush
would start it, which costs a tenth of the CPU time.
"""


class Flusher:
    """Releases the topics that have new events, and sends heartbeats to silent ones.

    All topics of a mission share one flusher, because they share one event loop.

    Args:
        heartbeat_s: maximum seconds that a topic is silent before its subscribers receive a
            `Heartbeat`.
        clock: monotonic seconds.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        heartbeat_s: float,
        *,
        clock: Callable[[], float] = perf_counter,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        self._heartbeat_s = heartbeat_s
        self._clock = clock
        self._sleep = sleep
        self._marked: set[Topic[Any, Any]] = set()
        self._released_at: dict[Topic[Any, Any], float] = {}
        self._heartbeats_s: dict[Topic[Any, Any], float] = {}  # shorter than `heartbeat_s`
        self._wakeup = Event()

    def mark(self, topic: Topic[Any, Any]) -> None:
        """Release the topic soon; pass this method as a topic's `notify`.

        From the first call until the topic is closed, it also receives heartbeats.
        """
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
            while True:
                await self._wakeup.wait()
                self._wakeup = Event()
                took_s = await self._flush()
                if took_s > MIN_FLUSH_S:
                    await self._sleep(max(took_s, min(PAUSE_FACTOR * took_s, PAUSE_CAP_S)))

    async def _flush(self) -> float:
        """Release all marked topics; returns the seconds until the subscribers have run."""
        marked, self._marked = self._marked, set()
        started = self._clock()
        for topic in marked:
            await self._release(topic)
        await checkpoint()  # returns after all woken subscribers have run
        return self._clock() - started

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
                await self._release(topic)

    async def _release(self, topic: Topic[Any, Any]) -> None:
        self._released_at[topic] = self._clock()
        if topic.closed:
            del self._released_at[topic]
            self._heartbeats_s.pop(topic, None)
        while topic.release(MAX_WOKEN):
            await checkpoint()
