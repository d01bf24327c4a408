"""Keeps the values of several senders apart."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sources.values.dictionary import MAX_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HANDOVER_S = 10.0
"""Seconds without a value after which another sender may send a parameter."""


class Ownership:
    """Gives each parameter to the sender that sends it, so that two devices never share one.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._owners: dict[str, tuple[str, float]] = {}

    def foreign(self, sender: str, names: Iterable[str]) -> dict[str, str]:
        """The names that belong to another sender, with that sender; the sender keeps the rest."""
        now = self._clock()
        found: dict[str, str] = {}
        for name in names:
            owner, last = self._owners.get(name, (sender, now))
            if owner != sender and now - last < HANDOVER_S:
                found[name] = owner
            elif name in self._owners or len(self._owners) < MAX_PARAMETERS:
                self._owners[name] = (sender, now)
        return found
