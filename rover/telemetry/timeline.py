"""Which samples come late, and when a source's clock was set.

A late sample is older than the newest: data that was held back on the way. But a clock that is
set back, or that once was wrong by years, would make every sample from then on late. So when
nothing but late samples came for a while, it is the clock that has moved, and not the samples.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("rover.telemetry")

JUMP_S = 60.0
"""Data that was held back comes in less than this without a new sample between."""


class Timeline:
    """The newest time that a source has told.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._newest: float | None = None
        self._moved_at = clock()

    def is_late(self, t: float) -> bool:
        """Take note of a sample's time, and say whether it comes late."""
        now = self._clock()
        if self._newest is not None and t < self._newest:
            if now - self._moved_at < JUMP_S:
                return True
            logger.warning(
                "telemetry: the source's clock went back by %.0f s: nothing but older samples came "
                "for %.0f s, and from here on they are the newest",
                self._newest - t,
                now - self._moved_at,
            )
        self._newest = t
        self._moved_at = now
        return False
