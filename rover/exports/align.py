"""Fills in the newest value of each parameter, for tools that need a value in every row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rover.archive.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Aligner:
    """Makes rows in which every parameter has the newest value up to the row's time.

    Args:
        period_s: seconds from one row to the next, at multiples of this period; 0 keeps the rows.
    """

    def __init__(self, period_s: float = 0.0) -> None:
        self._period_s = period_s
        self._newest: dict[tuple[str, str], Any] = {}
        self._next = -math.inf  # the first row of the next table, as a multiple of the period

    def __call__(self, table: Table) -> Table:
        """The rows for the next table; late rows are left out."""
        keep = ~table.late
        t = table.t[keep]
        rows = np.arange(len(t))
        times = t
        if self._period_s and len(t):
            first = max(self._next, math.ceil(t[0] / self._period_s))
            last = math.floor(t[-1] / self._period_s)
            times = np.arange(first, last + 1) * self._period_s
            rows = np.searchsorted(t, times, side="right") - 1
            self._next = max(self._next, last + 1)
        columns: dict[str, dict[str, NDArray[Any]]] = {}
        for name, parts in table.columns.items():
            for part, column in parts.items():
                filled = self._filled((name, part), column[keep])
                columns.setdefault(name, {})[part] = filled[rows]
        for (name, part), value in self._newest.items():
            if part not in columns.setdefault(name, {}):
                dtype = float if isinstance(value, float) else object
                columns[name][part] = np.full(len(times), value, dtype)
        return Table(times, np.zeros(len(times), bool), columns, table.resolution_s)

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
