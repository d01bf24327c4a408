"""How fast counters rise between two readings."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


LEAST_S = 0.02
"""Over less time than this, a rate is noise: processors are accounted for in 10 ms."""


class Rates:
    """Remembers counters, and tells what they rose by.

    Args:
        clock: seconds, that only rise.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._last: dict[str, tuple[float, Mapping[str, float]]] = {}

    def per_s(self, name: str, counts: Mapping[str, float]) -> float | None:
        """What all counters of a group rose by, in one second; `None` if that is not known yet.

        One that was not there the last time, or fell (its device was reset), adds nothing now.
        """
        rises = self.rises(name, counts)
        return None if rises is None else sum(rises[0].values()) / rises[1]

    def rises(
        self, name: str, counts: Mapping[str, float]
    ) -> tuple[Mapping[str, float], float] | None:
        """What each counter rose by, and in how many seconds; `None` if it is not known yet."""
        now = self._clock()
        last = self._last.get(name)
        if last is not None and now - last[0] < LEAST_S:
            return None
        self._last[name] = now, counts
        if last is None:
            return None
        then, before = last
        rises = {key: max(0.0, counts[key] - before[key]) for key in counts if key in before}
        return rises, now - then
