"""The column of a table that holds the time.

`find_clock` returns the first of: a column named like a time whose cells are dates; any column of
dates; a column named like a time whose cells are increasing or decreasing numbers; a column of
texts that all contain a date and time, such as the file names of a camera.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Literal

from sources.base import SourceError
from sources.replay.columns import MISFIT_RATIO
from sources.values.cells import Cell, number_of
from sources.values.times import find_timestamp, parse_datetime
from sources.values.units import split_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TimeFormat = Literal["date", "number", "timestamp"]
"""The format of its cells; `timestamp` is a text that contains a date and time."""

_NAMES = frozenset(
    ("t", "ts", "time", "times", "timestamp", "datetime", "date", "utc", "epoch", "clock", "scet")
    + ("unix", "unixtime", "posix")
)
SECOND = Fraction(1)
_MILLI, _MICRO, _NANO = (Fraction(1, 10**power) for power in (3, 6, 9))
_SECONDS = {"ns": _NANO, "us": _MICRO, "µs": _MICRO, "μs": _MICRO, "ms": _MILLI, "s": SECOND}
_SECONDS |= {"sec": SECOND, "min": Fraction(60), "h": Fraction(3600), "d": Fraction(86400)}


@dataclass(frozen=True, slots=True)
class Clock:
    """The column that holds the time.

    Attributes:
        column: its name in the file.
        time_format: of its cells.
        scale_s: seconds per unit of a `number`.
        guessed: whether `find_clock` found it; else an option named it.
    """

    column: str
    time_format: TimeFormat
    scale_s: Fraction = SECOND
    guessed: bool = True

    def seconds(self, cells: Mapping[str, Cell]) -> float | None:
        """The time of a row; `None` if its cell holds no time."""
        return _read(cells.get(self.column), self.time_format, self.scale_s)


def find_clock(rows: Sequence[Mapping[str, Cell]]) -> Clock | None:
    """The clock of a table, judged by some of its rows; `None` if it has no clock."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    named = [name for name in names if _like_a_time(name)]
    attempts: tuple[tuple[list[str], TimeFormat], ...] = (
        (named, "date"),
        (names, "date"),
        (named, "number"),
        (names, "timestamp"),
    )
    for candidates, time_format in attempts:
        for name in candidates:
            clock = _clock(name, time_format, rows)
            if clock is not None:
                return clock
    return None


def named_clock(name: str, rows: Sequence[Mapping[str, Cell]], path_name: str) -> Clock:
    """The clock that an option names, with or without the unit, in upper or lower case.

    Raises:
        SourceError: the table has no such column, or none of the column's cells holds a time.
    """
    names = list(dict.fromkeys(column for row in rows for column in row))
    wanted = name.strip().lower()
    for column in names:
        if wanted in (column.lower(), split_unit(column)[0].lower()):
            break
    else:
        raise SourceError(
            f"time={name}: {path_name} has no such column; its columns are {', '.join(names)}"
        )
    cells = [row.get(column) for row in rows]
    time_formats: tuple[TimeFormat, ...] = ("date", "number", "timestamp")
    for time_format in time_formats:
        if any(_read(cell, time_format) is not None for cell in cells):
            return Clock(column, time_format, _scale(column, cells, time_format), guessed=False)
    raise SourceError(
        f"time={name}: no cell of that column of {path_name} is a time, the first is"
        f" {cells[0]!r}; a time is an ISO 8601 date, a number of seconds or milliseconds, or a text"
        " that contains a date and time"
    )


def _clock(name: str, time_format: TimeFormat, rows: Sequence[Mapping[str, Cell]]) -> Clock | None:
    cells = [row.get(name) for row in rows]
    times = [time for cell in cells if (time := _read(cell, time_format)) is not None]
    misfits = len(cells) - len(times)
    if not times or misfits * MISFIT_RATIO > len(times):
        return None
    if time_format == "timestamp" and misfits:
        return None
    if time_format == "number" and not (
        all(a <= b for a, b in pairwise(times)) or all(a >= b for a, b in pairwise(times))
    ):
        return None  # `time` may also be a duration
    if len(times) > 1 and min(times) == max(times):
        return None  # all cells are equal, such as the date in the log of one hour
    return Clock(name, time_format, _scale(name, cells, time_format))


def _read(cell: Cell, time_format: TimeFormat, scale_s: Fraction = SECOND) -> float | None:
    if time_format == "number":
        if isinstance(cell, str) and cell.isdecimal():
            cell = int(cell)  # nanoseconds have more digits than a float
        number = number_of(cell)
        if number is None and isinstance(cell, str):
            number = number_of(cell, ",")
        if number is None or abs(number) == float("inf"):
            return None
        count = cell if isinstance(cell, int) else number
        return count * scale_s.numerator / scale_s.denominator
    if not isinstance(cell, str):
        return None
    return parse_datetime(cell) if time_format == "date" else find_timestamp(cell)


def _scale(name: str, cells: Sequence[Cell], time_format: TimeFormat) -> Fraction:
    """Seconds per unit of the clock's numbers: by the header, or else by their size."""
    if time_format != "number":
        return SECOND
    bare, unit = split_unit(name)
    suffix = re.split(r"[_\s]", bare.lower())[-1]
    for written in (unit, suffix):
        if written in _SECONDS and written != bare.lower():
            return _SECONDS[written]
    numbers = [abs(number) for cell in cells if (number := _read(cell, "number")) is not None]
    size = median(numbers)
    # now is 1.8e9 s after 1970; a count of seconds reaches 1e11 in the year 5138
    return _NANO if size >= 1e17 else _MICRO if size >= 1e14 else _MILLI if size >= 1e11 else SECOND


def _like_a_time(name: str) -> bool:
    bare = split_unit(name)[0]
    words = re.split(r"[\W_]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", bare).lower())
    return not _NAMES.isdisjoint(words)
