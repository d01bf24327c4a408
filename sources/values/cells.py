"""The form and the number of one cell of a table, text or JSON."""

from __future__ import annotations

import math
import re
from typing import Literal

Cell = str | int | float | bool | None
"""The cells of a CSV are text; those of JSON lines have the types of JSON."""

Form = Literal["missing", "blank", "integer", "point", "comma", "boolean", "text"]
"""`missing` counts as empty in any column; `blank` (`NA`, `-`) only in a column of numbers."""

_MISSING = frozenset({"", "null", "n/a", "#n/a", "--"})
_BLANK = frozenset({"na", "none", "nil", "-", "#num!", "#value!", "#div/0!"})
_COMMA_NUMBER = re.compile(r"[+-]?(\d+,\d*|,\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

INT64_DIGITS = 19
"""Digits from which an integer may have more than 64 bits."""

MAX_INTEGER_CHARACTERS = 20
"""Maximum characters of a 64-bit integer, with its sign."""


def form_of(cell: Cell) -> Form:
    """The form in which a cell can be read."""
    if isinstance(cell, str):
        return _form_of_text(cell.strip())
    if cell is None:
        return "missing"
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, int):
        return "integer" if -(2**63) <= cell < 2**64 else "point"
    return "missing" if math.isnan(cell) else "point"


def _form_of_text(text: str) -> Form:
    try:  # numbers first, as most cells are numbers: this is the inner loop of a scan
        number = float(text)
    except ValueError:
        return _form_of_word(text)
    if number != number:
        return "missing"
    if "_" in text:  # only Python reads it as a digit separator
        return "text"
    if "." in text:
        return "point"
    if not text.lstrip("+-").isdecimal() or len(text) > MAX_INTEGER_CHARACTERS:
        return "point"
    return "integer" if len(text) < INT64_DIGITS or -(2**63) <= int(text) < 2**64 else "point"


def _form_of_word(text: str) -> Form:
    word = text.lower()
    if word in _MISSING:
        return "missing"
    if word in ("true", "false"):
        return "boolean"
    if word in _BLANK:
        return "blank"
    return "comma" if _COMMA_NUMBER.fullmatch(text) else "text"


def number_of(cell: Cell, decimal: str = ".") -> float | None:
    """The number in a cell, infinities included; `None` if there is none."""
    if isinstance(cell, str):
        if "_" in cell:
            return None
        cell = cell.replace(",", ".") if decimal == "," else cell
    elif isinstance(cell, bool) or not isinstance(cell, int | float):
        return None
    try:
        number = float(cell)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number
