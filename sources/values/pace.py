"""Steady schedules, and those of recordings."""

from __future__ import annotations

import math
from time import time
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


MAX_SLIP_S = 1.0
"""Seconds off schedule after which the schedule starts again from now."""


class Schedule:
    """When the items of a recording are due, in order.

    The wall clock may be adjusted, and the machine may be suspended. If the replay is more than
    `MAX_SLIP_S` off schedule, the schedule starts again from now: missed items do not follow in a
    burst, and no pause lasts an hour.

    Args:
        clock: POSIX seconds.
        sleep: waits for a number of seconds.

    Attributes:
        due: POSIX seconds of the newest item; of the start before the first.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self.due = clock()

    async def wait(self, gap_s: float) -> float:
        """Wait until the next item is due, and return that time.

        Args:
            gap_s: seconds between it and the one before.
        """
        now, self.due = self._clock(), self.due + gap_s
        wait_s = self.due - now
        if wait_s < -MAX_SLIP_S:
            self.due, wait_s = now, 0.0
        elif wait_s > gap_s + MAX_SLIP_S:
            self.due, wait_s = now + gap_s, gap_s
        await self._sleep(max(0.0, wait_s))
        return self.due


async def ticks(
    period_s: float,
    now: Callable[[], float] = anyio.current_time,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> AsyncIterator[int]:
    """Yield the number of each tick when it is due: 0 at once, then one every `period_s`.

    The schedule is fixed at the start, so lateness does not add up. Missed ticks are skipped, not
    yielded in a burst.
    """
    start = now()
    tick = 0
    while True:
        yield tick
        tick = max(tick + 1, math.floor((now() - start) / period_s))
        # sleep even when late, so that other tasks run between two ticks
        await sleep(max(0.0, start + tick * period_s - now()))
