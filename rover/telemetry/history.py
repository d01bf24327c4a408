"""What was measured, by time: one column a parameter, for plots and for questions about the past.

The topic keeps events in the order they came; here samples stand in the order of their time, so a
late one takes its place. Numbers lie in arrays of 8 bytes each; the oldest samples are dropped.
"""

from __future__ import annotations

import math
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

SLACK = 1.25
"""Columns are this much longer than the history, so that dropping moves data seldom."""


class History:
    """The newest samples in order of time.

    Args:
        parameters: the dictionary: which columns there are.
        max_samples: how many samples are kept, at least 1.
    """

    def __init__(self, parameters: Iterable[Parameter], max_samples: int) -> None:
        self._max = max_samples
        self._room = int(max_samples * SLACK) + 1
        self._used = min(1024, self._room)  # columns grow to their room as samples come
        self._start = 0
        self._end = 0
        self._t = np.empty(self._used)
        self._late = np.zeros(self._used, dtype=bool)
        self._columns: dict[Key, NDArray[Any]] = {}
        self._parts: dict[str, list[str]] = {}  # of each parameter: [""], or a vector's
        self._learned: set[Key] = set()  # columns that the dictionary lacks
        self._whole = {p.name for p in parameters if p.kind == "integer"}
        for parameter in parameters:
            self._parts[parameter.name] = []
            if parameter.kind != "vector":
                number = parameter.kind in ("number", "integer")
                self._add_column((parameter.name, ""), np.float64 if number else object)

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def names(self) -> Collection[str]:
        """Of every column but the time."""
        return self._parts.keys()

    def add(self, sample: Sample, *, late: bool = False) -> None:
        """Take the sample in at its time.

        Args:
            sample: of any time.
            late: how it is flagged.
        """
        self._make_room()
        at = self._end
        if len(self) and sample.t < self._t[at - 1]:
            held = self._t[self._start : self._end]
            at = self._start + int(np.searchsorted(held, sample.t, side="right"))
            for column in (self._t, self._late, *self._columns.values()):
                column[at + 1 : self._end + 1] = column[at : self._end]
        self._t[at] = sample.t
        self._late[at] = late
        for column in self._columns.values():
            column[at] = math.nan if column.dtype == np.float64 else None
        for name, value in sample.values.items():
            self._set(name, value, at)
        self._end += 1
        self._start = max(self._start, self._end - self._max)

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
        first = 0 if since is None else int(np.searchsorted(t, since, side="left"))
        last = len(t) if until is None else int(np.searchsorted(t, until, side="left"))
        rows = slice(self._start + first, self._start + max(first, last))
        return Span(
            t=self._t[rows].copy(),
            late=self._late[rows].copy(),
            columns={
                name: {part: self._columns[name, part][rows].copy() for part in self._parts[name]}
                for name in (self._parts if fields is None else fields)
            },
            whole=frozenset(self._whole),
        )

    def _set(self, name: str, value: Value, at: int) -> None:
        if isinstance(value, Mapping):
            if "" not in self._parts.get(name, ()):  # not where a plain value is due
                for part, number in value.items():
                    self._put((name, part), _number(number), at)
        elif value is not None and self._parts.get(name, [""]) == [""]:  # nor the reverse
            self._put((name, ""), value, at)

    def _put(self, key: Key, value: Value, at: int) -> None:
        column = self._columns.get(key)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if column is None:  # not in the dictionary, but said all the same
            if len(self._columns) >= MAX_COLUMNS:
                return
            self._parts.setdefault(key[0], [])
            self._learned.add(key)
            column = self._add_column(key, np.float64 if key[1] or number else object)
        elif column.dtype == np.float64 and not number and key in self._learned and not key[1]:
            held = [None if math.isnan(n) else n for n in column.tolist()]  # numbers only so far
            column = self._columns[key] = np.array(held, dtype=object)
        column[at] = _number(value) if column.dtype == np.float64 else value

    def _add_column(self, key: Key, dtype: Any) -> NDArray[Any]:
        blank = math.nan if dtype is np.float64 else None
        column = self._columns[key] = np.full(self._used, blank, dtype=dtype)
        self._parts[key[0]].append(key[1])
        return column

    def _make_room(self) -> None:
        """Leave a free row at the end: grow up to the room, then move everything down."""
        if self._end < self._used:
            return
        if self._used < self._room:
            more = min(self._used, self._room - self._used)
            self._used += more
            grow = [self._t, self._late, *self._columns.values()]
            self._t, self._late, *rest = (np.concatenate([c, c[:more]]) for c in grow)
            self._columns = dict(zip(self._columns, rest, strict=True))
            return
        for column in (self._t, self._late, *self._columns.values()):
            column[: len(self)] = column[self._start : self._end]
        self._start, self._end = 0, len(self)


def _number(value: object) -> float:
    """The value as a finite float, or NaN: for no number, and for one that a float cannot hold."""
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan
