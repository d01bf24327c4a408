"""Samples by time, in columns: for plots and for queries about the past.

Samples are stored in order of arrival and returned in order of time. So a late sample costs no more
than any other, and the oldest to arrive is dropped first, even if a source's clock jumps.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rover.telemetry.span import Span

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray

    from sources.base import Parameter, Sample, Value

ColumnKey = tuple[str, str]
"""A parameter's name, and the name of a vector's component; `""` for a scalar."""

MAX_COLUMNS = 2000
"""Maximum number of columns; values of further parameters are not stored."""

MIN_CAPACITY = 1024
"""Number of rows that columns have at first; they grow as samples arrive."""

SPARE_ROWS = 1.25
"""Maximum length of a column, relative to the history: spare rows make reallocation rare."""

ROW_BYTES = 17
"""Size of a row without values: its time, its late flag, and the size of its objects."""

CELL_BYTES = 8
"""Size of a number, or of the reference to an object."""

MAX_EXACT_INTEGER = 2**53
"""Largest integer up to which a float64 represents every integer. A column with a larger one stores
Python objects."""

MISSING = {np.dtype(np.float64): math.nan, np.dtype(object): None}
"""The content of a cell without a value, by the column's type."""


class History:
    """The newest samples, up to a count and a number of bytes; the oldest are dropped.

    Args:
        parameters: the dictionary, which defines the first columns.
        max_samples: maximum number of samples, at least 1.
        max_bytes: maximum size of the samples, without the columns' spare rows. The newest sample
            is kept whatever its size.
    """

    def __init__(
        self, parameters: Iterable[Parameter], max_samples: int, max_bytes: int = sys.maxsize
    ) -> None:
        self._max_samples = max_samples
        self._max_bytes = max_bytes
        self._row_bytes = ROW_BYTES
        self._capacity = 0  # length of every column
        self._start = 0
        self._end = 0
        self._t = _empty_column(0, float)
        self._late = _empty_column(0, bool)
        self._object_bytes = _empty_column(0, int)  # size of each sample's objects
        self._total_object_bytes = 0
        self._columns: dict[ColumnKey, NDArray[Any]] = {}
        self._components: dict[str, list[str]] = {}  # by parameter; [""] for a scalar
        self._learned: set[ColumnKey] = set()  # columns that the dictionary lacks
        self._integers: set[str] = set()  # parameters of kind `integer`
        self.set_parameters(parameters)

    def set_parameters(self, parameters: Iterable[Parameter]) -> None:
        """Add the columns that a new dictionary needs. Existing columns stay."""
        for parameter in parameters:
            if parameter.kind == "integer":
                self._integers.add(parameter.name)
            if parameter.name in self._components:
                continue
            self._components[parameter.name] = []
            if parameter.kind != "vector":
                number = parameter.kind in ("number", "integer")
                self._add_column((parameter.name, ""), float if number else object)

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def names(self) -> Collection[str]:
        """The parameters of the dictionary, and those that were received without an entry in it."""
        return self._components.keys()

    def add(self, sample: Sample, *, late: bool = False) -> None:
        """Store a sample, and drop the oldest beyond the limits.

        Args:
            sample: of any time.
            late: whether to flag it as late.
        """
        if self._end == self._capacity:
            self._reallocate()
        self._t[self._end] = sample.t
        self._late[self._end] = late
        self._end += 1
        for name, value in sample.values.items():
            self._set_value(name, value)
        self._drop_oldest()

    def between(
        self, since: float | None, until: float | None, fields: Collection[str] | None
    ) -> Span:
        """A copy of the samples in a time range, safe to use in another thread.

        Args:
            since: POSIX seconds, inclusive; `None` for no bound.
            until: POSIX seconds, exclusive; `None` for no bound.
            fields: names of parameters; `None` for all.
        """
        t = self._t[self._start : self._end]
        in_order = np.argsort(t, kind="stable")  # linear if the times are nearly sorted
        first = 0 if since is None else int(np.searchsorted(t, since, sorter=in_order))
        last = len(t) if until is None else int(np.searchsorted(t, until, sorter=in_order))
        rows = self._start + in_order[first:last]
        return Span(
            t=self._t[rows],
            late=self._late[rows],
            columns={
                name: {part: self._columns[name, part][rows] for part in self._components[name]}
                for name in (self._components if fields is None else fields)
            },
            integers=frozenset(self._integers),
        )

    def _set_value(self, name: str, value: Value) -> None:
        """Store a value of the newest sample. A parameter is a scalar or a vector, never both."""
        if isinstance(value, Mapping):
            if "" not in self._components.get(name, ()):
                for component, number in value.items():
                    self._set_cell((name, component), _number(number))
        elif value is not None and self._components.get(name, [""]) == [""]:
            self._set_cell((name, ""), value)

    def _set_cell(self, key: ColumnKey, value: Value) -> None:
        column = self._columns.get(key)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if column is None:  # a parameter or a component that the dictionary lacks
            if len(self._columns) >= MAX_COLUMNS:
                return
            self._components.setdefault(key[0], [])
            self._learned.add(key)
            large = isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER and not key[1]
            column = self._add_column(key, float if (key[1] or number) and not large else object)
        elif column.dtype == np.float64 and not key[1]:
            learned = not number and key in self._learned  # its earlier values were numbers
            if learned or (isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER):
                column = self._convert_to_objects(key)
        if column.dtype == np.float64:
            column[self._end - 1] = _number(value)
        else:
            column[self._end - 1] = value
            self._object_bytes[self._end - 1] += (size := _object_size(value))
            self._total_object_bytes += size

    def _add_column(self, key: ColumnKey, dtype: type) -> NDArray[Any]:
        self._components[key[0]].append(key[1])
        self._row_bytes += CELL_BYTES
        self._drop_oldest()
        if self._capacity > self._max_capacity * SPARE_ROWS:
            self._reallocate()
        column = self._columns[key] = _empty_column(self._capacity, dtype)
        return column

    def _convert_to_objects(self, key: ColumnKey) -> NDArray[Any]:
        """Replace a column of numbers with a column of Python objects."""
        used = slice(self._start, self._end)
        numbers = self._columns[key][used]
        measured = ~np.isnan(numbers)
        column = self._columns[key] = _empty_column(self._capacity, object)
        column[used][measured] = numbers[measured]
        self._object_bytes[used] += measured * _object_size(0.0)
        self._total_object_bytes += int(measured.sum()) * _object_size(0.0)
        return column

    def _drop_oldest(self) -> None:
        """Drop the oldest samples beyond the limits."""
        while len(self) > 1 and (
            len(self) > self._max_samples
            or len(self) * self._row_bytes + self._total_object_bytes > self._max_bytes
        ):
            if size := int(self._object_bytes[self._start]):
                self._total_object_bytes -= size
                for column in self._columns.values():
                    if column.dtype == object:
                        column[self._start] = None
            self._start += 1

    @property
    def _max_capacity(self) -> int:
        """Maximum number of rows, spare rows included."""
        samples = max(1, min(self._max_samples, self._max_bytes // self._row_bytes))
        return int(samples * SPARE_ROWS) + 1

    def _reallocate(self) -> None:
        """Copy the samples to the start of new columns that have spare rows."""
        used = slice(self._start, self._end)
        self._start, self._end = 0, len(self)
        self._capacity = min(max(2 * self._end, MIN_CAPACITY), self._max_capacity)

        def copied(column: NDArray[Any]) -> NDArray[Any]:
            new = _empty_column(self._capacity, column.dtype)
            new[: self._end] = column[used]
            return new

        self._t, self._late, self._object_bytes = map(
            copied, (self._t, self._late, self._object_bytes)
        )
        self._columns = {key: copied(column) for key, column in self._columns.items()}


def _empty_column(rows: int, dtype: Any) -> NDArray[Any]:
    return np.full(rows, MISSING.get(np.dtype(dtype), 0), dtype)


def _object_size(value: Value) -> int:
    """Bytes of an object outside its cell; 0 for booleans, which all columns share."""
    return 0 if isinstance(value, bool) else sys.getsizeof(value)


def _number(value: object) -> float:
    """The value as a finite float; NaN if it is not a number or too large for a float."""
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan
