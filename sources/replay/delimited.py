"""Rows of a CSV, and the detection of its dialect."""

from __future__ import annotations

import csv
from itertools import islice
from typing import TYPE_CHECKING

from sources.base import SourceError
from sources.replay.row import Fault, Row
from sources.values.cells import form_of
from sources.values.names import free_name
from sources.values.times import parse_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sources.replay.lines import Lines

HEAD_ROWS = 50
"""Rows that decide the delimiter."""

MAX_COLUMNS = 1000
"""Maximum number of columns."""

DELIMITERS = ("\t", ";", "|", ",")
"""From the least likely to the most likely inside a cell."""


def delimited_rows(lines: Lines, delimiter: str, names: Sequence[str]) -> Iterator[Row | Fault]:
    """Yield each record as a row, or its fault; blank lines are skipped.

    Args:
        lines: from the start of a record on.
        delimiter: between two cells.
        names: of the columns.
    """
    width = len(names)
    cells: Sequence[str] | None
    reader = _reader(lines, delimiter)
    while True:
        line, offset = lines.line + 1, lines.offset
        try:
            cells = next(reader, None)
        except csv.Error as error:
            reader = _reader(lines, delimiter)
            yield Fault(line, str(error))
            continue
        if cells is None:
            return
        if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
            cells = cells[:width]  # delimiters at the end of the line
        if len(cells) == width:
            yield Row(line, offset, dict(zip(names, cells, strict=True)))
        elif cells:
            # an unclosed quote makes one cell of the lines after it
            until = f" up to line {lines.line}" if lines.line > line else ""
            yield Fault(line, f"{len(cells)} cells{until}, but the header has {width}")


def detect_dialect(
    lines: Lines, file: str, delimiter: str | None, header: bool | None
) -> tuple[int, str, tuple[str, ...]]:
    """The offset of the first row, the delimiter and the columns of a CSV.

    Args:
        lines: of the whole file.
        file: its name, for errors.
        delimiter: between two cells; `None` detects it.
        header: whether the first row names the columns; `None` detects it.

    Raises:
        SourceError: the file has no rows, or too many columns.
    """
    comment, start = "", 0
    first: str | None = None
    for first in lines:
        if first.strip() and not first.startswith("#"):
            break
        comment, start = first.strip("# \t\r\n") or comment, lines.offset
    else:
        raise SourceError(f"{file} has no rows")
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
        raise SourceError(f"{file} has {len(names)} columns, more than {MAX_COLUMNS}")
    unique: dict[str, None] = {}
    for number, name in enumerate(names, 1):
        unique[free_name(name.strip() or f"c{number}", unique)] = None
    return start, delimiter, tuple(unique)


def _reader(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    # Python 3.13 refuses a space that is both delimiter and skipped
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != " ")


def _holds_value(cell: str) -> bool:
    """Whether a cell is certainly data, so that its row is not a header."""
    text = cell.strip()
    return bool(text) and (form_of(text) != "text" or parse_datetime(text) is not None)


def _delimiter_of(head: Sequence[str]) -> str:
    """The delimiter with the most rows as wide as the first, and then the most values."""
    best, delimiter = (0.0, 0.0, 0), DELIMITERS[0]  # for a single column, any delimiter works
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
