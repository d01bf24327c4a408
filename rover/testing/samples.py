"""Checks of samples, and of the time between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from rover.telemetry.freshness import MIN_STALE_S, STALE_PERIODS
from rover.testing.clauses import Clause, require_no_mistake
from sources.base import Event
from sources.rules import sample_mistake
from sources.rules.values import is_number, text_error

if TYPE_CHECKING:
    from sources.base import Kind, Sample

YEAR_S = 365 * 86_400.0

MAX_SPEEDUP = 10
"""Ratio of the declared to the measured period; above it, the server detects silence too late."""

TYPES: Mapping[Kind, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "text": (str,),
    "vector": (Mapping,),
}
"""Types of a value of each kind; a bool is only a `boolean`."""


def check_sample(sample: Sample | Event, kinds: Mapping[str, Kind]) -> None:
    """Return if the sample, or the event, is valid.

    Args:
        sample: yielded by the source.
        kinds: of the parameters in the dictionary, by name.

    Raises:
        ContractBroken: it is neither a `Sample` nor an `Event`, or a value does not fit the
            dictionary.
    """
    require_no_mistake(sample_mistake(sample))
    error = recent_error(sample.t)
    Clause.TELEMETRY_TIME.require(not error, f"t={sample.t!r}: {error}")
    if isinstance(sample, Event):
        return
    for name, value in sample.values.items():
        Clause.TELEMETRY_VALUES.require(
            name in kinds, f"{name}={value!r}: must be in the dictionary, and is not"
        )
        error = _value_error(value, kinds[name])
        Clause.TELEMETRY_VALUES.require(
            not error, f"{name}={value!r}, of kind {kinds[name]!r}: {error}"
        )


def recent_error(t: float) -> str:
    """Return the rule that a valid time breaks if it is in 1970."""
    if abs(t) < YEAR_S:
        return "must be POSIX seconds, and is in 1970; use `time.time()`, not `time.monotonic()`"
    return ""


def _value_error(value: object, kind: Kind) -> str:
    if value is None:
        return ""
    types = TYPES[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and kind != "boolean"):
        expected = " or ".join(one.__name__ for one in types)
        return f"must be {expected}, not {type(value).__name__}"
    if isinstance(value, str):
        return text_error(value, empty=True)
    if isinstance(value, Mapping):
        for part, number in value.items():
            if error := text_error(part) or _value_error(number, "number"):
                return f"{part!r} {error}"
    return ""


def check_period(period_s: float, times_s: Sequence[float]) -> None:
    """Return if the samples arrived about as often as `period_s` says.

    Args:
        period_s: the source's `period_s`.
        times_s: when each sample arrived, in monotonic seconds.

    Raises:
        ContractBroken: the samples came so rarely that the server would report the source as
            stale, or so often that the server would detect its silence too late.
    """
    Clause.TELEMETRY_PERIOD.require(
        is_number(period_s) and period_s > 0, f"period_s={period_s!r}: must be a number above 0"
    )
    gaps_s = [after - before for before, after in pairwise(times_s)]
    if not gaps_s:
        return
    Clause.TELEMETRY_PERIOD.require(
        max(gaps_s) <= max(STALE_PERIODS * period_s, MIN_STALE_S),
        f"period_s={period_s:g}: must be longer, as {max(gaps_s):.1f} s passed between two samples,"
        " and the server would report the source as stale",
    )
    if STALE_PERIODS * period_s <= MIN_STALE_S:
        return  # silence is not detected sooner than this
    mean_s = sum(gaps_s) / len(gaps_s)
    Clause.TELEMETRY_PERIOD.require(
        mean_s >= period_s / MAX_SPEEDUP,
        f"period_s={period_s:g}: must be shorter, as a sample came every {mean_s:.3g} s, and the"
        " server would detect silence too late",
    )
