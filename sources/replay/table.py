"""Rows of a text table, CSV or JSON lines, each with the place in the file where it begins.

One row is read at a time, from the start or from any row's offset, so a file may be far larger than
memory. The dialect is decided once, from the head of the file, by rules that can be said in a line
each; where they err, an option overrules them.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from sources.base import SourceError
from sources.replay.lines import BOM, Lines, refuse_binary
from sources.values.cells import Cell, form_of
from sources.values.files import unreadable
from sources.values.names import free_name
from sources.values.times import parse_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

HEAD_BYTES = 64 * 1024
HEAD_ROWS = 50
MAX_COLUMNS = 1000

DELIMITERS = ("\t", ";", "|", ",")
"""From the least likely inside a cell to the most."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record.

    Attributes:
        line: where it begins, from 1; counted from where reading began.
        offset: bytes before it.
        cells: by column.
    """

    line: int
    offset: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that cannot be used, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    """How a file is to be read.

    Attributes:
        path: the file.
        start: bytes before the first row.
        delimiter: between the cells of a CSV; empty for JSON lines.
        names: the columns of a CSV in order; those of JSON lines turn up row by row.
    """

    path: Path
    start: int = 0
    delimiter: str = ""
    names: tuple[str, ...] = ()

    def rows(self, file: BinaryIO, offset: int | None = None) -> Iterator[Row | Fault]:
        """Every record from `offset` on, or from the first row; blank lines are no records.

        Raises:
            SourceError: a line is so long that this is no table.
        """
        lines = Lines(file, self.path)
        if offset is None:
            lines.skip_to(self.start)
        else:
            lines.seek(offset)
        return self._delimited(lines) if self.delimiter else _json_lines(lines)

    def _delimited(self, lines: Lines) -> Iterator[Row | Fault]:
        width = len(self.names)
        cells: Sequence[str] | None
        reader = _reader(lines, self.delimiter)
        while True:
            line, offset = lines.line + 1, lines.offset
            try:
                cells = next(reader, None)
            except csv.Error as error:
                reader = _reader(lines, self.delimiter)
                yield Fault(line, str(error))
                continue
            if cells is None:
                return
            if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
                cells = cells[:width]  # delimiters that end the line
            if len(cells) == width:
                yield Row(line, offset, dict(zip(self.names, cells, strict=True)))
            elif cells:
                lost = lines.line - line  # an open quote swallows the lines after it
                more = f" up to line {lines.line}" if lost else ""
                yield Fault(line, f"{len(cells)} cells{more}, where the header has {width}")


def open_table(path: Path, delimiter: str | None = None, header: bool | None = None) -> Table:
    """The dialect of a file, decided from its head.

    A file whose first character is `{` is JSON lines. Else it is a CSV; lines at its start that
    begin with `#` are comments, and its first row is a header unless a cell of it holds a value.
    Columns without a name are called `c1`, `c2`, ….

    Raises:
        SourceError: it cannot be read, or is no text table.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            file.seek(0)
            refuse_binary(head, path)
            if head.removeprefix(BOM).lstrip().startswith(b"{"):
                return Table(path)
            return _open_delimited(file, path, delimiter, header)
    except OSError as error:
        raise unreadable(path, error) from error


# -------------------------------------------------------------------------------- delimited


def _reader(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    # Python 3.13 refuses a blank that is both a delimiter and skipped
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != " ")


def _open_delimited(
    file: BinaryIO, path: Path, delimiter: str | None, header: bool | None
) -> Table:
    lines = Lines(file, path)
    comment, start = "", 0
    first: str | None = None
    for first in lines:
        if first.strip() and not first.startswith("#"):
            break
        comment, start = first.strip("# \t\r\n") or comment, lines.offset
    else:
        raise SourceError(f"{path.name} holds no rows")
    head = [first, *islice(lines, HEAD_ROWS)]
    if delimiter is None:
        delimiter = _delimiter_of(head)
    lines.seek(start)
    names = next(_reader(lines, delimiter))
    after = lines.offset
    if header or (header is None and not any(_holds_value(cell) for cell in names)):
        start = after
    else:
        told = next(_reader([comment], delimiter), [])  # numpy.savetxt's "# t, x, y"
        names = told if len(told) == len(names) else [""] * len(names)
    if len(names) > MAX_COLUMNS:
        raise SourceError(f"{path.name} has {len(names)} columns; {MAX_COLUMNS} are the limit")
    unique: dict[str, None] = {}
    for number, name in enumerate(names, 1):
        unique[free_name(name.strip() or f"c{number}", unique)] = None
    return Table(path, start, delimiter, tuple(unique))


def _holds_value(cell: str) -> bool:
    """Whether a cell is data for sure, so that its row is no header."""
    text = cell.strip()
    return bool(text) and (form_of(text) != "text" or parse_datetime(text) is not None)


def _delimiter_of(head: Sequence[str]) -> str:
    """The delimiter that makes most rows as wide as the first, and of these the most values."""
    best, delimiter = (0.0, 0.0, 0), DELIMITERS[0]  # a single column has none
    for candidate in DELIMITERS:
        try:
            rows = [cells for cells in _reader(head, candidate) if cells]
        except csv.Error:
            continue
        width = len(rows[0])
        if width < 2:
            continue
        alike = [cells for cells in rows[1:] if len(cells) == width]
        cells = [cell for row in alike for cell in row]
        score = (
            len(alike) / max(1, len(rows) - 1),
            sum(map(_holds_value, cells)) / max(1, len(cells)),
            width,
        )
        if score > best:
            best, delimiter = score, candidate
    return delimiter


# ------------------------------------------------------------------------------- JSON lines


def _json_lines(lines: Lines) -> Iterator[Row | Fault]:
    while True:
        line, offset = lines.line + 1, lines.offset
        text = next(lines, None)
        if text is None:
            return
        if not text.strip():
            continue
        try:
            record = json.loads(text)
            cells: dict[str, Cell] = {}
            if isinstance(record, dict):
                _flatten("", record, cells)
                yield Row(line, offset, cells)
            else:
                yield Fault(line, f"not an object but {type(record).__name__}")
        except ValueError as error:
            yield Fault(line, f"no JSON: {error}")
        except RecursionError:
            yield Fault(line, "nested too deep")


def _flatten(name: str, value: Any, cells: dict[str, Cell]) -> None:
    """Make of what is nested `outer.inner`, and of lists `outer.0`, `outer.1`, …."""
    if isinstance(value, list):
        value = {str(index): member for index, member in enumerate(value)}
    if isinstance(value, dict):
        for key, member in value.items():
            _flatten(f"{name}.{key}" if name else key, member, cells)
    else:
        if isinstance(value, str):  # a lone surrogate is legal in JSON, and in no UTF-8
            value = value.encode(errors="replace").decode()
        cells[free_name(name, cells)] = value
