"""How long a source holds the event loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING

from rover.testing.clauses import Clause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PULSE_S = 0.01

HICCUP_S = 0.05
"""Delays up to this are a busy machine's as likely as the source's."""

BUSY_SHARE = 0.5


class Pulse:
    """How long the event loop stood still, seen by a task that wants to run every 10 ms."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.held_s = 0.0
        self._began = monotonic()

    async def beat(self) -> None:
        """Watch, until cancelled."""
        while True:
            before = monotonic()
            await asyncio.sleep(PULSE_S)
            late_s = monotonic() - before - PULSE_S
            self.longest_s = max(self.longest_s, late_s)
            if late_s > HICCUP_S:
                self.held_s += late_s

    def require_steady(self, max_stall_s: float) -> None:
        """Return if others had their turn.

        Raises:
            ContractBroken: the loop was held for too long at a time, or most of the time.
        """
        Clause.SOURCE_BLOCKING.require(
            self.longest_s <= max_stall_s,
            f"the event loop stood still for {self.longest_s:.2f} s, and {max_stall_s:g} s are"
            " tolerated; wait with `await`, and put what blocks or computes into"
            " `anyio.to_thread.run_sync`",
        )
        watched_s = monotonic() - self._began
        Clause.SOURCE_BLOCKING.require(
            self.held_s <= BUSY_SHARE * watched_s,
            f"the event loop stood still for {self.held_s:.2f} s out of {watched_s:.2f} s, at most"
            f" {self.longest_s:.2f} s at a time; put what blocks into `anyio.to_thread.run_sync`",
        )


@asynccontextmanager
async def pulse() -> AsyncIterator[Pulse]:
    """A pulse that beats within the block."""
    watching = Pulse()
    task = asyncio.create_task(watching.beat())
    try:
        yield watching
    finally:
        task.cancel()
        await asyncio.wait({task})
