"""The dictionary of a mission with imported files."""

from __future__ import annotations

from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING

from sources.values.dictionary import Dictionary

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sources.base import Parameter, Value

MAX_SEEN = 10_000
"""Maximum number of different lists of names that are compared with those of each sample."""


class ImportedDictionary:
    """The parameters of a mission, and those of files, in the order that their rows have.

    A row rarely has all parameters. Their order is one in which each row is in order, so that an
    export has the bytes of the export that was imported.

    Args:
        known: the parameters of the mission. They stay as they are, but may get a unit.
    """

    def __init__(self, known: Iterable[Parameter]) -> None:
        self._parameters = Dictionary(known)
        self._earlier: dict[str, set[str]] = {}  # names just before each in a row
        self._seen: set[tuple[str, ...]] = set()
        self._units: dict[str, str] = {}
        self.declare({one.name: one.unit for one in self._parameters.parameters})

    def declare(self, units: Mapping[str, str]) -> None:
        """Note the columns of a file, before its samples.

        Args:
            units: by parameter, in the order of the columns. The first unit of a parameter stays.
        """
        self._units = {**units, **{name: unit for name, unit in self._units.items() if unit}}
        self._note(units)

    def _note(self, names: Collection[str]) -> None:
        """Note an order."""
        for name in names:
            self._earlier.setdefault(name, set())
        for earlier, name in pairwise(names):
            self._earlier[name].add(earlier)

    def learn(self, values: Mapping[str, Value]) -> None:
        """Add the parameters of a sample."""
        names = tuple(values)
        if names in self._seen:
            return
        if len(self._seen) >= MAX_SEEN:
            self._seen.clear()
        self._seen.add(names)
        self._parameters.learn(values)
        self._note(names)

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters of the mission, and those that samples have had."""
        found = {parameter.name: parameter for parameter in self._parameters.parameters}
        try:
            names = list(_in_order(self._earlier))
        except CycleError:  # the columns of two files have different orders
            names = list(self._earlier)
        units = self._units
        return [replace(found[name], unit=units.get(name, "")) for name in names if name in found]


def _in_order(earlier: Mapping[str, Collection[str]]) -> Iterator[str]:
    """The names, each after those before it, and otherwise in the order of the mapping.

    Raises:
        CycleError: there is no such order.
    """
    places = {name: place for place, name in enumerate(earlier)}
    names = list(earlier)
    sorter = TopologicalSorter(earlier)
    sorter.prepare()
    ready: list[int] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heappush(ready, places[name])
        name = names[heappop(ready)]
        yield name
        sorter.done(name)
