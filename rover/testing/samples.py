"""What must hold of one `Sample`, and of the time between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from rover.telemetry.freshness import MIN_STALE_S, STALE_PERIODS
from rover.testing.clauses import Clause
from rover.testing.values import flaw_of_text, flaw_of_time, is_number
from sources.base import Sample

if TYPE_CHECKING:
    from sources.base import Kind, Value

FASTER = 10
"""A source that is so many times faster than it says would be missed too late."""


def check_sample(sample: Sample, kinds: Mapping[str, Kind]) -> None:
    """Return if a sample is one, and holds what the dictionary says.

    Raises:
        ContractBroken: it is not, or does not.
    """
    Clause.TELEMETRY_SAMPLES.require(
        isinstance(sample, Sample), f"it yielded {sample!r}, which is no Sample"
    )
    flaw = flaw_of_time(sample.t)
    Clause.TELEMETRY_TIME.require(not flaw, f"a sample's t is {flaw}")
    Clause.TELEMETRY_VALUES.require(
        isinstance(sample.values, Mapping), f"a sample's values are {sample.values!r}, no mapping"
    )
    for name, value in sample.values.items():
        Clause.TELEMETRY_VALUES.require(
            name in kinds, f"a sample has {name!r}, which is not in the dictionary"
        )
        flaw = _flaw_of_value(value, kinds[name])
        Clause.TELEMETRY_VALUES.require(not flaw, f"{name!r}, of the kind {kinds[name]}, is {flaw}")


def _flaw_of_value(value: Value, kind: Kind) -> str:
    if value is None:
        return ""
    fits = {
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "text": isinstance(value, str),
        "vector": isinstance(value, Mapping),
    }[kind]
    if not fits:
        return f"{value!r}, a {type(value).__name__}"
    if isinstance(value, str):
        return flaw_of_text(value, empty=True)
    if isinstance(value, Mapping):
        for part, number in value.items():
            if flaw := flaw_of_text(part) or _flaw_of_value(number, "number"):
                return f"{dict(value)!r}, of which {part!r} is {flaw}"
    return ""


def check_period(period_s: float, came_s: Sequence[float]) -> None:
    """Return if samples came about as often as said.

    Args:
        period_s: as said.
        came_s: when they came, in monotonic seconds.

    Raises:
        ContractBroken: they came so seldom that the source would be called stale, or so often
            that nobody would notice it fall silent.
    """
    Clause.TELEMETRY_PERIOD.require(
        is_number(period_s) and period_s > 0,
        f"period_s is {period_s!r}; it must be a number above 0",
    )
    gaps_s = [after - before for before, after in pairwise(came_s)]
    if not gaps_s:
        return
    Clause.TELEMETRY_PERIOD.require(
        max(gaps_s) <= max(STALE_PERIODS * period_s, MIN_STALE_S),
        f"period_s is {period_s:g}, and {max(gaps_s):.1f} s passed between two samples; the source"
        " would be called stale",
    )
    mean_s = sum(gaps_s) / len(gaps_s)
    Clause.TELEMETRY_PERIOD.require(
        mean_s >= period_s / FASTER,
        f"period_s is {period_s:g}, and samples came every {mean_s:.3g} s; its silence would be"
        " noticed too late",
    )
