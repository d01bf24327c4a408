"""Limits: each change of a parameter's level, yellow or red.

A value that oscillates around a threshold must not cause a change with every sample. So a level
begins at the threshold, and ends only when the value is back inside by a margin.
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
"""Distance from the threshold at which a level ends, as a fraction of the range between the limits,
or of the threshold if there is only one."""


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
    """

    level: Level
    side: Literal["low", "high"]
    threshold: float
    margin: float

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
    """A change of a parameter's level.

    Attributes:
        parameter: its name.
        level: the new level.
        was: the level before.
        value: the value that changed the level.
        bound: the bound that was crossed: of the new level if that is more severe, else of the
            level before.
    """

    parameter: str
    level: Level
    was: Level
    value: float
    bound: Bound


class LimitWatch:
    """Watches the limits of all parameters that have limits."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self._bounds: dict[str, tuple[Bound, ...]] = {}
        self._beyond: dict[str, Bound] = {}  # by parameter: the bound that its value is beyond
        self.set_parameters(parameters)

    def set_parameters(self, parameters: Iterable[Parameter]) -> None:
        """Replace the limits; they apply from the next value."""
        found = ((parameter.name, tuple(bounds_of(parameter))) for parameter in parameters)
        self._bounds = {name: bounds for name, bounds in found if bounds}

    def check(self, values: Mapping[str, Value]) -> Iterator[LimitChange]:
        """Yield the changes of level that these values cause."""
        if self._bounds.keys().isdisjoint(values) and self._beyond.keys().isdisjoint(values):
            return
        for name, value in values.items():
            bounds = self._bounds.get(name, ())
            if not bounds and name not in self._beyond:
                continue
            if isinstance(value, int | float) and abs(value) <= sys.float_info.max:
                was = self._beyond.get(name)
                now = _most_severe(bounds, value, was)
                if was and now and was.side != now.side:  # from one side to the other: two changes
                    yield _change(name, value, was, None)
                    was = None
                if (was and was.level) != (now and now.level):
                    yield _change(name, value, was, now)
                if now is None:
                    self._beyond.pop(name, None)
                else:
                    self._beyond[name] = now


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


def _most_severe(bounds: Iterable[Bound], value: float, was: Bound | None) -> Bound | None:
    for bound in bounds:
        entered = (
            was is not None and bound.side == was.side and RANK[bound.level] <= RANK[was.level]
        )
        if bound.still_beyond(value) if entered else bound.beyond(value):
            return bound
    return None


def _change(name: str, value: float, was: Bound | None, now: Bound | None) -> LimitChange:
    before = was.level if was else Level.NOMINAL
    after = now.level if now else Level.NOMINAL
    crossed = now if now and RANK[after] > RANK[before] else was
    if crossed is None:  # impossible: the levels differ, so there is at least one bound
        raise AssertionError(name)
    return LimitChange(name, after, before, value, crossed)
