"""Fewer points with the same spikes.

Of each group of points, the first, the last, the minimum and the maximum are kept, for a vector
those of each component (M4: Jugel et al., VLDB 2014). Of values that are not numbers, the first
change is kept instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from rover.archive.points import Points

GROUP = 64
"""Number of points of a group."""


NEIGHBOURS = 8
"""Number of points on each side of a late value that decide whether it is a spike."""


def reduced(points: Points, group: int = GROUP) -> Points:
    """The points that are kept of each group of consecutive points."""
    return reduced_all([points], group)[0]


def reduced_all(pieces: Sequence[Points], group: int = GROUP) -> list[Points]:
    """Each of several pieces, reduced. Numbers of the same length are compared together."""
    keep = []
    even: dict[tuple[np.dtype[Any], int], list[tuple[NDArray[np.bool_], NDArray[Any]]]] = {}
    for points in pieces:
        rows = np.zeros(len(points), bool)
        keep.append(rows)
        starts = np.arange(0, len(points), group)
        rows[starts] = True
        rows[np.append(starts[1:], len(points)) - 1] = True
        for column in points.columns:
            if column.dtype == object or len(points) % group:
                for found in _extremes(column, starts):
                    rows[found] = True
            else:
                even.setdefault((column.dtype, len(points)), []).append((rows, column))
    for members in even.values():
        extremes = _extremes_of_even(np.stack([column for _, column in members]), group)
        for (rows, _), found in zip(members, extremes, strict=True):
            rows[found] = True
    return [points[rows] for points, rows in zip(pieces, keep, strict=True)]


def kept(points: Points, starts: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """The rows that are kept, in any order and with repetitions.

    Args:
        points: at least one.
        starts: the first row of each group, increasing and different; the first is 0.
    """
    yield starts
    yield np.append(starts[1:], len(points)) - 1
    for column in points.columns:
        yield from _extremes(column, starts)


def are_spikes(points: Points, among: Points) -> NDArray[np.bool_]:
    """Whether each point is outside the range of its neighbours."""
    near = np.searchsorted(among.t, points.t)
    spikes = np.zeros(len(points), bool)
    for part, new in zip(points.parts, points.columns, strict=True):
        old = among.column(part)
        if object in (old.dtype, new.dtype):
            spikes[:] = True
            continue
        for row, value in enumerate(new.tolist()):
            around = old[max(0, near[row] - NEIGHBOURS) : near[row] + NEIGHBOURS]
            spikes[row] |= not around.min() <= value <= around.max()
    return spikes


def _extremes_of_even(columns: NDArray[Any], group: int) -> NDArray[np.intp]:
    """The rows of the minimum and the maximum of each group, by column.

    Args:
        columns: shape (columns, rows), where the rows are a multiple of the group.
        group: number of rows of a group.
    """
    groups = columns.reshape(len(columns), -1, group)
    low = high = groups
    if columns.dtype == np.float64:  # NaN means not measured
        missing = np.isnan(groups)
        if missing.any():
            low, high = np.where(missing, np.inf, groups), np.where(missing, -np.inf, groups)
    starts = np.arange(0, columns.shape[1], group)
    return np.concatenate([starts + low.argmin(axis=2), starts + high.argmax(axis=2)], axis=1)


def _extremes(column: NDArray[Any], starts: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    if column.dtype == object:
        changed = np.flatnonzero(column[1:] != column[:-1]) + 1
        group = np.searchsorted(starts, changed, side="right")
        _, firsts = np.unique(group, return_index=True)
        yield changed[firsts]  # the first change of each group
        return
    if column.dtype == np.bool_:
        column = column.view(np.int8)
    sizes = np.diff(starts, append=len(column))
    for reduce in (np.fmin, np.fmax):  # they ignore NaN
        rows = np.flatnonzero(column == np.repeat(reduce.reduceat(column, starts), sizes))
        if len(rows):
            group = np.searchsorted(starts, rows, side="right")
            yield rows[np.flatnonzero(np.diff(group, prepend=-1))]  # the first of each group
