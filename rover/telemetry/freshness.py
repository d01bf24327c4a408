"""When a parameter or a source is stale: it has been silent for several of its periods.

The period is that of the dictionary, else the observed rhythm. The rhythm is measured at ticks of
about one second, not at each sample: shorter periods do not matter, since nothing is stale before
`MIN_STALE_S`.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

STALE_PERIODS = 5
"""Number of periods without a value after which a parameter is stale."""

MIN_STALE_S = 2.0
"""Seconds of silence before which nothing is stale."""

DECAY = 0.9
"""Factor by which the observed period shrinks at each tick with a shorter interval."""


class Freshness:
    """The silence and the rhythm of some names: parameters, or one source.

    Args:
        clock: monotonic seconds.
        min_stale_s: seconds of silence before which nothing is stale.
    """

    def __init__(
        self, clock: Callable[[], float] = monotonic, min_stale_s: float = MIN_STALE_S
    ) -> None:
        self._clock = clock
        self._min_stale_s = min_stale_s
        self._heard_at: dict[str, float] = {}
        self._heard_at_tick: dict[str, float] = {}
        self._observed_s: dict[str, float] = {}

    def hear(self, names: Collection[str]) -> None:
        """Note that these names have just had a value."""
        self._heard_at.update(dict.fromkeys(names, self._clock()))

    def tick(self) -> None:
        """Measure the rhythm; call it about once a second."""
        for name, heard_at in self._heard_at.items():
            before = self._heard_at_tick.get(name)
            if before is not None and heard_at > before:
                decayed = DECAY * self._observed_s.get(name, 0.0)
                self._observed_s[name] = max(heard_at - before, decayed)
        self._heard_at_tick.update(self._heard_at)

    def silent_s(self, name: str) -> float:
        """Seconds since the newest value; 0 if there was none."""
        heard_at = self._heard_at.get(name)
        return 0.0 if heard_at is None else self._clock() - heard_at

    def stale_after_s(self, name: str, period_s: float | None) -> float | None:
        """Seconds of silence after which a name is stale; `None` if its rhythm is unknown.

        Args:
            name: of a parameter or a source.
            period_s: from the dictionary, if it is known.
        """
        period_s = period_s or self._observed_s.get(name)
        return None if period_s is None else max(STALE_PERIODS * period_s, self._min_stale_s)

    def is_stale(self, name: str, period_s: float | None) -> bool:
        """Whether it has been silent for too long."""
        after_s = self.stale_after_s(name, period_s)
        return after_s is not None and self.silent_s(name) > after_s

    def stale(self, periods_s: Mapping[str, float | None]) -> set[str]:
        """The stale ones of these names."""
        return {name for name, period_s in periods_s.items() if self.is_stale(name, period_s)}
