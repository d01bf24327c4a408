"""Which parameters are out of their limits, told when that changes, once.

A value that wavers at a threshold must not ring the bell with every sample: an alarm is entered at
the threshold, and left only when the value is back inside by a margin.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sources.base import Parameter, Value

MARGIN = 0.02
"""How far back inside a value must be, as a part of the span between the limits (or of the
threshold itself, where only one side has one)."""


class Level(StrEnum):
    """How far out a value is."""

    NOMINAL = "nominal"
    YELLOW = "yellow"
    RED = "red"


RANK = {Level.NOMINAL: 0, Level.YELLOW: 1, Level.RED: 2}


@dataclass(frozen=True, slots=True)
class Bound:
    """One side of one level.

    Attributes:
        level: what a value beyond it is.
        side: which side of it is out.
        threshold: in the parameter's unit; the threshold itself is inside.
        margin: in the same unit; how far inside a value must come back to leave.
    """

    level: Level
    side: Literal["low", "high"]
    threshold: float
    margin: float

    def beyond(self, value: float) -> bool:
        """Whether the value is out."""
        return value < self.threshold if self.side == "low" else value > self.threshold

    def still_beyond(self, value: float) -> bool:
        """Whether a value that was out still is, for all the margin."""
        if self.side == "low":
            return value < self.threshold + self.margin
        return value > self.threshold - self.margin


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A parameter entered or left a level.

    Attributes:
        parameter: its name.
        level: where it is now.
        was: where it was.
        value: that made the change.
        bound: that was passed: of the new level when it got worse, of the old one when better.
    """

    parameter: str
    level: Level
    was: Level
    value: float
    bound: Bound


class LimitWatch:
    """Watches the limits of every parameter that has some."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self._bounds: dict[str, tuple[Bound, ...]] = {}
        self._out: dict[str, Bound] = {}  # the bound that each parameter is beyond
        self.set_parameters(parameters)

    def set_parameters(self, parameters: Iterable[Parameter]) -> None:
        """Use the limits of a new dictionary from the next value on."""
        found = ((parameter.name, tuple(bounds_of(parameter))) for parameter in parameters)
        self._bounds = {name: bounds for name, bounds in found if bounds}

    def check(self, values: Mapping[str, Value]) -> Iterator[LimitChange]:
        """Yield the alarms that begin, change or end with these values."""
        if self._bounds.keys().isdisjoint(values) and self._out.keys().isdisjoint(values):
            return
        for name, value in values.items():
            bounds = self._bounds.get(name, ())
            if not bounds and name not in self._out:
                continue
            if isinstance(value, int | float) and abs(value) <= sys.float_info.max:
                was = self._out.get(name)
                now = _worst(bounds, value, was)
                if was and now and was.side != now.side:  # straight through: two alarms
                    yield _alarm(name, value, was, None)
                    was = None
                if (was and was.level) != (now and now.level):
                    yield _alarm(name, value, was, now)
                if now is None:
                    self._out.pop(name, None)
                else:
                    self._out[name] = now


def bounds_of(parameter: Parameter) -> Iterator[Bound]:
    """The parameter's bounds, red before yellow."""
    levels = ((Level.RED, parameter.limits.red), (Level.YELLOW, parameter.limits.yellow))
    for level, (low, high) in levels:
        given = [bound for bound in (low, high) if bound is not None]
        span = given[1] - given[0] if len(given) == 2 else abs(given[0]) if given else 0.0
        if low is not None:
            yield Bound(level, "low", low, span * MARGIN)
        if high is not None:
            yield Bound(level, "high", high, span * MARGIN)


def _worst(bounds: Iterable[Bound], value: float, was: Bound | None) -> Bound | None:
    for bound in bounds:
        entered = (
            was is not None and bound.side == was.side and RANK[bound.level] <= RANK[was.level]
        )
        if bound.still_beyond(value) if entered else bound.beyond(value):
            return bound
    return None


def _alarm(name: str, value: float, was: Bound | None, now: Bound | None) -> LimitChange:
    before = was.level if was else Level.NOMINAL
    after = now.level if now else Level.NOMINAL
    passed = now if now and RANK[after] > RANK[before] else was
    if passed is None:  # two levels differ, so one of the bounds is there
        raise AssertionError(name)
    return LimitChange(name, after, before, value, passed)
