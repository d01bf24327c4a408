"""Samples of a time range: downsampled for a plot, and returned as columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


CELL_JSON_BYTES = 16
"""Typical size of a number or a time in JSON."""


@dataclass(frozen=True, slots=True)
class Span:
    """Samples in order of time.

    Attributes:
        t: POSIX seconds, shape (n,).
        late: whether each sample was late, shape (n,).
        columns: by parameter, then by a vector's component (`""` for a scalar), shape (n,) each.
            Numbers are float64, with NaN for missing values.
        integers: names of the parameters whose numbers are integers.
    """

    t: NDArray[np.float64]
    late: NDArray[np.bool_]
    columns: Mapping[str, Mapping[str, NDArray[Any]]]
    integers: frozenset[str]

    def downsampled(self, max_points: int) -> Span:
        """At most `max_points` samples, among them the minimum and maximum of each parameter.

        The samples are divided into intervals of equal length. For each number, the minimum and the
        maximum of each interval are kept, and the first and the last sample if they fit. If one
        interval alone has more extremes than `max_points`, all of its extremes are kept. Samples
        without numbers are selected at even distances.

        Libraries for downsampling do not handle NaN, which rover data often contains
        (predict-idlab/tsdownsample, issue 73).
        """
        return self if len(self.t) <= max_points else self._rows(self._extremes(max_points))

    def thinned(self, points: int) -> Span:
        """At most that number of samples: at even distances, and extremes if they fit.

        Unlike `downsampled`, it keeps samples without numbers beside samples with numbers, and
        never exceeds the limit.
        """
        extremes = self._extremes(points // 2)
        if len(extremes) > points // 2:
            extremes = extremes[:0]
        return self._rows(np.union1d(extremes, self._evenly(points - len(extremes))))

    def _extremes(self, max_points: int) -> NDArray[np.intp]:
        """The rows that `downsampled` keeps."""
        columns = (column for parts in self.columns.values() for column in parts.values())
        numbers = [column for column in map(_as_numbers, columns) if not np.isnan(column).all()]
        if not numbers:
            return self._evenly(max_points)
        intervals = max(1, (max_points - 2) // (2 * len(numbers)))
        starts = np.linspace(0, len(self.t), intervals + 1).astype(np.intp)[:-1]
        interval_of = np.searchsorted(starts, np.arange(len(self.t)), side="right") - 1
        keep = np.zeros(len(self.t), dtype=bool)
        for values in numbers:
            missing = np.isnan(values)
            for filler, extreme in ((np.inf, np.minimum), (-np.inf, np.maximum)):
                filled = np.where(missing, filler, values)
                hits = np.flatnonzero(filled == extreme.reduceat(filled, starts)[interval_of])
                _, firsts = np.unique(interval_of[hits], return_index=True)
                chosen = hits[firsts]
                keep[chosen[~missing[chosen]]] = True
        if np.count_nonzero(keep) + 2 <= max_points:
            keep[[0, -1]] = True
        return np.flatnonzero(keep)

    def _evenly(self, points: int) -> NDArray[np.intp]:
        return np.linspace(0, len(self.t) - 1, points).astype(np.intp)

    def _rows(self, rows: NDArray[np.intp]) -> Span:
        columns = {
            name: {part: column[rows] for part, column in parts.items()}
            for name, parts in self.columns.items()
        }
        return Span(self.t[rows], self.late[rows], columns, self.integers)

    def json_bytes(self) -> int:
        """The approximate size of these samples as JSON. Characters count as one byte."""
        row_bytes = 2 * CELL_JSON_BYTES
        text_bytes = 0
        for parts in self.columns.values():
            for part, column in parts.items():
                row_bytes += CELL_JSON_BYTES + len(part)
                if not _is_numeric(column):
                    text_bytes += sum(len(value) for value in column if isinstance(value, str))
        return len(self.t) * row_bytes + text_bytes

    def as_columns(self) -> dict[str, list[Any]]:
        """Columns of equal length: `t` in POSIX seconds, each parameter, and `late`."""
        values = {name: self._values(name) for name in self.columns}
        return {"t": self.t.tolist(), **values, "late": self.late.tolist()}

    def _values(self, name: str) -> list[Any]:
        parts = {part: _as_list(column) for part, column in self.columns[name].items()}
        if not parts:  # a vector that was never measured
            return [None] * len(self.t)
        if "" in parts:
            if name in self.integers:
                return [None if value is None else int(value) for value in parts[""]]
            return parts[""]
        rows = [dict(zip(parts, row, strict=True)) for row in zip(*parts.values(), strict=True)]
        return [row if any(v is not None for v in row.values()) else None for row in rows]


def _as_numbers(column: NDArray[Any]) -> NDArray[np.float64]:
    """The numbers of a column, NaN for everything else. Large integers are rounded."""
    if _is_numeric(column):
        return column
    return np.array(
        [v if isinstance(v, int | float) and not isinstance(v, bool) else np.nan for v in column],
        dtype=np.float64,
    )


def _is_numeric(column: NDArray[Any]) -> bool:
    return column.dtype == np.float64


def _as_list(column: NDArray[Any]) -> list[Any]:
    if _is_numeric(column):
        return [None if math.isnan(value) else value for value in column.tolist()]
    return list(column)
