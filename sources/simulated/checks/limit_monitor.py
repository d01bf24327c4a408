"""Monitors a simulated value, and reports each excursion beyond its limits once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sources.simulated.sequence import format_elapsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.simulated.schedule import Interval, ScheduledCommand


HYSTERESIS = 1.0
"""Margin (% or °C) by which a value must return within its limits before it is reported again."""


@dataclass(frozen=True, slots=True)
class Excursion:
    """One time that a value left its limits.

    Attributes:
        past_limit: the value passed the limit; otherwise it came near the limit only.
        value: the value at the end of the interval in which this happened.
        at_ms: the end of that interval.
        command: the command that started last before it, if any.
    """

    past_limit: bool
    value: float
    at_ms: int
    command: ScheduledCommand | None

    @property
    def when(self) -> str:
        """The time for people: `at T+01:02:03, after DRIVE started`."""
        after = f", after {self.command.name} started" if self.command else ""
        return f"at {format_elapsed(self.at_ms)}{after}"


class LimitMonitor:
    """Monitors one value for passing `limit` or `near`, upwards or downwards."""

    def __init__(self, *, near: float, limit: float, upwards: bool) -> None:
        self._sign = 1 if upwards else -1
        self._near, self._limit = near, limit
        self._open: Excursion | None = None

    def update(self, value: float, interval: Interval) -> Iterator[Excursion]:
        """Add the value at the end of an interval; yield an excursion if there is a new one."""
        if self._sign * (value - self._limit) > 0:
            if self._open is None or not self._open.past_limit:
                self._open = Excursion(True, value, interval.end_ms, interval.latest)
                yield self._open
        elif self._sign * (value - self._near) > 0:
            # An excursion past the limit continues while the value is near it.
            self._open = self._open or Excursion(False, value, interval.end_ms, interval.latest)
        elif self._sign * (value - self._near) < -HYSTERESIS:
            yield from self.finish()

    def finish(self) -> Iterator[Excursion]:
        """End the current excursion, if any; yield it if it was not reported yet."""
        if self._open is not None and not self._open.past_limit:
            yield self._open
        self._open = None
