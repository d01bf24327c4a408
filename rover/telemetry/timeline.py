"""Which samples come late, and when a source's clock was set.

A late sample is older than the newest: data that was held back on the way. But a clock that is
set back would make every sample from then on late. So when nothing but late samples came for a
while, it is the clock that has moved, and not the samples.

A clock that errs into the future would do the same, for one wrong sample. But nothing is measured
in the future: a sample that leaps there is not believed until the next one stands by it, and a
source that is there is believed at once when it comes back. One that always was there (a
simulation; or it is the server's clock that is wrong) has a time of its own, and may keep it.
"""

from __future__ import annotations

import logging
from enum import Enum, auto
from math import inf
from time import monotonic, time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("rover.telemetry")

JUMP_S = 60.0
"""Data that was held back comes in less than this without a new sample between; and no clock that
is any good is further off."""


class Order(Enum):
    """Where a sample's time stands among those before it."""

    NEWEST = auto()
    LATE = auto()
    DOUBTFUL = auto()  # so far in the future that its time is not believed


class Timeline:
    """The newest time that a source has told.

    Args:
        clock: monotonic seconds.
        present: POSIX seconds.

    Attributes:
        newest: POSIX seconds; minus infinity before the first sample.
    """

    def __init__(
        self, clock: Callable[[], float] = monotonic, present: Callable[[], float] = time
    ) -> None:
        self.newest = -inf
        self._clock = clock
        self._present = present
        self._late_since: float | None = None
        self._doubtful = inf  # the time that was not believed, until a newer one is
        self._doubts = 0

    def place(self, t: float) -> Order:
        """Take note of a sample's time, and say where it stands."""
        if t < self.newest and not self._was_set_back(t):
            return Order.LATE
        if self.newest + JUMP_S < t < self._doubtful and self._leaves_the_present(t):
            self._doubtful = t
            return Order.DOUBTFUL
        self.newest = t
        self._late_since = None
        self._doubtful = inf
        return Order.NEWEST

    def _was_set_back(self, t: float) -> bool:
        now = self._clock()
        if self._late_since is None:
            self._late_since = now
        future = self._present() + JUMP_S
        put_right = t <= future < self.newest and t < self.newest - JUMP_S
        if not put_right and now - self._late_since < JUMP_S:
            return False
        logger.warning(
            "telemetry: the source's clock went back by %.0f s; from here on, its samples are the "
            "newest again",
            self.newest - t,
        )
        return True

    def _leaves_the_present(self, t: float) -> bool:
        present = self._present()
        if not -inf < self.newest <= present + JUMP_S < t:
            return False
        self._doubts += 1
        if self._doubts.bit_count() == 1:  # the 1st, 2nd, 4th, 8th …: told, never a flood
            logger.warning(
                "telemetry: doubtful time no. %d: %.0f s in the future; told at the time of the "
                "sample before it",
                self._doubts,
                t - present,
            )
        return True
