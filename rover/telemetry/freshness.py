"""Staleness: a parameter or a source is stale after several of its periods without a value.

The period comes from the dictionary, or else from observation. It is observed once a second, not at
each sample: shorter periods do not matter, since nothing is stale before `MIN_STALE_S`.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

STALE_PERIODS = 5
"""Number of periods without a value after which a parameter is stale."""

MIN_STALE_S = 2.0
"""Seconds of silence before which nothing is stale."""

DECAY = 0.9
"""Factor by which an observed period shrinks at each tick that sees a shorter one."""


class Freshness:
    """The time since the last value, and the observed period, of each name.

    A name is that of a parameter or of a source.

    Args:
        clock: monotonic seconds.
        min_stale_s: seconds of silence before which nothing is stale.
    """

    def __init__(
        self, clock: Callable[[], float] = monotonic, min_stale_s: float = MIN_STALE_S
    ) -> None:
        self._clock = clock
        self._min_stale_s = min_stale_s
        self._received_at: dict[str, float] = {}
        self._received_at_tick: dict[str, float] = {}
        self._observed_s: dict[str, float] = {}

    def record(self, names: Collection[str]) -> None:
        """Record that a value of each of these names has arrived."""
        self._received_at.update(dict.fromkeys(names, self._clock()))

    def restore(self, name: str, silent_s: float, observed_s: float | None) -> None:
        """Use what was known of a name before a restart.

        Args:
            name: of the parameter or source.
            silent_s: seconds since its last value.
            observed_s: its observed period; `None` if it is unknown.
        """
        self._received_at[name] = self._received_at_tick[name] = self._clock() - silent_s
        if observed_s is not None:
            self._observed_s[name] = observed_s

    def observed_s(self, name: str) -> float | None:
        """The observed period; `None` if it is unknown."""
        return self._observed_s.get(name)

    def tick(self) -> None:
        """Observe the periods; call it about once a second."""
        for name, received_at in self._received_at.items():
            at_tick = self._received_at_tick.get(name)
            if at_tick is not None and received_at > at_tick:
                decayed = DECAY * self._observed_s.get(name, 0.0)
                self._observed_s[name] = max(received_at - at_tick, decayed)
        self._received_at_tick.update(self._received_at)

    def silent_s(self, name: str) -> float:
        """Seconds since the last value; 0 before the first."""
        received_at = self._received_at.get(name)
        return 0.0 if received_at is None else self._clock() - received_at

    def stale_after_s(self, name: str, period_s: float | None) -> float | None:
        """Seconds of silence after which a name is stale; `None` if its period is unknown.

        Args:
            name: of a parameter or a source.
            period_s: from the dictionary; `None` if it is not declared.
        """
        period_s = period_s or self._observed_s.get(name)
        return None if period_s is None else max(STALE_PERIODS * period_s, self._min_stale_s)

    def is_stale(self, name: str, period_s: float | None) -> bool:
        """Whether the name is stale."""
        after_s = self.stale_after_s(name, period_s)
        return after_s is not None and self.silent_s(name) > after_s
