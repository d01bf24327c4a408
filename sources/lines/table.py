"""Rows of a CSV that arrive one by one, with or without a header."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from sources.lines.pairs import value_of
from sources.values.cells import form_of
from sources.values.names import free_name
from sources.values.units import split_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sources.values.cells import Cell, Form

DELIMITERS = ("\t", ";", ",", "|")
"""The first one in a line separates its cells; without any, white space does."""

MAX_COLUMNS = 1000
"""Maximum number of columns."""

_TITLE = re.compile(r"[^\W\d][^=:]*")
_NUMBERS: set[Form] = {"integer", "point", "comma", "boolean"}
_NO_VALUE: set[Form] = {"missing", "blank"}
_MESSAGE = "neither JSON, NMEA, key=value nor numbers"


class NoRow(ValueError):
    """A line is not a row of the table; the text says why."""


class Table:
    """Names the cells of each row.

    The names are those that were given, else those of the header, else `c1`, `c2`, …; a single cell
    is `value`. A line of texts is a header if the next row with a number has the same number of
    cells. It replaces the header before it only if it has another number of cells, as a message
    such as `Low battery, sleeping` must not rename the columns.

    Args:
        columns: names; empty if the device sends a header, or none.
        has_header: the first line without a number is certainly a header.

    Attributes:
        units: by name, from headers such as `speed [m/s]`.
    """

    def __init__(self, columns: Sequence[str] = (), *, has_header: bool = False) -> None:
        self.units: dict[str, str] = {}
        self._names: tuple[str, ...] = ()
        self._header: tuple[str, ...] = ()
        self._candidate: tuple[str, ...] = ()
        self._odd_width = 0
        self._certain = has_header or bool(columns)
        if columns:
            self._name(tuple(columns))

    def row(self, text: str) -> dict[str, Cell] | None:
        """The values of a line by column; `None` if it may be a header.

        Raises:
            NoRow: the line does not fit the columns, or is a message for people.
        """
        cells = self._cells(text)
        forms = {form_of(cell) for cell in cells}
        if cells == self._header:
            return None
        if not _NUMBERS & forms and not self._is_row_of_texts(len(cells), forms):
            self._read_header(cells)
            return None
        self._fit(len(cells))
        decimal = "," if "comma" in forms else "."
        values = (value_of(cell, decimal) for cell in cells)
        return dict(zip(self._names, values, strict=True))

    def _cells(self, text: str) -> tuple[str, ...]:
        delimiter = next((mark for mark in DELIMITERS if mark in text), None)
        if delimiter is None:
            cells = text.split()
            if not self._header and len(cells) > 1 and any(form_of(c) == "text" for c in cells):
                raise NoRow(_MESSAGE)
            return tuple(cells)
        try:
            cells = next(csv.reader([text.strip()], delimiter=delimiter, skipinitialspace=True))
        except csv.Error as exc:
            raise NoRow(str(exc)) from exc
        while len(cells) > 1 and not cells[-1].strip() and len(cells) != len(self._names):
            cells.pop()  # a delimiter at the end of the line
        if len(cells) > MAX_COLUMNS:
            raise NoRow(f"{len(cells):,} cells, more than {MAX_COLUMNS:,}")
        return tuple(cell.strip() for cell in cells)

    def _is_row_of_texts(self, width: int, forms: set[Form]) -> bool:
        if self._certain:
            return bool(self._header)
        return bool(self._header) and width == len(self._names) and bool(_NO_VALUE & forms)

    def _read_header(self, cells: tuple[str, ...]) -> None:
        if self._certain:
            self._name(cells)
        elif len(cells) in (1, len(self._header)) or not all(map(_TITLE.fullmatch, cells)):
            raise NoRow(_MESSAGE)
        else:
            self._candidate = cells

    def _fit(self, width: int) -> None:
        """Make the names fit a row of that many cells."""
        if self._candidate and len(self._candidate) == width:
            self._name(self._candidate)
            self._candidate = ()
        if len(self._names) == width:
            self._odd_width = 0
            return
        if self._header:
            raise NoRow(f"{width:,} cells, but {len(self._names):,} columns")
        if self._names and self._odd_width != width:  # one row may be damaged
            self._odd_width = width
            raise NoRow(f"{width:,} cells, but {len(self._names):,} before")
        self._names = tuple(f"c{n}" for n in range(1, width + 1)) if width > 1 else ("value",)
        self._odd_width = 0

    def _name(self, header: tuple[str, ...]) -> None:
        names: list[str] = []
        self.units = {}
        for number, title in enumerate(header, 1):
            name, unit = split_unit(title)
            names.append(free_name(name or f"c{number}", names))
            if unit:
                self.units[names[-1]] = unit
        self._names, self._header = tuple(names), header
