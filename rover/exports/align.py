"""Fills in the newest value of each parameter, for tools that need a value in every row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rover.archive.points import values_of
from rover.archive.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray


MAX_ROWS = 4096
"""Maximum number of rows of a table at a period: a gap of a year has many."""


class Aligner:
    """Makes rows in which every parameter has the newest value up to the row's time.

    Args:
        period_s: seconds from one row to the next, at multiples of this period; 0 keeps the rows.
    """

    def __init__(self, period_s: float = 0.0) -> None:
        self._period_s = period_s
        self._newest: dict[str, dict[str, Any]] = {}  # by parameter and component
        self._next = 0  # the first row of the next table, as a multiple of the period
        self._reached: float | None = None  # rows up to this time are complete

    def begin(self, since: float, before: Iterable[Table]) -> None:
        """Begin with earlier values. With a period, the rows then begin at `since`.

        Args:
            since: POSIX seconds of the beginning.
            before: the newest values before it.
        """
        for table in before:
            for name, parts in table.columns.items():
                self._filled(name, parts, len(table.t))
        if self._newest and self._period_s:
            self._reached = since
            self._next = math.ceil(since / self._period_s)

    def tables(self, table: Table) -> Iterator[Table]:
        """The rows for the next table; late rows are left out."""
        keep = ~table.late
        t = table.t[keep]
        if not len(t):
            return
        kept = {
            name: {part: column[keep] for part, column in parts.items()}
            for name, parts in table.columns.items()
        }
        if self._period_s:
            if self._reached is not None:  # rows before the first of the table have earlier values
                t = np.concatenate([[self._reached], t])
                kept = {
                    name: {part: _after_a_missing_value(column) for part, column in parts.items()}
                    for name, parts in kept.items()
                }
            else:
                self._next = math.ceil(t[0] / self._period_s)
            self._reached = float(t[-1])
        columns = {name: self._filled(name, parts, len(t)) for name, parts in kept.items()}
        for times in self._times(t):
            row = np.searchsorted(t, times, side="right") - 1
            found = {
                name: {part: column[row] for part, column in parts.items()}
                for name, parts in columns.items()
            }
            yield Table(times, np.zeros(len(times), bool), found, table.resolution_s)

    def _times(self, t: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        if not self._period_s:
            yield t
            return
        end = math.floor(t[-1] / self._period_s) + 1
        while self._next < end:
            last = min(end, self._next + MAX_ROWS)
            yield np.arange(self._next, last) * self._period_s
            self._next = last

    def _filled(
        self, name: str, parts: Mapping[str, NDArray[Any]], count: int
    ) -> dict[str, NDArray[Any]]:
        """The columns of a parameter with its newest value in each row, also from earlier tables.

        Args:
            name: of the parameter.
            parts: its columns, by component.
            count: number of rows.
        """
        present = np.zeros(count, bool)
        for column in parts.values():
            present |= ~_is_missing(column)
        source = np.maximum.accumulate(np.where(present, np.arange(count), -1))
        before = self._newest.get(name, {})
        filled = {}
        for part in dict.fromkeys([*parts, *before]):
            column = parts[part] if part in parts else np.full(count, np.nan)
            filled[part] = _with_first(column[source], source < 0, before.get(part))
        if count and source[-1] >= 0:
            newest = {part: column[source[-1]] for part, column in parts.items()}
            self._newest[name] = {part: one for part, one in newest.items() if one == one}
        return filled


def _after_a_missing_value(column: NDArray[Any]) -> NDArray[Any]:
    is_number = column.dtype == np.float64
    first = np.array([np.nan if is_number else None], column.dtype)
    return np.concatenate([first, column])


def _is_missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    if column.dtype == np.float64:
        return np.asarray(np.isnan(column), bool)
    return np.array([value is None for value in column], bool)


def _with_first(column: NDArray[Any], rows: NDArray[np.bool_], value: Any) -> NDArray[Any]:
    """The column with a value in some rows; `None` if there is none."""
    if column.dtype == np.float64 and not isinstance(value, float | None):
        mixed = np.empty(len(column), object)
        mixed[:] = values_of(column)
        column = mixed
    is_number = column.dtype == np.float64 and value is None
    column[rows] = np.nan if is_number else value
    return column
