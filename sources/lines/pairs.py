"""Values with names: `speed=0.12 mode=auto` or `Temperature: 21.5, Humidity: 40`."""

from __future__ import annotations

import re

from sources.values.cells import Cell, form_of, number_of

_PAIR = re.compile(
    r"""\s* (?P<name> [^\W\d] [\w.\-/\ ]{0,59}? ) \s* (?P<sign>[=:]) \s*
        (?: "(?P<quoted>[^"]*)" | (?P<plain>[^,;\s"]*) ) \s* (?:[,;] | (?<=\s) | $)""",
    re.VERBOSE,
)


def pairs_of(text: str) -> dict[str, Cell] | None:
    """The values of a line by name; `None` if the line is no list of pairs.

    Pairs are separated by spaces, commas or semicolons. A line with colons needs a number among its
    values, because `Error: no sensor` is a message for people.
    """
    found: dict[str, Cell] = {}
    at, has_number = 0, False
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None or match["name"] in found:
            return None
        at = match.end()
        quoted = match["quoted"]
        value = value_of(match["plain"]) if quoted is None else quoted
        has_number = has_number or match["sign"] == "=" or not isinstance(value, str | None)
        found[match["name"]] = value
    return found if has_number else None


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
