"""What is wrong with a value, in words; or nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

DAY_S = 86_400.0


def is_sequence_of(kind: type, values: object) -> bool:
    """Whether it is a sequence of such values; an empty one is."""
    return isinstance(values, Sequence) and all(isinstance(value, kind) for value in values)


def is_number(value: object) -> bool:
    """Whether it is a finite number; `True` is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def flaw_of_text(value: object, *, empty: bool = False) -> str:
    """Why it is no text that can be sent on."""
    if not isinstance(value, str):
        return f"{value!r}, which is a {type(value).__name__} and no text"
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"{value!r}, which holds half a surrogate pair and cannot be sent"
    return "" if value or empty else "empty"


def flaw_of_time(t: object) -> str:
    """Why it is no moment in POSIX seconds."""
    if isinstance(t, bool) or not isinstance(t, int | float):
        return f"{t!r}, which is a {type(t).__name__} and no number"
    if not math.isfinite(t):
        return f"{t!r}"
    try:
        datetime.fromtimestamp(t, UTC)
    except (OverflowError, OSError, ValueError):
        return f"{t!r}, which lies outside the years 1 to 9999; are these milliseconds?"
    if abs(t) < 365 * DAY_S:
        return f"{t!r}, which lies in 1970; is this `time.monotonic()` instead of `time.time()`?"
    return ""


def flaw_of_scalars(values: object) -> str:
    """Why it is no mapping of names to texts, numbers, booleans and `None`."""
    if not isinstance(values, Mapping):
        return f"{values!r}, which is no mapping"
    for name, value in values.items():
        if flaw := flaw_of_text(name):
            return f"of which a name is {flaw}"
        if isinstance(value, str):
            if flaw := flaw_of_text(value, empty=True):
                return f"of which {name!r} is {flaw}"
        elif not (value is None or isinstance(value, bool | int | float)):
            return f"of which {name!r} is a {type(value).__name__}: {value!r}"
    return ""
