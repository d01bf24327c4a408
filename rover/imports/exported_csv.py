"""Reads the CSV of an export exactly.

The cells of a column together decide its type. If one is text without quotation marks, all are
text. If all are JSON, and one is a text, they are values of several types. Otherwise, those with
quotation marks are text, and the others are numbers and booleans.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from rover.errors import ImportFailed
from rover.exports.csv import LITERAL
from rover.imports.base import imported, time_of
from sources.values.vectors import has_vector_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rover.imports.base import Declare, Imported

MAX_ROW_BYTES = 16 * 2**20

CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(?:,|(\r?\n|$))')
"""A cell with or without quotation marks, and whether it ends the row."""


class Cell(NamedTuple):
    """A cell.

    Attributes:
        text: its text, without the quotation marks around it.
        is_quoted: whether it had them.
    """

    text: str
    is_quoted: bool


class Kind(Enum):
    """The kind of the cells of a column."""

    TEXT = "text"
    JSON = "json"
    LITERAL = "literal"


class Place(NamedTuple):
    """Where the value of a column goes.

    Attributes:
        parameter: its name.
        part: the component of a vector; empty for a scalar.
    """

    parameter: str
    part: str


def is_exported(head: bytes) -> bool:
    """Whether the first line of a file is the header of an exported CSV."""
    names = head.split(b"\n", 1)[0].rstrip(b"\r").split(b",")
    return names[0] == b"t" and names[-1] == b"late"


def read_exported_csv(path: Path, declare: Declare) -> Iterator[Imported]:
    """The rows, in their order.

    Args:
        path: of the file.
        declare: called with the columns.

    Raises:
        ImportFailed: a row has another number of cells, or its time is not one.
        OSError: the file cannot be read.
    """
    names = [cell.text for cell in next(_rows(path))[2]]
    places = _places(names[1:-1])
    declare({place.parameter: "" for place in places})
    kinds = _kinds(path, len(places))
    for number, position, cells in _rows(path):
        place = f"row {number:,}"
        if number == 0:
            continue
        if len(cells) != len(names):
            raise ImportFailed(path, place, f"{len(cells)} cells, but the header has {len(names)}")
        values: dict[str, Any] = {}
        for (parameter, part), kind, cell in zip(places, kinds, cells[1:-1], strict=True):
            if cell == ("", False):
                continue
            if part:
                values.setdefault(parameter, {})[part] = _value(cell, kind)
            else:
                values[parameter] = _value(cell, kind)
        late = cells[-1].text == "true"
        t = time_of(cells[0].text)
        yield imported(path, place, t, values, late=late, position=position)


def _rows(path: Path) -> Iterator[tuple[int, int, Sequence[Cell]]]:
    """The number of each row, the bytes up to its end, and its cells."""
    position, row, number = 0, b"", 0
    with path.open("rb") as file:
        for line in iter(lambda: file.readline(MAX_ROW_BYTES + 1), b""):
            row += line
            position += len(line)
            if len(row) > MAX_ROW_BYTES:
                raise ImportFailed(path, f"row {number:,}", f"more than {MAX_ROW_BYTES:,} bytes")
            if row.count(b'"') % 2:
                continue  # a line break in a text
            yield number, position, _cells(path, number, row)
            row, number = b"", number + 1
    if row:
        raise ImportFailed(path, f"row {number:,}", "a quotation mark is missing")


def _cells(path: Path, number: int, row: bytes) -> Sequence[Cell]:
    text, at, cells = row.decode("utf-8", "surrogatepass"), 0, []
    while (found := CELL.match(text, at)) is not None:
        quoted, plain, end = found.groups()
        is_quoted = quoted is not None
        cells.append(Cell(quoted.replace('""', '"') if is_quoted else plain, is_quoted))
        at = found.end()
        if end is not None:
            return cells
    raise ImportFailed(path, f"row {number:,}", "a quotation mark is inside a cell")


def _kinds(path: Path, count: int) -> Sequence[Kind]:
    """The kind of each column; reads the whole file."""
    has_plain, has_json_text = [False] * count, [False] * count
    may_be_json = [True] * count
    for number, _, cells in _rows(path):
        for column, cell in enumerate(cells[1 : count + 1] if number else ()):
            if not cell.is_quoted:
                has_plain[column] |= bool(cell.text) and LITERAL.fullmatch(cell.text) is None
            elif may_be_json[column]:
                is_text = _is_json_text(cell.text)
                has_json_text[column] |= is_text
                may_be_json[column] = is_text
    return [
        Kind.TEXT if plain else Kind.JSON if text and json_ else Kind.LITERAL
        for plain, text, json_ in zip(has_plain, has_json_text, may_be_json, strict=True)
    ]


def _is_json_text(text: str) -> bool:
    try:
        return text.startswith('"') and isinstance(json.loads(text), str)
    except ValueError:
        return False


def _value(cell: Cell, kind: Kind) -> Any:
    is_text = kind is Kind.TEXT or (kind is Kind.LITERAL and cell.is_quoted)
    return cell.text if is_text else json.loads(cell.text)


def _places(names: Sequence[str]) -> Sequence[Place]:
    """Where columns go: `a.lat` and `a.lon` are a vector, as `a.x` is beside `a`."""
    split = [(parent, part) for parent, _, part in (name.rpartition(".") for name in names)]
    parts: dict[str, list[str]] = {}
    for parent, part in split:
        parts.setdefault(parent, []).append(part)
    vectors = {one for one, found in parts.items() if one in names or has_vector_names(found)}
    return [
        Place(parent, part) if parent in vectors else Place(name, "")
        for name, (parent, part) in zip(names, split, strict=True)
    ]
