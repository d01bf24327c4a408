"""Parses JSON of clients strictly: the result is exactly the value that the client sent.

Python's parser accepts `NaN`, keeps only the last of two members of one name, and rounds numbers.

Source: RFC 8259 (JSON); RFC 7493, 2.2 and 2.3 (numbers that every program reads alike, and
duplicate names).
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

MAX_INTEGER = 2**53 - 1
"""The largest integer up to which a double represents each one."""


@dataclass(frozen=True, slots=True)
class InexactNumber:
    """A number that a double cannot hold, in the place of its value.

    Attributes:
        text: the number as the client has written it.
    """

    text: str


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Numbers that programs would change when they read them, such as 2^53 + 1 and 1e400, are
    `InexactNumber`, so that a check of the type refuses them.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or an object has two members of one name.
    """
    try:
        return _DECODER.decode(text.decode() if isinstance(text, bytes) else text)
    except RecursionError:
        raise ValueError("its objects and arrays are nested too deeply") from None


def inexact_number(value: object) -> str:
    """The first number in a value that another program would change; empty if there is none."""
    if isinstance(value, InexactNumber):
        return value.text
    if isinstance(value, float):
        return "" if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return "" if abs(value) <= MAX_INTEGER else str(value)
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return next(filter(None, map(inexact_number, inner)), "")
    return ""


def _integer(text: str) -> float | InexactNumber:
    if text == "-0":
        return -0.0  # Python's integers have no such zero
    is_short = len(text) <= len(str(-MAX_INTEGER))
    return int(text) if is_short and abs(int(text)) <= MAX_INTEGER else InexactNumber(text)


def _float(text: str) -> float | InexactNumber:
    """The number, if the double that is nearest to it is the same with as many digits."""
    value = float(text)
    mantissa = text.lower().partition("e")[0]
    digits = len(mantissa.replace(".", "").lstrip("-0"))
    if not math.isfinite(value) or (value == 0) != (digits == 0):
        return InexactNumber(text)
    is_short = digits <= sys.float_info.dig and abs(value) > sys.float_info.min
    if value == 0 or is_short or text == repr(value):
        return value
    # A number half-way between two of that length may be written as either of them.
    written = Decimal(f"{value:.{digits - 1}e}"), Decimal(repr(value))
    return value if Decimal(text) in written else InexactNumber(text)


def _constant(text: str) -> NoReturn:
    raise ValueError(f"JSON has no {text}")


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("an object has two members of one name")
    return found


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_integer, parse_constant=_constant
)
