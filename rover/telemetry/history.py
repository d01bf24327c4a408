"""What was measured, by time: one column a parameter, for plots and for questions about the past.

Samples are kept in the order they came, and told in the order of their time: so a late one costs no
more than any other, and whatever a source's clock does, what came first is dropped first.
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

Key = tuple[str, str]
"""A parameter's name, and the name of a vector's part or nothing."""

MAX_COLUMNS = 2000
"""A source that invents ever new parameters is not followed further."""

FIRST_ROWS = 1024
"""Columns grow from here, as samples come."""

SLACK = 1.25
"""Columns may be this much longer than the history, so that dropping moves data seldom."""

ROW_BYTES = 17
"""Of a sample without values: its time, whether it came late, and the size of its texts."""

CELL_BYTES = 8
"""Of a number, and of the reference to anything else."""

MAX_EXACT_INTEGER = 2**53
"""Largest integer up to which a float64 represents every integer. A column with a larger one stores
Python objects."""

BLANK = {np.dtype(np.float64): math.nan, np.dtype(object): None}
"""What stands in a cell where nothing was measured."""


class History:
    """The newest samples, as many as fit.

    Args:
        parameters: the dictionary: which columns there are.
        max_samples: how many samples are kept, at least 1.
        max_bytes: how many bytes they are, without the room that columns have for more. The newest
            is kept whatever its size.
    """

    def __init__(
        self, parameters: Iterable[Parameter], max_samples: int, max_bytes: int = sys.maxsize
    ) -> None:
        self._max_samples = max_samples
        self._max_bytes = max_bytes
        self._row_bytes = ROW_BYTES
        self._text_bytes = 0  # of all samples' texts
        self._rows = 0  # of each column, used or not
        self._start = 0
        self._end = 0
        self._t = _blank(0, float)
        self._late = _blank(0, bool)
        self._texts = _blank(0, int)  # how many bytes they are, of each sample
        self._columns: dict[Key, NDArray[Any]] = {}
        self._parts: dict[str, list[str]] = {}  # of each parameter: [""], or a vector's
        self._learned: set[Key] = set()  # columns that the dictionary lacks
        self._whole: set[str] = set()
        self.set_parameters(parameters)

    def set_parameters(self, parameters: Iterable[Parameter]) -> None:
        """Follow a new dictionary: add the columns that are not there yet; none is removed."""
        for parameter in parameters:
            if parameter.kind == "integer":
                self._whole.add(parameter.name)
            if parameter.name in self._parts:
                continue
            self._parts[parameter.name] = []
            if parameter.kind != "vector":
                number = parameter.kind in ("number", "integer")
                self._add_column((parameter.name, ""), float if number else object)

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def names(self) -> Collection[str]:
        """Of every column but the time."""
        return self._parts.keys()

    def add(self, sample: Sample, *, late: bool = False) -> None:
        """Take the sample in.

        Args:
            sample: of any time.
            late: how it is flagged.
        """
        if self._end == self._rows:
            self._move()
        self._t[self._end] = sample.t
        self._late[self._end] = late
        self._end += 1
        for name, value in sample.values.items():
            self._set(name, value)
        self._drop_oldest()

    def between(
        self, since: float | None, until: float | None, fields: Collection[str] | None
    ) -> Span:
        """A copy of a piece of the past, safe to work on in another thread.

        Args:
            since: POSIX seconds, inclusive; `None` from the oldest on.
            until: POSIX seconds, exclusive; `None` up to the newest.
            fields: names of columns; `None` for all.
        """
        t = self._t[self._start : self._end]
        in_order = np.argsort(t, kind="stable")  # linear where it nearly is so already
        first = 0 if since is None else int(np.searchsorted(t, since, sorter=in_order))
        last = len(t) if until is None else int(np.searchsorted(t, until, sorter=in_order))
        rows = self._start + in_order[first:last]
        return Span(
            t=self._t[rows],
            late=self._late[rows],
            columns={
                name: {part: self._columns[name, part][rows] for part in self._parts[name]}
                for name in (self._parts if fields is None else fields)
            },
            whole=frozenset(self._whole),
        )

    def _set(self, name: str, value: Value) -> None:
        if isinstance(value, Mapping):
            if "" not in self._parts.get(name, ()):  # not where a plain value is due
                for part, number in value.items():
                    self._put((name, part), _number(number))
        elif value is not None and self._parts.get(name, [""]) == [""]:  # nor the reverse
            self._put((name, ""), value)

    def _put(self, key: Key, value: Value) -> None:
        """Set a value of the newest sample."""
        column = self._columns.get(key)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if column is None:  # not in the dictionary, but said all the same
            if len(self._columns) >= MAX_COLUMNS:
                return
            self._parts.setdefault(key[0], [])
            self._learned.add(key)
            large = isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER and not key[1]
            column = self._add_column(key, float if (key[1] or number) and not large else object)
        elif column.dtype == np.float64 and not key[1]:
            learned = not number and key in self._learned  # numbers only so far
            if learned or (isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER):
                column = self._allow_anything(key)
        if column.dtype == np.float64:
            column[self._end - 1] = _number(value)
        else:
            column[self._end - 1] = value
            self._texts[self._end - 1] += (size := _size(value))
            self._text_bytes += size

    def _add_column(self, key: Key, dtype: type) -> NDArray[Any]:
        self._parts[key[0]].append(key[1])
        self._row_bytes += CELL_BYTES
        self._drop_oldest()
        if self._rows > self._room * SLACK:
            self._move()
        column = self._columns[key] = _blank(self._rows, dtype)
        return column

    def _allow_anything(self, key: Key) -> NDArray[Any]:
        """Make a column of numbers one that takes anything."""
        held = slice(self._start, self._end)
        numbers = self._columns[key][held]
        told = ~np.isnan(numbers)
        column = self._columns[key] = _blank(self._rows, object)
        column[held][told] = numbers[told]
        self._texts[held] += told * _size(0.0)
        self._text_bytes += int(told.sum()) * _size(0.0)
        return column

    def _drop_oldest(self) -> None:
        """Drop what does not fit."""
        while len(self) > 1 and (
            len(self) > self._max_samples
            or len(self) * self._row_bytes + self._text_bytes > self._max_bytes
        ):
            if texts := int(self._texts[self._start]):
                self._text_bytes -= texts
                for column in self._columns.values():
                    if column.dtype == object:
                        column[self._start] = None
            self._start += 1

    @property
    def _room(self) -> int:
        """How long a column may be."""
        samples = max(1, min(self._max_samples, self._max_bytes // self._row_bytes))
        return int(samples * SLACK) + 1

    def _move(self) -> None:
        """Move the samples to columns that have room for more."""
        held = slice(self._start, self._end)
        self._start, self._end = 0, len(self)
        self._rows = min(max(2 * self._end, FIRST_ROWS), self._room)

        def moved(column: NDArray[Any]) -> NDArray[Any]:
            new = _blank(self._rows, column.dtype)
            new[: self._end] = column[held]
            return new

        self._t, self._late, self._texts = map(moved, (self._t, self._late, self._texts))
        self._columns = {key: moved(column) for key, column in self._columns.items()}


def _blank(rows: int, dtype: Any) -> NDArray[Any]:
    return np.full(rows, BLANK.get(np.dtype(dtype), 0), dtype)


def _size(value: Value) -> int:
    """How many bytes a value takes besides its cell."""
    return 0 if isinstance(value, bool) else sys.getsizeof(value)


def _number(value: object) -> float:
    """The value as a finite float, or NaN: for no number, and for one that a float cannot hold."""
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan
