"""Limits the messages per second of one sender."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Bucket:
    """A token bucket: `burst` at once, and `rate_hz` for any longer time.

    Args:
        rate_hz: per second.
        burst: at once, at least 1.
        clock: monotonic seconds.
    """

    __slots__ = ("_burst_s", "_clock", "_full_at", "_period_s")

    def __init__(self, rate_hz: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self._period_s = 1 / rate_hz
        self._burst_s = burst / rate_hz
        self._clock = clock
        self._full_at = clock()

    @property
    def wait_s(self) -> float:
        """Seconds until one more may be taken; 0 if it may be taken now."""
        return max(0.0, self._full_at + self._period_s - self._burst_s - self._clock())

    @property
    def full_in_s(self) -> float:
        """Seconds until it is full, and the same as a new one."""
        return max(0.0, self._full_at - self._clock())

    def take(self) -> None:
        """Take one, also if there is none: later ones then wait for it too."""
        self._full_at = max(self._full_at, self._clock()) + self._period_s
