"""Values with names: `speed=0.12 mode=auto` or `Temperature: 21.5 °C, Humidity: 40`."""

from __future__ import annotations

import re

from sources.values.cells import Cell, form_of, number_of
from sources.values.units import SYMBOLS

_UNIT = "|".join(map(re.escape, sorted(SYMBOLS, key=len, reverse=True)))
_PAIR = re.compile(
    rf"""\s* (?P<name> [^\W\d] [\w.\-/\ ]{{0,59}}? ) \s* (?P<sign>[=:]) \s*
        (?: "(?P<quoted>[^"]*)"
          | (?P<number> [+-]? (?:\d+\.?\d*|\.\d+) (?:[eE][+-]?\d+)? ) \s? (?P<unit>{_UNIT})
            (?= [,;\s] | $)
          | (?P<plain>[^,;\s"]*) )
        \s* (?:[,;] | (?<=\s) | $)""",
    re.VERBOSE,
)


def pairs_of(text: str) -> tuple[dict[str, Cell], dict[str, str]] | None:
    """The values of a line and their units, by name; `None` for any other line.

    Pairs are separated by spaces, commas or semicolons. A line with colons needs a number among its
    values, because `Error: no sensor` is a message for people.
    """
    values: dict[str, Cell] = {}
    units: dict[str, str] = {}
    at, has_number = 0, False
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None or match["name"] in values:
            return None
        at = match.end()
        name, quoted = match["name"], match["quoted"]
        value = value_of(match["number"] or match["plain"]) if quoted is None else quoted
        has_number = has_number or match["sign"] == "=" or not isinstance(value, str | None)
        values[name] = value
        if match["unit"]:
            units[name] = match["unit"]
    return (values, units) if has_number else None


def value_of(text: str, decimal: str = ".") -> Cell:
    """The number, boolean or text in a cell; `None` if nothing was measured.

    Args:
        text: of the cell.
        decimal: the decimal mark, `.` or `,`.
    """
    match form_of(text):
        case "missing" | "blank":
            return None
        case "integer":
            return int(text)
        case "point":
            return number_of(text)
        case "boolean":
            return text.strip().lower() == "true"
        case "comma" if decimal == ",":
            return number_of(text, decimal)
        case _:
            return text.strip()
