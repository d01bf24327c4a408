"""Rows of a text table, CSV or JSON lines, each with its offset in the file.

Rows are read one at a time, from the start or from the offset of any row, so a file may be larger
than memory. The dialect is detected once, from the head of the file; options override it.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from sources.base import SourceError
from sources.replay.lines import BOM, Lines, check_text
from sources.values.cells import Cell, form_of
from sources.values.files import unreadable
from sources.values.names import free_name
from sources.values.times import parse_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

HEAD_BYTES = 64 * 1024
"""Bytes that are checked for being text."""

HEAD_ROWS = 50
"""Rows that decide the delimiter."""

MAX_COLUMNS = 1000
"""Maximum number of columns."""

DELIMITERS = ("\t", ";", "|", ",")
"""From the least likely to the most likely inside a cell."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record.

    Attributes:
        line: of its start; 1 is the line where reading started.
        offset: of its start, in bytes.
        cells: by column.
    """

    line: int
    offset: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that cannot be read, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    """A file and its dialect.

    Attributes:
        path: the file.
        start: offset of the first row, in bytes.
        delimiter: between the cells of a CSV; empty for JSON lines.
        names: the columns of a CSV in order; empty for JSON lines, where each row has its own.
    """

    path: Path
    start: int = 0
    delimiter: str = ""
    names: tuple[str, ...] = ()

    def rows(self, file: BinaryIO, offset: int | None = None) -> Iterator[Row | Fault]:
        """Yield every record from `offset` on, or from the first row, without blank lines.

        Raises:
            SourceError: a line is longer than `MAX_LINE_BYTES`.
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
                cells = cells[:width]  # delimiters at the end of the line
            if len(cells) == width:
                yield Row(line, offset, dict(zip(self.names, cells, strict=True)))
            elif cells:
                # an unclosed quote makes one cell of the lines after it
                until = f" up to line {lines.line}" if lines.line > line else ""
                yield Fault(line, f"{len(cells)} cells{until}, but the header has {width}")


def open_table(path: Path, delimiter: str | None = None, header: bool | None = None) -> Table:
    """Detect the dialect of a file from its head.

    A file that starts with `{` is JSON lines, any other file is a CSV. In a CSV, lines at the start
    that begin with `#` are comments, and the first row is a header unless a cell in it holds a
    value. Columns without a name are called `c1`, `c2`, ….

    Raises:
        SourceError: the file cannot be read, or is not a text table.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            file.seek(0)
            check_text(head, path)
            if head.removeprefix(BOM).lstrip().startswith(b"{"):
                return Table(path)
            return _open_delimited(file, path, delimiter, header)
    except OSError as error:
        raise unreadable(path, error) from error


def _reader(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    # Python 3.13 refuses a space that is both delimiter and skipped
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
        raise SourceError(f"{path.name} has no rows")
    head = [first, *islice(lines, HEAD_ROWS)]
    if delimiter is None:
        delimiter = _delimiter_of(head)
    lines.seek(start)
    names = next(_reader(lines, delimiter))
    after = lines.offset
    if header or (header is None and not any(_holds_value(cell) for cell in names)):
        start = after
    else:
        commented = next(_reader([comment], delimiter), [])  # "# t, x, y" of numpy.savetxt
        names = commented if len(commented) == len(names) else [""] * len(names)
    if len(names) > MAX_COLUMNS:
        raise SourceError(f"{path.name} has {len(names)} columns, more than {MAX_COLUMNS}")
    unique: dict[str, None] = {}
    for number, name in enumerate(names, 1):
        unique[free_name(name.strip() or f"c{number}", unique)] = None
    return Table(path, start, delimiter, tuple(unique))


def _holds_value(cell: str) -> bool:
    """Whether a cell is certainly data, so that its row is not a header."""
    text = cell.strip()
    return bool(text) and (form_of(text) != "text" or parse_datetime(text) is not None)


def _delimiter_of(head: Sequence[str]) -> str:
    """The delimiter with the most rows as wide as the first, and then the most values."""
    best, delimiter = (0.0, 0.0, 0), DELIMITERS[0]  # for a single column any will do
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
                yield Fault(line, f"expected an object, found {type(record).__name__}")
        except ValueError as error:
            yield Fault(line, f"not JSON: {error}")
        except RecursionError:
            yield Fault(line, "nested too deep")


def _flatten(name: str, value: Any, cells: dict[str, Cell]) -> None:
    """Name nested values `outer.inner`, and items of lists `outer.0`, `outer.1`, …."""
    if isinstance(value, list):
        value = {str(index): member for index, member in enumerate(value)}
    if isinstance(value, dict):
        for key, member in value.items():
            _flatten(f"{name}.{key}" if name else key, member, cells)
    else:
        if isinstance(value, str):  # a lone surrogate is legal in JSON, but not in UTF-8
            value = value.encode(errors="replace").decode()
        cells[free_name(name, cells)] = value
