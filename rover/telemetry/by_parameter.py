"""From samples to the points of each parameter."""

from __future__ import annotations

from itertools import chain
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rover.archive.points import Points, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from rover.telemetry.tail import Entry
    from sources.base import Value


def points_of(
    entries: Sequence[Entry], names: Collection[str], archived: Callable[[str], int]
) -> dict[str, Points]:
    """The values of samples by parameter.

    Args:
        entries: the samples.
        names: parameters to include.
        archived: the offset up to which a parameter is left out.
    """
    t = np.array([entry.t for entry in entries], float)
    late = np.array([entry.late for entry in entries], bool)
    offsets = np.array([entry.offset for entry in entries], np.int64)
    archived_to = {name: archived(name) for name in names}
    may_be_old = bool(((offsets > 0) & (offsets <= max(archived_to.values(), default=0))).any())
    found: dict[str, list[Points]] = {}
    for parameters, rows in _groups(entries).items():
        if not any(name in names for name in parameters):
            continue
        where = np.array(rows)
        every = slice(None) if len(rows) == len(entries) else where
        chosen_t, chosen_late = t[every], late[every]
        for name, column, types in _columns(parameters, [entries[row].values for row in rows]):
            if name not in names:
                continue
            if NoneType in types or may_be_old:
                is_new = (offsets[where] > archived_to[name]) | (offsets[where] == 0)
                keep = [i for i, value in enumerate(column) if is_new[i] and value is not None]
                if keep:
                    one = Points.of(chosen_t[keep], chosen_late[keep], [column[i] for i in keep])
                    found.setdefault(name, []).append(one)
            else:
                one = Points.of(chosen_t, chosen_late, column, types)
                found.setdefault(name, []).append(one)
    whole = ((name, joined(pieces)) for name, pieces in found.items())
    return {name: points for name, points in whole if points is not None}


def _groups(entries: Sequence[Entry]) -> dict[tuple[str, ...], list[int]]:
    """The rows of the samples that have the same parameters, by these parameters."""
    groups: dict[tuple[str, ...], list[int]] = {}
    last: tuple[str, ...] | None = None
    rows: list[int] = []
    for row, entry in enumerate(entries):
        names = entry.names
        if names is not last:
            last, rows = names, groups.setdefault(names, [])
        rows.append(row)
    return groups


def _columns(
    parameters: Sequence[str], samples: Sequence[Mapping[str, Value]]
) -> Iterator[tuple[str, Sequence[Any], AbstractSet[type]]]:
    """The values of each parameter, and their types.

    It makes no tuple for each sample, because thousands of new tuples start the garbage collector.
    """
    count = len(parameters)
    flat = list(chain.from_iterable(values.values() for values in samples))
    types = set(map(type, flat))
    if types == {float}:
        matrix = np.fromiter(flat, float, len(flat)).reshape(-1, count)
        columns = np.ascontiguousarray(matrix.T)
        for name, numbers in zip(parameters, columns, strict=True):
            yield name, cast("Sequence[Any]", numbers), types
        return
    for index, name in enumerate(parameters):
        column = flat[index::count]
        yield name, column, set(map(type, column))
