"""Fills in the newest value of each parameter, for tools that need a value in every row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rover.archive.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


MAX_ROWS = 16_384
"""Maximum number of rows of a table at a period: a gap of a year has many."""


class Aligner:
    """Makes rows in which every parameter has the newest value up to the row's time.

    Args:
        period_s: seconds from one row to the next, at multiples of this period; 0 keeps the rows.
    """

    def __init__(self, period_s: float = 0.0) -> None:
        self._period_s = period_s
        self._newest: dict[tuple[str, str], Any] = {}
        self._next = 0  # the first row of the next table, as a multiple of the period
        self._begun = False

    def tables(self, table: Table) -> Iterator[Table]:
        """The rows for the next table; late rows are left out."""
        keep = ~table.late
        t = table.t[keep]
        if not len(t):
            return
        before = {key: _constant(value) for key, value in self._newest.items()}
        columns = {
            (name, part): self._filled((name, part), column[keep])
            for name, parts in table.columns.items()
            for part, column in parts.items()
        }
        for times in self._times(t):
            row = np.searchsorted(t, times, side="right") - 1
            found: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in table.columns}
            for (name, part), column in columns.items():
                found[name][part] = column[row]
            for (name, part), value in before.items():
                if (name, part) not in columns:
                    found.setdefault(name, {})[part] = np.repeat(value, len(times))
            yield Table(times, np.zeros(len(times), bool), found, table.resolution_s)

    def _times(self, t: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        if not self._period_s:
            yield t
            return
        first = math.ceil(t[0] / self._period_s)
        self._next = max(self._next, first) if self._begun else first
        self._begun = True
        end = math.floor(t[-1] / self._period_s) + 1
        while self._next < end:
            last = min(end, self._next + MAX_ROWS)
            yield np.arange(self._next, last) * self._period_s
            self._next = last

    def _filled(self, key: tuple[str, str], column: NDArray[Any]) -> NDArray[Any]:
        """The column with the value before each missing one, also from earlier tables."""
        before = self._newest.get(key)
        if column.dtype == np.float64 and not isinstance(before, float | None):
            column = column.astype(object)
            column[[value != value for value in column]] = None  # NaN
        if column.dtype == np.float64:
            missing = np.isnan(column)
            nothing: Any = math.nan if before is None else before
        else:
            missing = np.array([value is None for value in column], bool)
            nothing = before
        source = np.maximum.accumulate(np.where(missing, -1, np.arange(len(column))))
        filled = column[source]
        filled[source < 0] = nothing
        if len(source) and source[-1] >= 0:
            self._newest[key] = column[source[-1]]
        return filled


def _constant(value: Any) -> NDArray[Any]:
    if isinstance(value, float):
        return np.array([value])
    column = np.empty(1, object)
    column[0] = value
    return column
