"""Gathers single values into samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sources.base import Value


class Bundle:
    """Gathers values that arrive within a short time, each parameter once.

    No value is lost or overwritten: a second value of a parameter starts the next sample.

    Args:
        window_s: seconds that a sample stays open after its first value.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._since = 0.0
        self._values: dict[str, Value] = {}

    def left_s(self, now: float) -> float | None:
        """Seconds until the open sample must be closed; `None` if none is open."""
        if not self._values:
            return None
        # the wall clock may have been adjusted
        return min(max(0.0, self._since + self._window_s - now), self._window_s)

    def add(self, values: Mapping[str, Value], now: float) -> Sample | None:
        """Add values that arrived at POSIX time `now`; returns the sample that this closes."""
        closes = now >= self._since + self._window_s or not self._values.keys().isdisjoint(values)
        closed = self.close() if closes or now < self._since else None
        if not self._values:
            self._since = now
        self._values.update(values)
        return closed

    def close(self) -> Sample | None:
        """Close the open sample and return it, if there is one; its time is its first value's."""
        if not self._values:
            return None
        sample = Sample(self._since, self._values)
        self._values = {}
        return sample
