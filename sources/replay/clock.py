"""Which column of a table is its clock, and what the clock says in a row.

Found by itself is, in this order: a column named like a time whose cells are dates; any column of
dates; a column named like a time whose cells are numbers that only rise or only fall; and a column
of texts that all carry a date and time, as the file names of a camera do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Literal

from sources.base import SourceError
from sources.replay.columns import MISFIT_RATIO, split_unit
from sources.values.cells import Cell, number_of
from sources.values.times import find_timestamp, parse_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Reading = Literal["date", "number", "stamp"]

_NAMES = frozenset(
    ("t", "ts", "time", "times", "timestamp", "datetime", "date", "utc", "epoch", "clock", "scet")
    + ("unix", "unixtime", "posix")
)
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0}
_SECONDS |= {"min": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Clock:
    """The column that tells the time.

    Attributes:
        column: its name in the file.
        reading: how its cells tell it.
        scale_s: seconds in one of a `number`.
        guessed: nobody named the column.
    """

    column: str
    reading: Reading
    scale_s: float = 1.0
    guessed: bool = True

    def seconds(self, cells: Mapping[str, Cell]) -> float | None:
        """The row's time; `None` if the cell does not tell one."""
        return _read(cells.get(self.column), self.reading, self.scale_s)


def find_clock(rows: Sequence[Mapping[str, Cell]]) -> Clock | None:
    """The clock of a table, going by some of its rows; `None` if it has none."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    named = [name for name in names if _like_a_time(name)]
    attempts: tuple[tuple[list[str], Reading], ...] = (
        (named, "date"),
        (names, "date"),
        (named, "number"),
        (names, "stamp"),
    )
    for candidates, reading in attempts:
        for name in candidates:
            clock = _clock(name, reading, rows)
            if clock is not None:
                return clock
    return None


def named_clock(name: str, rows: Sequence[Mapping[str, Cell]], path_name: str) -> Clock:
    """The clock that somebody chose, by its name with or without the unit, in any case.

    Raises:
        SourceError: there is no such column, or no cell of it tells a time.
    """
    names = list(dict.fromkeys(column for row in rows for column in row))
    wanted = name.strip().lower()
    for column in names:
        if wanted in (column.lower(), split_unit(column)[0].lower()):
            break
    else:
        raise SourceError(
            f"{path_name} has no column {name!r} to take the time from; it has {', '.join(names)}"
        )
    cells = [row.get(column) for row in rows]
    readings: tuple[Reading, ...] = ("date", "number", "stamp")
    for reading in readings:
        if any(_read(cell, reading) is not None for cell in cells):
            return Clock(column, reading, _scale(column, cells, reading), guessed=False)
    raise SourceError(
        f"the column {column!r} of {path_name} tells no time: its first cell is {cells[0]!r};"
        " understood are ISO 8601 dates, seconds or milliseconds as a number, and a text with a"
        " date and time in it"
    )


def _clock(name: str, reading: Reading, rows: Sequence[Mapping[str, Cell]]) -> Clock | None:
    cells = [row.get(name) for row in rows]
    told = [moment for cell in cells if (moment := _read(cell, reading)) is not None]
    silent = len(cells) - len(told)
    if not told or silent * MISFIT_RATIO > len(told) or (reading == "stamp" and silent):
        return None
    if reading == "number" and not (
        all(a <= b for a, b in pairwise(told)) or all(a >= b for a, b in pairwise(told))
    ):
        return None  # `time` may also be how long something took
    if len(told) > 1 and min(told) == max(told):
        return None  # it stands still: the day of an hour's log
    return Clock(name, reading, _scale(name, cells, reading))


def _read(cell: Cell, reading: Reading, scale_s: float = 1.0) -> float | None:
    if reading == "number":
        number = number_of(cell)
        if number is None and isinstance(cell, str):
            number = number_of(cell, ",")
        return None if number is None or abs(number) == float("inf") else number * scale_s
    if not isinstance(cell, str):
        return None
    return parse_datetime(cell) if reading == "date" else find_timestamp(cell)


def _scale(name: str, cells: Sequence[Cell], reading: Reading) -> float:
    """Seconds in one of the clock's numbers: as its header says, or going by their size."""
    if reading != "number":
        return 1.0
    bare, unit = split_unit(name)
    suffix = re.split(r"[_\s]", bare.lower())[-1]
    for written in (unit, suffix):
        if written in _SECONDS and written != bare.lower():
            return _SECONDS[written]
    numbers = [abs(number) for cell in cells if (number := _read(cell, "number")) is not None]
    size = median(numbers)
    # today is 1.8e9 s after 1970; a count of seconds reaches 1e11 in the year 5138
    return 1e-9 if size >= 1e17 else 1e-6 if size >= 1e14 else 1e-3 if size >= 1e11 else 1.0


def _like_a_time(name: str) -> bool:
    bare = split_unit(name)[0]
    words = re.split(r"[\W_]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", bare).lower())
    return not _NAMES.isdisjoint(words)
