"""When and how an image was taken, and the time in the name of its file.

Source: ISO 8601-1, 5.4.2 (basic and extended format); PDS3 Standards Reference, 7.1 (day of year).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

NAME_TIME = re.compile(
    r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)[T_](\d\d)[-:.]?(\d\d)[-:.]?(\d\d)(?:[.,](\d{1,9}))?Z"
)
"""A time in UTC in the name of a file: `20261128T184512Z`, `2026-11-28T18-45-12.5Z`."""

LABEL_TIME = re.compile(r"(\d{4}-(?:\d\d-\d\d|\d{3})T\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z?")
"""A time in UTC in a label: `2012-08-30T17:59:23.435`, `2012-243T17:59:23Z`."""

MAX_TEXT = 100
"""Maximum number of characters of a text."""

Metadata = dict[str, str | int | float | bool | None]


class ImageFacts(NamedTuple):
    """The facts that a file states about its image.

    Attributes:
        taken_at: POSIX seconds; `None` if the file does not say it in UTC or with its offset.
        metadata: more facts. `camera_time` is the time of the camera's clock without its offset.
    """

    taken_at: float | None
    metadata: Metadata


def time_in_name(name: str) -> float | None:
    """POSIX seconds of the time in UTC in the name of a file; `None` without one."""
    match = NAME_TIME.search(name)
    if match is None:
        return None
    *parts, fraction = match.groups()
    try:
        moment = datetime(*map(int, parts), tzinfo=UTC)  # type: ignore[misc, arg-type] # six numbers
    except ValueError:
        return None
    return checked_time(moment.timestamp() + float(f"0.{fraction or 0}"))


def label_time(text: str) -> float | None:
    """POSIX seconds of the time in UTC that a label states; `None` if it is not a time."""
    match = LABEL_TIME.fullmatch(text)
    if match is None:
        return None
    day = "%Y-%m-%d" if match[1].count("-") == 2 else "%Y-%j"
    try:
        moment = datetime.strptime(match[1], f"{day}T%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return checked_time(moment.timestamp() + float(f"0.{match[2] or 0}"))


def checked_time(t: float) -> float | None:
    """The time, if it is from 1970 to the year 9999; else `None`."""
    return t if 0 <= t < 253_402_300_800 else None


def short_text(value: object) -> str:
    """The printable characters of a text, on one line; empty for other values."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return "".join(filter(str.isprintable, text)).strip()[:MAX_TEXT]


def number(text: str) -> int | float | None:
    """The number that a label states; `None` if it is not a finite number."""
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if abs(value) < float("inf") else None
    return None
