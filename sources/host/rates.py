"""Rates of counters, from two readings."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


MIN_INTERVAL_S = 0.02
"""Seconds between two readings below which a rate is noise: processor time has steps of 10 ms."""


class Rates:
    """Remembers groups of counters, and compares each with its last reading.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._last: dict[str, tuple[float, Mapping[str, float]]] = {}

    def per_s(self, name: str, counts: Mapping[str, float]) -> float | None:
        """The rise of all counters of a group, per second; `None` after the first reading.

        A counter that is new, or that fell (its device was reset), adds nothing this time.
        """
        rises = self.rises(name, counts)
        return None if rises is None else sum(rises[0].values()) / rises[1]

    def rises(
        self, name: str, counts: Mapping[str, float]
    ) -> tuple[Mapping[str, float], float] | None:
        """The rise of each counter of a group, and the seconds between the two readings.

        `None` after the first reading, and within `MIN_INTERVAL_S` of the last one.
        """
        now = self._clock()
        last = self._last.get(name)
        if last is not None and now - last[0] < MIN_INTERVAL_S:
            return None
        self._last[name] = now, counts
        if last is None:
            return None
        then, before = last
        rises = {key: max(0.0, counts[key] - before[key]) for key in counts if key in before}
        return rises, now - then
