"""Limits: each change of a parameter's level, yellow or red.

A value that oscillates around a threshold must not cause a change with every sample. So a level
begins at the threshold, after a minimum duration if the limits have one, and ends only when the
value is back inside by a margin.

Source: ANSI/ISA-18.2-2016, 10.5.3 (deadband and delay).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Literal, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sources.base import Parameter, Sample, Value

MARGIN = 0.02
"""Distance from the threshold at which a level ends if the limits have no hysteresis, as a fraction
of the range between the limits, or of the threshold if there is only one."""


class Level(StrEnum):
    """The severity of a value outside its limits."""

    NOMINAL = "nominal"
    YELLOW = "yellow"
    RED = "red"


RANK = {Level.NOMINAL: 0, Level.YELLOW: 1, Level.RED: 2}


@dataclass(frozen=True, slots=True)
class Bound:
    """One side of one level.

    Attributes:
        level: of the values beyond the threshold.
        side: `low` if smaller values are outside, `high` if larger ones are.
        threshold: in the parameter's unit; the threshold itself is inside.
        margin: in the same unit; distance from the threshold at which the level ends.
        min_duration_s: seconds that values must be outside before the level begins.
    """

    level: Level
    side: Literal["low", "high"]
    threshold: float
    margin: float
    min_duration_s: float = 0.0

    def beyond(self, value: float) -> bool:
        """Whether the value is outside."""
        return value < self.threshold if self.side == "low" else value > self.threshold

    def still_beyond(self, value: float) -> bool:
        """Whether a parameter that was outside remains outside, by the margin."""
        if self.side == "low":
            return value < self.threshold + self.margin
        return value > self.threshold - self.margin


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A change of a parameter's level, or of the limit that its value is outside of.

    Attributes:
        parameter: its name.
        unit: of the value and the thresholds.
        level: the new level.
        was: the level before; the same if only the limits changed.
        value: the newest value.
        t: its time, in POSIX seconds.
        bound: of the new level; of the level before if the new one is nominal.
    """

    parameter: str
    unit: str
    level: Level
    was: Level
    value: float
    t: float
    bound: Bound


@dataclass(slots=True)
class _Outside:
    """A parameter whose value is outside its limits, or was not yet back inside by the margin.

    Attributes:
        bound: that its level is of; `None` while no value was outside for the minimum duration.
        since: POSIX seconds of the first value beyond each bound, without a value inside after it.
        value: the newest number.
        t: its time, in POSIX seconds.
        unit: of the parameter.
    """

    unit: str
    bound: Bound | None = None
    since: dict[Bound, float] = field(default_factory=dict)
    value: float = 0.0
    t: float = 0.0


class LimitWatch:
    """Watches the limits of all parameters that have limits."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self._bounds: dict[str, tuple[Bound, ...]] = {}
        self._units: dict[str, str] = {}
        self._inside: dict[str, tuple[float, float]] = {}  # the innermost low and high threshold
        self._outside: dict[str, _Outside] = {}
        self.set_parameters(parameters)

    def set_parameters(
        self,
        parameters: Iterable[Parameter],
        newest: Callable[[str], tuple[float, Value]] = lambda _: (0.0, None),
    ) -> Sequence[LimitChange]:
        """Replace the limits, and return the changes that this causes.

        A level ends if its parameter has no limits any more, or is not in the dictionary.

        Args:
            parameters: the new dictionary.
            newest: the time and value of a parameter; the value is `None` if there is none.
        """
        before = self._bounds
        found = [(parameter, tuple(bounds_of(parameter))) for parameter in parameters]
        self._bounds = {parameter.name: bounds for parameter, bounds in found if bounds}
        self._units = {parameter.name: parameter.unit for parameter, bounds in found if bounds}
        self._inside = {name: _inside(bounds) for name, bounds in self._bounds.items()}
        changes: list[LimitChange] = []
        for name in dict.fromkeys([*self._outside, *self._bounds]):
            if self._bounds.get(name) == before.get(name):
                continue
            t, value = newest(name)
            outside = self._outside.get(name)
            if outside is not None and not _is_number(value):
                t, value = outside.t, outside.value
            changes += self._check(name, value, t)
        return changes

    def restore(self, outside: LimitChange) -> None:
        """Take a parameter as outside a limit, as it was before a restart."""
        name, bound = outside.parameter, outside.bound
        same = (
            b for b in self._bounds.get(name, ()) if (b.level, b.side) == (bound.level, bound.side)
        )
        bound = next(same, bound)
        since = {bound: outside.t}
        self._outside[name] = _Outside(outside.unit, bound, since, outside.value, outside.t)

    def check_restored(self, newest: Callable[[str], tuple[float, Value]]) -> Sequence[LimitChange]:
        """Return the changes since the restart: the values or the limits may be others now.

        Args:
            newest: the time and value of a parameter; the value is `None` if there is none.
        """
        changes: list[LimitChange] = []
        for name, outside in list(self._outside.items()):
            t, value = newest(name)
            if not _is_number(value):
                t, value = outside.t, outside.value
            changes += self._check(name, value, t)
        return changes

    def check(self, sample: Sample) -> Sequence[LimitChange]:
        """Return the changes of level that the values of a sample cause.

        Args:
            sample: each of its values is the newest of its parameter.
        """
        changes: list[LimitChange] | tuple[()] = ()
        for name, value in sample.values.items():
            inside = self._inside.get(name)
            if inside is None:
                continue
            try:
                if inside[0] <= value <= inside[1] and name not in self._outside:  # type: ignore[operator]
                    continue
            except TypeError:  # not a number
                continue
            changes = [*changes, *self._check(name, value, sample.t)]
        return changes

    def _check(self, name: str, value: Value, t: float) -> Iterator[LimitChange]:
        if not _is_number(value):
            return
        outside = self._outside.setdefault(name, _Outside(self._units.get(name, "")))
        outside.value, outside.t = value, t
        was = outside.bound
        now = self._most_severe(outside, self._bounds.get(name, ()))
        outside.bound = now
        if was and now and was.side != now.side:  # from one side to the other: two changes
            yield _change(name, outside, was, None)
            was = None
        if was != now:
            outside.unit = self._units.get(name, outside.unit)
            yield _change(name, outside, was, now)
        if now is None and not outside.since:
            del self._outside[name]

    @staticmethod
    def _most_severe(outside: _Outside, bounds: Iterable[Bound]) -> Bound | None:
        was, value, t = outside.bound, outside.value, outside.t
        since: dict[Bound, float] = {}
        found: Bound | None = None
        for bound in bounds:
            beyond = bound.beyond(value)
            if beyond:  # a clock that was set back begins again
                since[bound] = min(outside.since.get(bound, t), t)
            if was is not None and bound.side == was.side and RANK[bound.level] <= RANK[was.level]:
                remains = bound.still_beyond(value)
            else:
                remains = beyond and t - since[bound] >= bound.min_duration_s
            if remains and found is None:
                found = bound
        outside.since = since
        return found


def bounds_of(parameter: Parameter) -> Iterator[Bound]:
    """The parameter's bounds, red before yellow."""
    limits = parameter.limits
    for level, (low, high) in ((Level.RED, limits.red), (Level.YELLOW, limits.yellow)):
        given = [bound for bound in (low, high) if bound is not None]
        span = given[1] - given[0] if len(given) == 2 else abs(given[0]) if given else 0.0
        margin = span * MARGIN if limits.hysteresis is None else limits.hysteresis
        if len(given) == 2:  # else a level would never end between its limits
            margin = min(margin, span / 2)
        if low is not None:
            yield Bound(level, "low", low, margin, limits.min_duration_s)
        if high is not None:
            yield Bound(level, "high", high, margin, limits.min_duration_s)


def _inside(bounds: Iterable[Bound]) -> tuple[float, float]:
    return (
        max((bound.threshold for bound in bounds if bound.side == "low"), default=-inf),
        min((bound.threshold for bound in bounds if bound.side == "high"), default=inf),
    )


def _is_number(value: Value) -> TypeGuard[float]:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def _change(name: str, outside: _Outside, was: Bound | None, now: Bound | None) -> LimitChange:
    bound = now or was
    if bound is None:  # impossible: the bounds differ, so there is at least one
        raise AssertionError(name)
    before = was.level if was else Level.NOMINAL
    after = now.level if now else Level.NOMINAL
    return LimitChange(name, outside.unit, after, before, outside.value, outside.t, bound)
