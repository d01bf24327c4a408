"""Rows of a text table, CSV or JSON lines, each with its offset in the file.

Rows are read one at a time, from the start or from the offset of any row, so a file may be larger
than memory. The dialect is detected once, from the head of the file; options override it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from sources.replay.delimited import delimited_rows, detect_dialect
from sources.replay.json_lines import json_rows
from sources.replay.lines import BOM, Lines, check_text
from sources.values.files import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sources.replay.row import Fault, Row

HEAD_BYTES = 64 * 1024
"""Bytes that are checked for being text."""


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
        if self.delimiter:
            return delimited_rows(lines, self.delimiter, self.names)
        return json_rows(lines)


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
            return Table(path, *detect_dialect(Lines(file, path), path.name, delimiter, header))
    except OSError as error:
        raise unreadable(path, error) from error
