"""What one cell of a table holds."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Literal

Cell = str | int | float | bool | None
"""A CSV's cells are text; those of JSON lines have JSON's types."""

Form = Literal["missing", "blank", "integer", "point", "comma", "boolean", "text"]
"""`missing` anywhere; `blank` is a word that means so among numbers (`NA`, `-`)."""

_MISSING = frozenset({"", "null", "n/a", "#n/a", "--"})
_BLANK = frozenset({"na", "none", "nil", "-", "#num!", "#value!", "#div/0!"})
_COMMA_NUMBER = re.compile(r"[+-]?(\d+,\d*|,\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_DOY = re.compile(r"(\d{4})-(\d{3})(?!\d)(.*)", re.ASCII | re.DOTALL)
_DAY_FIRST = re.compile(r"(\d\d)\.(\d\d)\.(\d{4})(?!\d)(.*)", re.ASCII | re.DOTALL)
_STAMP = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[-_.T ]?(\d\d)[-_.:]?(\d\d)[-_.:]?(\d\d)"
    r"(?:[-_.,](\d{1,9}))?(?!\d)",
    re.ASCII,
)


def form_of(cell: Cell) -> Form:
    """How a cell can be read."""
    if isinstance(cell, str):
        return _form_of_text(cell.strip())
    if cell is None:
        return "missing"
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, int):
        return "integer" if abs(cell) < 2**63 else "point"
    return "missing" if math.isnan(cell) else "point"


def _form_of_text(text: str) -> Form:
    try:  # first what most cells are: this is the inner loop of the pass over a file
        number = float(text)
    except ValueError:
        return _form_of_word(text)
    if number != number:
        return "missing"
    if "_" in text:  # a digit separator for Python alone
        return "text"
    if "." in text:
        return "point"
    return "integer" if text.lstrip("+-").isdecimal() and len(text) <= 18 else "point"


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
    """The number that a cell holds, infinities too; `None` if it holds none."""
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


def moment_of(text: str) -> float | None:
    """POSIX seconds of a date or of a date and time; UTC unless it says otherwise.

    Read are ISO 8601 (`2012-08-07`, `2012-08-07T05:17:57.3Z`, `2012/08/07 05:17`), day-of-year as
    missions write it (`2012-220T05:17:57`) and day first with dots (`07.08.2012 05:17`). Not read
    are `08/07/2012`, which means two days, and a time without a date.
    """
    text = text.strip()
    if len(text) < 8 or not text[0].isdigit():
        return None
    text = text.removesuffix(" UTC").removesuffix(" GMT")
    try:
        if match := _DOY.fullmatch(text):
            year, day, rest = match.groups()
            text = datetime.strptime(f"{year} {day}", "%Y %j").strftime("%Y-%m-%d") + rest
        elif match := _DAY_FIRST.fullmatch(text):
            day, month, year, rest = match.groups()
            text = f"{year}-{month}-{day}{rest}"
        elif text[4] == "/":
            text = text.replace("/", "-", 2)
        if text[4] != "-":  # ISO's 20120807 is likelier a number
            return None
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _posix(moment)


def stamp_of(text: str) -> float | None:
    """POSIX seconds of the one date and time inside a text, as file names carry it."""
    found = _STAMP.findall(text)
    if len(found) != 1:
        return None
    *parts, fraction = found[0]
    try:
        moment = datetime(*map(int, parts), tzinfo=UTC)  # type: ignore[arg-type, misc]  # six ints
    except ValueError:
        return None
    return _posix(moment) + float(f"0.{fraction or 0}")


def _posix(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
