"""Measures how long the event loop is blocked."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from rover.testing.clauses import Clause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SCHEDSTAT = Path("/proc/thread-self/schedstat")

INTERVAL_S = 0.01
"""Seconds between two measurements."""

MIN_STALL_S = 0.05
"""Seconds that count as a stall; a busy machine causes shorter delays too."""

MAX_STALLED_SHARE = 0.5
"""Share of the time that the event loop may be blocked."""


def waited_for_cpu_s() -> float:
    """Seconds that this thread was ready to run, but the machine ran others; 0 if unknown.

    Source: Documentation/scheduler/sched-stats.rst of Linux, `/proc/<pid>/schedstat`.
    """
    try:
        return int(SCHEDSTAT.read_bytes().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):  # not Linux
        return 0.0


class StallMonitor:
    """Measures the delay of a task that sleeps repeatedly.

    Time in which a busy machine ran other processes does not count.

    Attributes:
        longest_s: Seconds of the longest delay.
        total_s: Seconds of all stalls.
    """

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.total_s = 0.0
        self._started_s = monotonic()

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            before_s, waited_s = monotonic(), waited_for_cpu_s()
            await asyncio.sleep(INTERVAL_S)
            late_s = monotonic() - before_s - INTERVAL_S
            if late_s > MIN_STALL_S:
                late_s -= waited_for_cpu_s() - waited_s
            self.longest_s = max(self.longest_s, late_s)
            if late_s > MIN_STALL_S:
                self.total_s += late_s

    def require_responsive(self, max_stall_s: float) -> None:
        """Return if the event loop was free for most of the time.

        Raises:
            ContractBroken: it was blocked for more than `max_stall_s`, or for most of the time.
        """
        Clause.SOURCE_BLOCKING.require(
            self.longest_s <= max_stall_s,
            f"the event loop was blocked for {self.longest_s:.2f} s, and the limit is"
            f" {max_stall_s:g} s; wait with `await`, and run blocking or long computations in"
            " `anyio.to_thread.run_sync`",
        )
        measured_s = monotonic() - self._started_s
        Clause.SOURCE_BLOCKING.require(
            self.total_s <= MAX_STALLED_SHARE * measured_s,
            f"the event loop was blocked for {self.total_s:.2f} s of {measured_s:.2f} s, at most"
            f" {self.longest_s:.2f} s at a time; run blocking calls in `anyio.to_thread.run_sync`",
        )


@asynccontextmanager
async def monitor_stalls() -> AsyncIterator[StallMonitor]:
    """A monitor that measures within the block."""
    monitor = StallMonitor()
    task = asyncio.create_task(monitor.run())
    try:
        yield monitor
    finally:
        task.cancel()
        await asyncio.wait({task})
