"""The rules for values that every kind of source yields.

Each `…_error` function returns the rule that the value breaks, as `must be …`; empty if it breaks
none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sources.rules.mistake import shown


def is_sequence_of(kind: type, values: object) -> bool:
    """Whether `values` is a sequence, and each item is an instance of `kind`."""
    return isinstance(values, Sequence) and all(isinstance(value, kind) for value in values)


def is_number(value: object) -> bool:
    """Whether the value is a finite number, and not a bool."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float can represent
        return False


def text_error(value: object, *, empty: bool = False) -> str:
    """Return the rule that a text breaks.

    Args:
        value: the text.
        empty: whether it may be empty.
    """
    if not isinstance(value, str):
        return f"must be str, not {type(value).__name__}"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must be valid Unicode, without half of a surrogate pair"
    return "" if value or empty else "must not be empty"


def time_error(t: object) -> str:
    """Return the rule that a time in POSIX seconds breaks."""
    if isinstance(t, bool) or not isinstance(t, int | float):
        return f"must be POSIX seconds as a number, not {type(t).__name__}"
    if not is_number(t):
        return "must be a finite number"
    try:
        datetime.fromtimestamp(t, UTC)
    except (OverflowError, OSError, ValueError):
        return "must be in the years 1 to 9999; convert milliseconds to seconds"
    return ""


def json_error(values: object) -> str:
    """Return the rule that a mapping from names to JSON values breaks."""
    if not isinstance(values, Mapping):
        return f"must be a mapping, not {type(values).__name__}"
    for name, value in values.items():
        if error := text_error(name):
            return f"name {shown(name)} {error}"
        if isinstance(value, str):
            if error := text_error(value, empty=True):
                return f"{shown(name)} {error}"
        elif not (value is None or isinstance(value, bool) or is_number(value)):
            return f"{shown(name)} must be str, a finite number, bool or None, not {shown(value)}"
    return ""
