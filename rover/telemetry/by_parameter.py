"""From samples to the points of each parameter."""

from __future__ import annotations

from itertools import chain
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rover.archive.points import Points

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from rover.telemetry.tail import Rows
    from sources.base import Value


SAMPLES_AT_ONCE = 256
"""Number of samples whose values stay in the cache of a core while they are looked at twice."""


def points_of(
    rows: Rows, names: Collection[str], archived: Callable[[str], int]
) -> dict[str, Points]:
    """The values of samples by parameter.

    Args:
        rows: the samples.
        names: parameters to include.
        archived: the offset up to which a parameter is left out.
    """
    t, late = np.array(rows.t, float), np.array(rows.late, bool)
    offsets = np.array(rows.offsets, np.int64)
    archived_to = {name: archived(name) for name in names}
    may_be_old = bool(((offsets > 0) & (offsets <= max(archived_to.values(), default=0))).any())
    found: dict[str, list[tuple[NDArray[np.intp], Sequence[Any], AbstractSet[type]]]] = {}
    for parameters, where, samples in _groups(rows):
        if not any(name in names for name in parameters):
            continue
        for name, column, types in _columns(parameters, samples):
            if name not in names:
                continue
            chosen = where
            if NoneType in types or may_be_old:
                is_new = (offsets[where] > archived_to[name]) | (offsets[where] == 0)
                column = _plain(column)
                keep = [i for i, value in enumerate(column) if is_new[i] and value is not None]
                if not keep:
                    continue
                chosen, column = where[keep], [column[i] for i in keep]
                types = set(map(type, column))
            found.setdefault(name, []).append((chosen, column, types))
    points = {}
    for name, pieces in found.items():
        chosen, column, types = pieces[0] if len(pieces) == 1 else _joined(pieces)
        is_whole = len(chosen) == len(t)  # then all parameters share the times
        points[name] = Points.of(
            t if is_whole else t[chosen], late if is_whole else late[chosen], column, types
        )
    return points


def _joined(
    pieces: Sequence[tuple[NDArray[np.intp], Sequence[Any], AbstractSet[type]]],
) -> tuple[NDArray[np.intp], Sequence[Any], AbstractSet[type]]:
    """The rows, values and types of one parameter in several groups, in the order of the rows."""
    rows = np.concatenate([piece[0] for piece in pieces])
    values = [value for piece in pieces for value in _plain(piece[1])]
    order = np.argsort(rows)
    types = set().union(*(piece[2] for piece in pieces))
    return rows[order], [values[i] for i in order.tolist()], types


def _plain(column: Any) -> Sequence[Any]:
    """The values as Python objects, also those of an array of numbers."""
    values: Sequence[Any] = column.tolist() if isinstance(column, np.ndarray) else column
    return values


def _groups(
    rows: Rows,
) -> Iterator[tuple[tuple[str, ...], NDArray[np.intp], Sequence[Mapping[str, Value]]]]:
    """The samples that have the same parameters: these, the rows, and the values."""
    names, values = rows.names, rows.values
    if names and names.count(names[0]) == len(names):  # as nearly always
        yield names[0], np.arange(len(names)), values
        return
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, parameters in enumerate(names):
        groups.setdefault(parameters, []).append(row)
    for parameters, where in groups.items():
        yield parameters, np.array(where), [values[row] for row in where]


def _columns(
    parameters: Sequence[str], samples: Sequence[Mapping[str, Value]]
) -> Iterator[tuple[str, Sequence[Any], AbstractSet[type]]]:
    """The values of each parameter, and their types.

    It makes no tuple for each sample, because thousands of new tuples start the garbage collector.
    """
    count = len(parameters)
    if (matrix := _matrix(samples, count)) is not None:
        for name, numbers in zip(parameters, np.ascontiguousarray(matrix.T), strict=True):
            yield name, cast("Sequence[Any]", numbers), {float}
        return
    flat = list(chain.from_iterable(values.values() for values in samples))
    for index, name in enumerate(parameters):
        column = flat[index::count]
        yield name, column, set(map(type, column))


def _matrix(samples: Sequence[Mapping[str, Value]], count: int) -> NDArray[np.float64] | None:
    """The values of samples of the same parameters; `None` if some are not of type `float`.

    Args:
        samples: at least one.
        count: number of parameters.
    """
    matrix = np.empty((len(samples), count))
    for start in range(0, len(samples), SAMPLES_AT_ONCE):
        rows = slice(start, start + SAMPLES_AT_ONCE)
        flat = list(chain.from_iterable(values.values() for values in samples[rows]))
        if list(map(type, flat)).count(float) < len(flat):
            return None
        matrix[rows] = np.fromiter(flat, float, len(flat)).reshape(-1, count)
    return matrix
