"""The time of a command: `R01:02:03.5` after the one above, `A2026-175T21:12:40` in UTC."""

from __future__ import annotations

import re
import struct
from calendar import isleap
from datetime import date
from functools import lru_cache
from typing import TypeAlias

from sources.fprime.syntax import SyntaxMistake
from sources.values.wording import quoted

ABSOLUTE, RELATIVE = 0, 1
"""The descriptors of times in a sequence. Source: F Prime, `Svc/CmdSequencer/Records.hpp`."""

TIME = re.compile(
    r"(?P<kind>[AR])[ \t]*+(?:(?P<year>\d{4})-(?P<day>\d{3})T)?"
    r"(?P<hours>\d\d):(?P<minutes>\d\d):(?P<seconds>\d\d)(?:\.(?P<fraction>\d{1,6}))?",
    re.ASCII,
)

HINT = "start the line with R00:00:05 (5 s after the command above) or A2026-175T21:12:40 (UTC)"

DAY_S = 86_400
EPOCH_DAY = date(1970, 1, 1).toordinal()

MAX_SECONDS = 2**32 - 1
"""The last second that a sequence can hold, on 7 February 2106."""


_ENCODE = struct.Struct(">BII").pack


Time: TypeAlias = "tuple[bytes, int, bool]"
"""The time of a command: its descriptor, seconds and microseconds as in a sequence; microseconds
since 1970 in UTC, or after the command above; and whether it is in UTC. A plain tuple: a million of
them are made in a second."""


def parse_time(text: str, offset: int = 0) -> Time:
    """The time that a text is.

    Microseconds are truncated as F Prime's tool does it, in binary fractions of seconds: `.050` may
    be encoded as 49,999 µs.

    Args:
        text: a time.
        offset: of the text in its statement.

    Raises:
        SyntaxMistake: it is not a time, or there is no such time.
    """
    match = TIME.fullmatch(text)
    kind = match["kind"] if match else ""
    if match is None or (kind == "A") != (match["year"] is not None):
        raise SyntaxMistake("time.syntax", f"{quoted(text)} is not a time", offset, HINT)
    hours, minutes, seconds = int(match["hours"]), int(match["minutes"]), int(match["seconds"])
    for name, value, highest in (
        ("hours", hours, 23),
        ("minutes", minutes, 59),
        ("seconds", seconds, 59),
    ):
        if value > highest:
            message = f"{value} {name}: must be from 00 to {highest}"
            raise SyntaxMistake("time.range", message, offset + match.start(name))
    total_s = hours * 3600 + minutes * 60 + seconds
    if kind == "A":
        total_s += _day_s(match, offset)
    return _time(kind == "A", total_s * 1_000_000, match["fraction"] or "")


def _time(is_absolute: bool, us: int, fraction: str) -> Time:
    us += int(fraction.ljust(6, "0"))
    seconds = us / 1_000_000
    whole_s = int(seconds)
    fraction_us = int((seconds - whole_s) * 1_000_000)
    descriptor = ABSOLUTE if is_absolute else RELATIVE
    return _ENCODE(descriptor, whole_s, fraction_us), us, is_absolute


def _day_s(match: re.Match[str], offset: int) -> int:
    """Seconds from 1970 to the start of the day."""
    year, day = int(match["year"]), int(match["day"])
    days = 365 + isleap(year)
    if not 1 <= day <= days:
        message = f"day {day:03}: {year} has the days 001 to {days}"
        raise SyntaxMistake("time.day", message, offset + match.start("day"))
    start_s = _new_year_s(year) + (day - 1) * DAY_S
    if not 0 <= start_s <= MAX_SECONDS - DAY_S:
        message = f"{match['year']}-{match['day']}: must be from 1970-001 to 2106-037"
        raise SyntaxMistake("time.range", message, offset + match.start("year"))
    return start_s


@lru_cache(maxsize=256)
def _new_year_s(year: int) -> int:
    return (date(max(year, 1), 1, 1).toordinal() - EPOCH_DAY) * DAY_S


MAX_CACHED = 4096


class TimeCache:
    """Parses times in whole seconds, and keeps some: many commands have the same."""

    def __init__(self) -> None:
        self._times: dict[str, Time] = {}

    def find(self, text: str, fraction: str | None) -> Time | None:
        """The time that a text is; `None` if it is not a time.

        Args:
            text: a time without its fraction.
            fraction: its digits; `None` if it has no fraction.
        """
        if (time := self._times.get(text)) is None:
            if len(self._times) == MAX_CACHED:
                self._times.clear()
            try:
                time = self._times[text] = parse_time(text)
            except SyntaxMistake:
                return None
        return time if fraction is None else _time(time[2], time[1], fraction)
