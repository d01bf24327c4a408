"""A limit on how often progress is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE_SHARE = 0.02
"""Minimum pause between two events, as a share of the time since the start."""


class Throttle:
    """Limits events to one per period, and to fewer the longer an upload takes.

    So the events of an upload of one hour fit into the buffers of a socket: some clients read
    nothing until they have sent everything.

    Args:
        period_s: minimum number of seconds between two events.
        clock: monotonic seconds.
    """

    def __init__(self, period_s: float, clock: Callable[[], float]) -> None:
        self._period_s = period_s
        self._clock = clock
        self._began = self._last = clock()

    def is_due(self) -> bool:
        """Whether an event may be published now. If so, the next period begins."""
        now = self._clock()
        if now - self._last < max(self._period_s, PAUSE_SHARE * (now - self._began)):
            return False
        self._last = now
        return True
