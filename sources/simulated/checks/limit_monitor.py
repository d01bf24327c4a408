"""Follows a figure through a simulation and tells of each time that it left its bounds, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.simulated.schedule import Interval, ScheduledCommand


CLEAR = 1.0
"""By how much (% or °C) a figure must be well again, or a flicker would be told many times."""


@dataclass(frozen=True, slots=True)
class Excursion:
    """One time that a figure was out of bounds.

    Attributes:
        beyond: it passed the limit; else it only came near.
        value: the figure, at the end of the span in which it did.
        at_ms: when that was.
        activity: the command that had started last, if any.
    """

    beyond: bool
    value: float
    at_ms: int
    activity: ScheduledCommand | None


class LimitMonitor:
    """Watches one figure for passing `limit`, upwards or else downwards, and for coming `near`."""

    def __init__(self, *, near: float, limit: float, upwards: bool) -> None:
        self._sign = 1 if upwards else -1
        self._near, self._limit = near, limit
        self._open: Excursion | None = None

    def see(self, value: float, span: Interval) -> Iterator[Excursion]:
        """Take the figure at the end of a span; yield what there is to tell."""
        if self._sign * (value - self._limit) > 0:
            if self._open is None or not self._open.beyond:
                self._open = Excursion(True, value, span.end_ms, span.latest)
                yield self._open
        elif self._sign * (value - self._near) > 0:
            # Beyond the limit and merely near it are one excursion until it is well again.
            self._open = self._open or Excursion(False, value, span.end_ms, span.latest)
        elif self._sign * (value - self._near) < -CLEAR:
            yield from self.done()

    def done(self) -> Iterator[Excursion]:
        """End the excursion under way, if any; yield it if it has not been told of yet."""
        if self._open is not None and not self._open.beyond:
            yield self._open
        self._open = None
