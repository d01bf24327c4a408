"""A steady beat for whoever measures in rounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


async def beats(
    period_s: float,
    now: Callable[[], float] = anyio.current_time,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> AsyncIterator[int]:
    """Yield the number of each beat when it is due: 0 at once, then one every `period_s`.

    Beats stand on one schedule fixed at the start, so lateness does not add up. Beats that were
    missed are left out, not made up for in a burst: their numbers are skipped.
    """
    start = now()
    beat = 0
    while True:
        yield beat
        beat = max(beat + 1, math.floor((now() - start) / period_s))
        # Even when late: the loop's other tasks get their turn between two beats.
        await sleep(max(0.0, start + beat * period_s - now()))
