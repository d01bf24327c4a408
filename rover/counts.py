"""Counters of one run of a mission, for `/metrics`.

They are incremented at most once per request, and never once per event and
client.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rover.events import Gap, GapReason

LAG_BOUNDS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the classes of delays of the event loop, in seconds."""


class Histogram:
    """The number of observed values in each class.

    Args:
        bounds: inclusive upper bounds of the classes, ascending. The last class has none.

    Attributes:
        bounds: the same.
        counts: the number of values in each class, the last one included.
        total: the sum of the values.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class GapCounts:
    """The gaps that clients received, by reason.

    Attributes:
        gaps: number of gaps.
        lost: number of missing events, where it is known.
    """

    def __init__(self) -> None:
        self.gaps: Counter[GapReason] = Counter()
        self.lost: Counter[GapReason] = Counter()

    def add(self, gap: Gap) -> None:
        """Count a gap."""
        self.gaps[gap.reason] += 1
        self.lost[gap.reason] += gap.lost or 0


class Counts:
    """The counts of one run that belong to no stream.

    Attributes:
        responses: by status.
        refusals: by status and name of the error's class.
        uploads: finished ones by their last status.
        upload_bytes: received bytes of finished uploads.
        loop_lag: seconds by which timers of the event loop were late.
    """

    def __init__(self) -> None:
        self.responses: Counter[int] = Counter()
        self.refusals: Counter[tuple[int, str]] = Counter()
        self.uploads: Counter[str] = Counter()
        self.upload_bytes = 0
        self.loop_lag = Histogram(LAG_BOUNDS_S)
