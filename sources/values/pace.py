"""A steady schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


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
