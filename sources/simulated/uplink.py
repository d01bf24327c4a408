"""The uplink to the simulated rover: `sim:?delay_s=5`."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

from anyio import Event, current_time, move_on_after

from sources.base import Answer, Outgoing
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class SimulatedUplink:
    """Sends nothing anywhere: the simulated rover accepts each sequence after a while.

    Args:
        delay_s: seconds that the rover takes to answer, 0 to 86,400. Light travels there before,
            and back afterwards.

    Raises:
        SourceError: an option is out of range.
    """

    simulated = True

    def __init__(self, delay_s: float = 10.0) -> None:
        self._delay_s = Range(0, 86_400, "s").number("delay_s", delay_s)
        self._due: list[tuple[float, str, int]] = []
        self._sent = Event()

    async def send(self, outgoing: Outgoing) -> None:
        """Let the answer arrive later; see `Uplink`."""
        due = current_time() + self._delay_s + 2 * outgoing.light_time_s
        heapq.heappush(self._due, (due, outgoing.id, outgoing.attempt))
        self._sent.set()

    async def answers(self) -> AsyncIterator[Answer]:
        """Yield the answers when they are due; see `Uplink`."""
        while True:
            sent = self._sent = Event()
            while self._due and self._due[0][0] <= current_time():
                _, upload_id, attempt = heapq.heappop(self._due)
                yield Answer(upload_id, attempt, accepted=True, detail="simulated")
            pause_s = self._due[0][0] - current_time() if self._due else math.inf
            with move_on_after(pause_s):
                await sent.wait()
