"""When readers wake: together, with what piled up, and for half of the loop's time at most.

A topic with ten thousand readers must not wake them for each of two hundred events a second. The
flusher releases what was published since, measures how long the readers took to write it, and
leaves the loop to everything else for at least as long. So events go out at once while that is
cheap, and in growing batches as it gets dear.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from anyio import Event, create_task_group, sleep
from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from rover.topic import Topic

REST = 3.0
LONG_REST_S = 0.04
"""A flush is followed by a pause of `REST` times its length, so that a quarter of the time goes to
flushes; but by no more than `LONG_REST_S`, so that 200 samples a second reach a thousand readers
within 100 ms; and by no less than its own length, however long that was."""

TOGETHER = 500
"""So many readers wake in one turn of the loop. Python's garbage collector runs after 700 objects
more: if a thousand woke, it would look through them each time, for a tenth of what it all costs."""

MIN_REST_S = 0.001
"""A flush quicker than this is followed by no pause: timers are no finer."""


class Flusher:
    """Releases the topics that are `mark`ed, and gives silent ones a heartbeat.

    One for all topics of a mission, because the loop that it shares out is one.

    Args:
        heartbeat_s: a topic never lets its readers wait longer than this without a `Beat`.
    """

    def __init__(self, heartbeat_s: float) -> None:
        self._heartbeat_s = heartbeat_s
        self._marked: set[Topic[Any, Any]] = set()
        self._released_at: dict[Topic[Any, Any], float] = {}
        self._something = Event()

    def mark(self, topic: Topic[Any, Any]) -> None:
        """Have the topic released soon; this is what a topic's `notify` wants.

        From its first mark until it is closed, its silence is filled with heartbeats.
        """
        self._marked.add(topic)
        self._something.set()

    async def run(self) -> None:
        """Flush and beat until cancelled."""
        async with create_task_group() as tasks:
            tasks.start_soon(self._beat)
            while True:
                await self._something.wait()
                self._something = Event()
                marked, self._marked = self._marked, set()
                started = perf_counter()
                for topic in marked:
                    await self._release(topic)
                await checkpoint()  # comes back when every reader that woke has had its turn
                took_s = perf_counter() - started
                if took_s > MIN_REST_S:
                    await sleep(max(took_s, min(REST * took_s, LONG_REST_S)))

    async def _beat(self) -> None:
        while True:
            await sleep(self._heartbeat_s / 4)
            now = perf_counter()
            for topic, released_at in list(self._released_at.items()):
                if now - released_at > self._heartbeat_s * 0.7:
                    await self._release(topic)

    async def _release(self, topic: Topic[Any, Any]) -> None:
        self._released_at[topic] = perf_counter()
        if topic.closed:
            del self._released_at[topic]
        while topic.release(TOGETHER):
            await checkpoint()
