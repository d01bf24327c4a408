"""A whole recorded file: its columns, and its rows in order of time, read by number.

One scan at the start decides every column, and stores the time and the offset of each row: 16 bytes
per row stay in memory; the rows stay on disk. Rows that cannot be used are logged with their
lines.
"""

from __future__ import annotations

import logging
from array import array
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from sources.base import Parameter, SourceError, Value
from sources.replay.clock import Clock, find_clock, named_clock
from sources.replay.columns import Column, Survey, decide
from sources.replay.delimited import MAX_COLUMNS
from sources.replay.fingerprint import Fingerprint
from sources.replay.row import Fault, Row
from sources.replay.table import open_table
from sources.values.files import unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

PROBE_ROWS = 200
"""Rows that decide which column is the clock."""

MAX_LOGGED_FAULTS = 5
"""Maximum number of faults that are logged with their lines."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options that override the detection of a file's dialect; `None` detects.

    Attributes:
        time: the column that holds the time.
        rate_hz: rows per second, instead of a column.
        delimiter: one character.
        decimal: `.` or `,`.
        header: whether the first row names the columns.
    """

    time: str | None = None
    rate_hz: float | None = None
    delimiter: str | None = None
    decimal: str | None = None
    header: bool | None = None


class Recording:
    """The rows of a file in order of time.

    Args:
        path: a CSV or JSON lines.
        options: override the detection of its dialect.

    Raises:
        SourceError: the file cannot be read, or has no row to replay.

    Attributes:
        clock: the column that holds the time; `None` if the rows have a fixed rate.
        times_s: of each row, increasing; from 0 if the rows have a fixed rate.
        skipped: number of rows that could not be read.
    """

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self._path = path
        self._table = open_table(path, options.delimiter, options.header)
        try:
            with path.open("rb") as file:
                self._fingerprint = Fingerprint.of(file)
                clock = self._clock_of(file, options)
                scan = self._scan(file, clock)
                if clock is not None and clock.guessed and not scan.usable_clock:
                    clock = None
                    scan = self._scan(file, None)
        except OSError as error:
            raise unreadable(path, error) from error
        scan.report(path.name)
        if not scan.offsets:
            raise SourceError(f"{path.name} has no row that can be replayed")
        self.clock = clock
        self.skipped = scan.skipped
        self.times_s, self._offsets = scan.in_order(options.rate_hz or 1.0)
        self._columns = self._decided(scan, options.decimal)
        if clock is None and options.rate_hz is None:
            _log.warning(
                "%s: no column holds the time; replaying one row per second;"
                " set ?time=COLUMN or ?rate_hz=",
                path.name,
            )

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters of the columns."""
        return [column.parameter for column in self._columns]

    def __len__(self) -> int:
        return len(self.times_s)

    def read(self, start: int, stop: int) -> list[dict[str, Value]]:
        """Read the values of the rows from `start` to `stop` from the disk. Blocks.

        Raises:
            SourceError: the file cannot be read, or has changed since the start.
        """
        try:
            with self._path.open("rb") as file:
                if not self._fingerprint.matches(file):
                    raise self._changed()
                return [self._values(file, int(at)) for at in self._offsets[start:stop]]
        except OSError as error:
            raise unreadable(self._path, error) from error

    def _values(self, file: BinaryIO, offset: int) -> dict[str, Value]:
        row = next(self._table.rows(file, offset), None)
        if not isinstance(row, Row):
            raise self._changed()
        return {column.parameter.name: column.value(row.cells) for column in self._columns}

    def _changed(self) -> SourceError:
        return SourceError(
            f"{self._path.absolute()} has changed since the start; restart the server to replay"
            " the new file"
        )

    def _clock_of(self, file: BinaryIO, options: ReadOptions) -> Clock | None:
        if options.rate_hz is not None:
            return None
        rows = (row.cells for row in self._table.rows(file) if isinstance(row, Row))
        probe = list(islice(rows, PROBE_ROWS))
        if not probe or options.time is None:
            return find_clock(probe)
        return named_clock(options.time, probe, self._path.name)

    def _scan(self, file: BinaryIO, clock: Clock | None) -> _Scan:
        file.seek(0)
        scan = _Scan(clock, {name: Survey() for name in self._table.names})
        for row in self._table.rows(file):
            scan.take(row, self._path)
        return scan

    def _decided(self, scan: _Scan, decimal: str | None) -> list[Column]:
        comma = None if decimal is None else decimal == ","
        if comma is None and self._table.delimiter in ("", ","):
            comma = False  # `1,234` may also be a thousand and more
        unnamed = {f"c{number}" for number, _ in enumerate(self._table.names, 1)}
        surveys = {
            name: survey
            for name, survey in scan.surveys.items()
            if name not in unnamed or not survey.empty
        }
        columns = decide(
            surveys,
            self._path.name,
            comma,
            clock=self.clock.column if self.clock else "",
            nested=not self._table.delimiter,
        )
        for column in columns:
            if column.misfits:
                _log.warning(
                    "%s: column %r: %s; they are replayed as not measured",
                    self._path.name,
                    column.source,
                    column.misfits,
                )
        return columns


class _Scan:
    """The scan of a file."""

    def __init__(self, clock: Clock | None, surveys: dict[str, Survey]) -> None:
        self.surveys = surveys
        self.offsets = array("q")
        self.skipped = 0
        self._clock = clock
        self._times = array("d")
        self._faults: list[Fault] = []
        self._timeless = 0

    def take(self, row: Row | Fault, path: Path) -> None:
        if isinstance(row, Fault):
            self._skip(row)
            return
        if self._clock is not None:
            time_s = self._clock.seconds(row.cells)
            if time_s is None:
                self._timeless += 1
                cell = row.cells.get(self._clock.column)
                self._skip(Fault(row.line, f"{cell!r} in {self._clock.column} is not a time"))
                return
            self._times.append(time_s)
        self.offsets.append(row.offset)
        for name, cell in row.cells.items():
            survey = self.surveys.get(name)
            if survey is None:
                if len(self.surveys) == MAX_COLUMNS:
                    raise SourceError(f"{path.name} has more than {MAX_COLUMNS} columns")
                survey = self.surveys[name] = Survey()
            survey.add(cell, row.line)

    def _skip(self, fault: Fault) -> None:
        self.skipped += 1
        if len(self._faults) < MAX_LOGGED_FAULTS:
            self._faults.append(fault)

    @property
    def usable_clock(self) -> bool:
        """Whether a guessed clock holds for the whole file, not only for its head."""
        if self._clock is None or not self.offsets:
            return False
        # a date inside a text may be unrelated: a single text without one disproves the clock
        limit = 0 if self._clock.time_format == "timestamp" else len(self.offsets)
        return self._timeless <= limit

    def in_order(self, rate_hz: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Times and offsets in order of time; rows of one time keep their order in the file."""
        offsets = np.array(self.offsets, np.int64)
        if self._clock is None:
            return np.arange(len(offsets)) / rate_hz, offsets
        times_s = np.array(self._times, np.float64)
        steps = np.diff(times_s)
        if steps.size and steps.max() <= 0 and steps.min() < 0:  # newest first
            return times_s[::-1], offsets[::-1]
        order = np.argsort(times_s, kind="stable")
        return times_s[order], offsets[order]

    def report(self, file: str) -> None:
        if not self.skipped:
            return
        faults = "; ".join(f"line {fault.line}: {fault.reason}" for fault in self._faults)
        more = f"; and {self.skipped - MAX_LOGGED_FAULTS} more" * (self.skipped > MAX_LOGGED_FAULTS)
        total = self.skipped + len(self.offsets)
        _log.warning("%s: skipped %d of %d rows (%s%s)", file, self.skipped, total, faults, more)
