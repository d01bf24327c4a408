"""Checks of values that every kind of source yields.

Each `…_error` function returns the rule that the value breaks, as `must be …`; empty if it breaks
none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

YEAR_S = 365 * 86_400.0


def is_sequence_of(kind: type, values: object) -> bool:
    """Whether `values` is a sequence, and each item is an instance of `kind`."""
    return isinstance(values, Sequence) and all(isinstance(value, kind) for value in values)


def is_number(value: object) -> bool:
    """Whether the value is a finite number, and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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
        return f"must be a number, not {type(t).__name__}"
    if not math.isfinite(t):
        return "must be a finite number"
    try:
        datetime.fromtimestamp(t, UTC)
    except (OverflowError, OSError, ValueError):
        return "must be in the years 1 to 9999; convert milliseconds to seconds"
    if abs(t) < YEAR_S:
        return "must be POSIX seconds, and is in 1970; use `time.time()`, not `time.monotonic()`"
    return ""


def json_error(values: object) -> str:
    """Return the rule that a mapping from names to JSON values breaks."""
    if not isinstance(values, Mapping):
        return f"must be a mapping, not {type(values).__name__}"
    for name, value in values.items():
        if error := text_error(name):
            return f"name {name!r} {error}"
        if isinstance(value, str):
            if error := text_error(value, empty=True):
                return f"{name!r} {error}"
        elif not (value is None or isinstance(value, bool | int | float)):
            return f"{name!r} must be str, int, float, bool or None, not {type(value).__name__}"
    return ""
