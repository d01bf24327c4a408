"""Fewer points with the same spikes.

Of each group of points, the first, the last, the minimum and the maximum are kept, for a vector
those of each component (M4: Jugel et al., VLDB 2014). Of values that are not numbers, the first
change is kept instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rover.archive.points import Points

GROUP = 64
"""Number of points of a group."""


def reduced(points: Points, group: int = GROUP) -> Points:
    """The points that are kept of each group of consecutive points."""
    starts = np.arange(0, len(points), group)
    keep = np.zeros(len(points), bool)
    for rows in kept(points, starts):
        keep[rows] = True
    return points[keep]


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


def _extremes(column: NDArray[Any], starts: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    if column.dtype == object:
        changed = np.flatnonzero(column[1:] != column[:-1]) + 1
        group = np.searchsorted(starts, changed, side="right")
        _, firsts = np.unique(group, return_index=True)
        yield changed[firsts]  # the first change of each group
        return
    if column.dtype == np.bool_:
        column = column.view(np.int8)
    size = starts[1] if len(starts) > 1 else len(column)
    with np.errstate(over="ignore", invalid="ignore"):  # a sum of huge values may be NaN too
        has_nan = column.dtype == np.float64 and np.isnan(column.sum())
    if len(starts) * size == len(column) and not has_nan and (np.diff(starts) == size).all():
        groups = column.reshape(-1, size)
        yield starts + groups.argmin(axis=1)
        yield starts + groups.argmax(axis=1)
        return
    sizes = np.diff(starts, append=len(column))
    for reduce in (np.fmin, np.fmax):  # they ignore NaN
        rows = np.flatnonzero(column == np.repeat(reduce.reduceat(column, starts), sizes))
        if len(rows):
            group = np.searchsorted(starts, rows, side="right")
            yield rows[np.flatnonzero(np.diff(group, prepend=-1))]  # the first of each group
