"""The points of several parameters as one table, with a limited number of rows.

A table of few points has a row for each time. A larger one is divided into intervals of equal
length. Each has a few rows, which contain the first, the last, the minimum and the maximum of each
parameter, in order of time. So a plot of it has every spike, and its values may be displaced by
less than an interval, which the table calls its resolution. The points of a vector remain whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rover.archive.points import SCALAR, values_of
from rover.archive.reduce import kept

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from rover.archive.points import Points

CELL_JSON_BYTES = 16
"""Typical size of a number or a time in JSON."""

SCALAR_ROWS = 4
"""Rows of an interval: the first, the minimum, the maximum and the last point of a scalar."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The points of a time range.

    Attributes:
        series: by parameter; `None` if it has no points.
        is_complete: whether all points are there, and not only those of a higher level.
    """

    series: Mapping[str, Points | None]
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in order of time.

    Attributes:
        t: POSIX seconds, shape (n,).
        late: whether a value of the row was late, shape (n,).
        columns: by parameter, then by a vector's component (`""` for a scalar), shape (n,) each:
            float64 with NaN for missing values, or Python objects with `None`.
        resolution_s: seconds by which values may be displaced; 0 if all points are in the table.
    """

    t: NDArray[np.float64]
    late: NDArray[np.bool_]
    columns: Mapping[str, Mapping[str, NDArray[Any]]]
    resolution_s: float = 0.0

    def newest(self) -> Table:
        """The last row."""
        return self._rows(slice(-1, None))

    def parts(self, max_bytes: int) -> Iterator[Table]:
        """The rows in tables of about that size as JSON. They share the memory of this one."""
        count = -(-self.json_bytes() // max_bytes) or 1
        rows = -(-len(self.t) // count) or 1
        for start in range(0, len(self.t), rows):
            yield self._rows(slice(start, start + rows))

    def _rows(self, rows: slice) -> Table:
        columns = {
            name: {part: column[rows] for part, column in parts.items()}
            for name, parts in self.columns.items()
        }
        return Table(self.t[rows], self.late[rows], columns, self.resolution_s)

    def json_bytes(self) -> int:
        """The approximate size of the rows as JSON. Characters count as one byte."""
        row_bytes = 2 * CELL_JSON_BYTES
        text_bytes = 0
        for parts in self.columns.values():
            for part, column in parts.items():
                row_bytes += CELL_JSON_BYTES + len(part)
                if column.dtype == object:
                    text_bytes += sum(len(value) for value in column if isinstance(value, str))
        return len(self.t) * row_bytes + text_bytes

    def as_columns(self, integers: Collection[str] = ()) -> dict[str, list[Any]]:
        """Columns of equal length: `t` in POSIX seconds, each parameter, and `late`.

        Args:
            integers: parameters whose numbers are whole, for values such as 3.0.
        """
        columns: dict[str, list[Any]] = {"t": self.t.tolist()}
        for name, parts in self.columns.items():
            columns[name] = self._values(parts)
            if name in integers:
                columns[name] = [_whole(value) for value in columns[name]]
        return {**columns, "late": self.late.tolist()}

    def _values(self, parts: Mapping[str, NDArray[Any]]) -> list[Any]:
        lists = {part: values_of(column) for part, column in parts.items()}
        scalars = lists.pop("", None) or [None] * len(self.t)
        if not lists:
            return scalars
        rows = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
        return [
            row if scalar is None and any(v is not None for v in row.values()) else scalar
            for scalar, row in zip(scalars, rows, strict=True)
        ]


def table_of(excerpt: Excerpt, max_rows: int) -> Table:
    """A table of at most about `max_rows` rows, which is at least 1."""
    series = excerpt.series
    present = {name: points for name, points in series.items() if points is not None}
    if not present:
        return Table(np.empty(0), np.empty(0, bool), {name: {} for name in series})
    if excerpt.is_complete and max(map(len, present.values())) <= max_rows:
        table = _one_row_per_time(series, present)
        if len(table.t) <= max_rows:
            return table
    return _rows_of_intervals(series, present, max_rows)


def _one_row_per_time(series: Mapping[str, Points | None], present: Mapping[str, Points]) -> Table:
    """Late values, and further values of one parameter with the same time, have their own rows."""
    t = np.concatenate([points.t for points in present.values()])
    late = np.concatenate([points.late for points in present.values()])
    turn = np.concatenate([_turns(points.t) for points in present.values()])
    order = np.lexsort((turn, late, t))
    begins = np.ones(len(t), bool)
    keys = [key[order] for key in (t, late, turn)]
    begins[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    row = np.empty(len(t), np.intp)
    row[order] = np.cumsum(begins) - 1
    return _filled(t[order][begins], series, _divided(row, present), present)


def _turns(t: NDArray[np.float64]) -> NDArray[np.intp]:
    """Minus the number of later points of the same time, for each point."""
    return np.arange(1, len(t) + 1) - np.searchsorted(t, t, side="right")


def _rows_of_intervals(
    series: Mapping[str, Points | None], present: Mapping[str, Points], max_rows: int
) -> Table:
    vectors = [len(points.parts) for points in present.values() if points.parts != SCALAR]
    rows = max([SCALAR_ROWS, *(2 + 2 * parts for parts in vectors)])
    start = min(float(points.t[0]) for points in present.values())
    end = max(float(points.t[-1]) for points in present.values())
    count = max(1, max_rows // rows)
    edges = np.linspace(start, end, count + 1)
    chosen, row_of = {}, {}
    for name, points in present.items():
        interval = np.searchsorted(edges[1:-1], points.t, side="right")
        starts = np.flatnonzero(np.diff(interval, prepend=-1))
        keep = np.zeros(len(points), bool)
        for found in kept(points, starts):
            keep[found] = True
        chosen[name] = points[keep]
        row_of[name] = _rows_within(interval[keep], rows)
    t, row = _mean_times(chosen, row_of)
    return _filled(t, series, _divided(row, chosen), chosen, (end - start) / count)


def _rows_within(interval: NDArray[np.intp], rows: int) -> NDArray[np.intp]:
    """The row of each point: the first point of an interval has its first row, the last the last.

    Args:
        interval: of each point, never decreasing.
        rows: of an interval.
    """
    starts = np.flatnonzero(np.diff(interval, prepend=-1))
    sizes = np.diff(starts, append=len(interval))
    place = np.arange(len(interval)) - np.repeat(starts, sizes)
    size = np.repeat(sizes, sizes)
    row: NDArray[np.intp] = interval * rows + place * (rows - 1) // np.maximum(size - 1, 1)
    return row


def _mean_times(
    chosen: Mapping[str, Points], row_of: Mapping[str, NDArray[np.intp]]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The time of each row, in order, and the row of each point of all parameters."""
    _, row = np.unique(np.concatenate(list(row_of.values())), return_inverse=True)
    t = np.concatenate([points.t for points in chosen.values()])
    base = t.min()  # so that the sums are exact
    mean = base + np.bincount(row, t - base) / np.bincount(row)
    order = np.argsort(mean, kind="stable")
    return mean[order], np.argsort(order)[row]


def _divided(row: NDArray[np.intp], series: Mapping[str, Points]) -> dict[str, NDArray[np.intp]]:
    """The rows of all points, by parameter."""
    ends = np.cumsum([len(points) for points in series.values()])[:-1]
    return dict(zip(series, np.split(row, ends), strict=True))


def _filled(
    t: NDArray[np.float64],
    series: Mapping[str, Points | None],
    row_of: Mapping[str, NDArray[np.intp]],
    present: Mapping[str, Points],
    resolution_s: float = 0.0,
) -> Table:
    late = np.zeros(len(t), bool)
    columns: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in series}
    for name, points in present.items():
        rows = row_of[name]
        late[rows[points.late]] = True
        for part, values in zip(points.parts, points.columns, strict=True):
            if values.dtype == np.float64:
                column = np.full(len(t), np.nan)
                column[rows] = values
            else:
                column = np.full(len(t), None, object)
                column[rows] = values.tolist()
            columns[name][part] = column
    return Table(t, late, columns, resolution_s)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
