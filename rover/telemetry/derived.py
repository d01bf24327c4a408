"""Derived parameters: each is an expression over other parameters.

A derived parameter has a new value whenever one of its inputs has. Its time is the newest time of
its inputs. While an input is stale, it has no new value, so it becomes stale too.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from rover.telemetry.expression import ExpressionError
from rover.telemetry.values import Unusable
from sources.base import Sample

if TYPE_CHECKING:
    from rover.telemetry.expression import Expression, Number
    from sources.base import Parameter, Value


class Cycle(ValueError):
    """Derived parameters depend on each other in a circle.

    Attributes:
        names: the parameters in the circle, each an input of the next.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        super().__init__(f"{names[0]}: must not depend on itself, by {', '.join(names)}")


@dataclass(frozen=True, slots=True)
class DerivedParameter:
    """A parameter that is computed.

    Attributes:
        parameter: its dictionary entry.
        expression: over the names of other parameters, or parts of them: `location.lat`.
    """

    parameter: Parameter
    expression: Expression


class _Timed(NamedTuple):
    value: Value
    t: float


class Derived:
    """Computes all derived parameters of a mission.

    Args:
        definitions: with unique names.
        is_stale: whether a parameter is stale; by default none is.

    Attributes:
        parameters: their dictionary entries.
        names: of the parameters.

    Raises:
        Cycle: a derived parameter depends on itself.
    """

    def __init__(
        self,
        definitions: Iterable[DerivedParameter],
        is_stale: Callable[[str], bool] = lambda _: False,
    ) -> None:
        given = {one.parameter.name: one for one in definitions}
        self.parameters = [one.parameter for one in given.values()]
        self.names = frozenset(given)
        self._is_stale = is_stale
        self._ordered = [(name, given[name].expression) for name in _ordered(given)]
        self._inputs = {
            name: frozenset(n for one in expression.names for n in _candidates(one))
            for name, expression in self._ordered
        }
        self._watched = frozenset[str]().union(*self._inputs.values())
        self._latest: dict[str, _Timed] = {}

    def unknown(self, known: Collection[str]) -> dict[str, str]:
        """Why inputs do not exist, by derived parameter.

        Args:
            known: the names of all other parameters.
        """
        names = {*known, *self._inputs}
        return {
            derived: no_such_parameter(name, names - {derived})
            for derived, expression in self._ordered
            for name in expression.names
            if names.isdisjoint(_candidates(name))
        }

    def update(self, sample: Sample) -> tuple[Sequence[Sample], Sequence[Unusable]]:
        """The derived values that change with this sample, and why others have none.

        Args:
            sample: with the newest values of their parameters.

        Returns:
            Samples in order of time, each with the values of one time; nearly always one, of the
            same time as `sample`.
        """
        if not self._watched or not (changed := self._watched & sample.values.keys()):
            return (), ()
        new = set()
        for name in changed:
            value = sample.values[name]
            if value is not None and not (isinstance(value, float) and not isfinite(value)):
                self._latest[name] = _Timed(value, sample.t)
                new.add(name)
        by_time: dict[float, dict[str, Value]] = {}
        unusable: list[Unusable] = []
        for name, expression in self._ordered:
            if new.isdisjoint(self._inputs[name]):
                continue
            try:
                computed = self._computed(expression)
            except ExpressionError as exc:
                unusable.append(Unusable(name, str(exc)))
                self._latest.pop(name, None)
                continue
            if computed is not None:
                self._latest[name] = computed
                new.add(name)
                by_time.setdefault(computed.t, {})[name] = computed.value
        return [Sample(t, by_time[t]) for t in sorted(by_time)], unusable

    def _computed(self, expression: Expression) -> _Timed | None:
        """The value of an expression; `None` while an input has no value or is stale."""
        values: dict[str, Number] = {}
        times = []
        for name in expression.names:
            source = next((one for one in _candidates(name) if one in self._latest), None)
            if source is None or self._is_stale(source):
                return None
            value, t = self._latest[source]
            if source != name:
                value = value.get(name.rpartition(".")[2]) if isinstance(value, Mapping) else None
            values[name] = _number(name, value)
            times.append(t)
        return _Timed(expression.evaluate(values), max(times))


def _candidates(name: str) -> Sequence[str]:
    """The parameters that a name in an expression may mean: itself, or a vector with that part."""
    vector = name.rpartition(".")[0]
    return (name, vector) if vector else (name,)


def _number(name: str, value: object) -> Number:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value)  # not a subclass, as that of NumPy
    kind = "text" if isinstance(value, str) else "a vector" if isinstance(value, Mapping) else value
    raise ExpressionError(f"{name}: must be a number, not {kind}")


def no_such_parameter(name: str, known: Collection[str]) -> str:
    """The sentence for a name that is not in `known`."""
    near = difflib.get_close_matches(name, known, 1)
    return f"{name}: no such parameter" + (f"; did you mean {near[0]}?" if near else "")


def _ordered(given: Mapping[str, DerivedParameter]) -> Sequence[str]:
    """The names, each after its inputs.

    Raises:
        Cycle: there is no such order.
    """
    sorter = TopologicalSorter(
        {
            name: [n for one in defined.expression.names for n in _candidates(one) if n in given]
            for name, defined in given.items()
        }
    )
    try:
        return list(sorter.static_order())
    except CycleError as exc:
        raise Cycle(exc.args[1][:-1]) from None
