"""Dates, times and timestamps as POSIX seconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sources.values.cells import number_of
from sources.values.ranges import OptionError

EARLIEST, LATEST = -62135596800.0, 253402300800.0
"""The years 1 to 9999, which RFC 3339 can express."""

EARLIEST_LIVE = 978_307_200.0
"""2001-01-01. Clocks without a battery start in 1970, 1980 or 2000: no live time is earlier."""

_PER_SECOND = (1, 10**3, 10**6, 10**9)
_MAX_S = 1e11  # the year 5138: less than `EARLIEST_LIVE` times 1000, so at most one scale fits

_DOY = re.compile(r"(\d{4})-(\d{3})(?!\d)(.*)", re.ASCII | re.DOTALL)
_DAY_FIRST = re.compile(r"(\d\d)\.(\d\d)\.(\d{4})(?!\d)(.*)", re.ASCII | re.DOTALL)
_TIMESTAMP = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[-_.T ]?(\d\d)[-_.:]?(\d\d)[-_.:]?(\d\d)"
    r"(?:[-_.,](\d{1,9}))?(?!\d)",
    re.ASCII,
)


def timestamp_of(value: Any, zone: tzinfo = UTC) -> float | None:
    """POSIX seconds of a date and time, of a number, or of ROS's `{sec, nanosec}`; else `None`.

    A number counts seconds, milli-, micro- or nanoseconds since 1970: the unit that puts it after
    `EARLIEST_LIVE` and before 5138. A smaller number counts from another time, such as the device's
    boot, and gives `None`.

    Args:
        value: parsed JSON.
        zone: of a text without an offset.
    """
    if isinstance(value, Mapping):
        return _of_ros_stamp(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    number = number_of(value)
    if number is not None:
        whole = int(value) if isinstance(value, str) and value.isdecimal() else value
        return _of_number(whole if isinstance(whole, int) else number)
    moment = parse_datetime(value, zone) if isinstance(value, str) else None
    return moment if moment is not None and EARLIEST <= moment < LATEST else None


def is_stamp(value: Any) -> bool:
    """Whether a value is a time of ROS: `{sec, nanosec}`, or `{secs, nsecs}` of ROS 1."""
    return isinstance(value, Mapping) and value.keys() in _STAMPS


def time_zone(name: str) -> tzinfo | None:
    """The time zone with that name, such as `Europe/Berlin`; `None` for an empty name.

    Raises:
        OptionError: the time zone does not exist.
    """
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise OptionError(
            "timezone", name, "must be the name of a time zone, such as Europe/Berlin"
        ) from exc


_STAMPS = ({"sec", "nanosec"}, {"secs", "nsecs"}, {"sec", "nsec"})


def _of_number(number: float) -> float | None:
    """The quotient is rounded once, so that one instant is one number in all units."""
    found = (number / units for units in _PER_SECOND)
    return next((seconds for seconds in found if EARLIEST_LIVE <= seconds < _MAX_S), None)


def _of_ros_stamp(value: Mapping[str, Any]) -> float | None:
    seconds = number_of(value.get("sec", value.get("secs")))
    nanoseconds = number_of(value.get("nanosec", value.get("nsecs", value.get("nsec", 0))))
    if seconds is None or nanoseconds is None:
        return None
    if not EARLIEST_LIVE <= seconds < _MAX_S or not 0 <= nanoseconds < 1e9:
        return None
    return seconds + nanoseconds / 1e9


def parse_datetime(text: str, zone: tzinfo = UTC) -> float | None:
    """POSIX seconds of a date, or of a date and time, in `zone` unless it has an offset.

    It reads ISO 8601 (`2012-08-07`, `2012-08-07T05:17:57.3Z`, `2012/08/07 05:17`), the day of the
    year (`2012-220T05:17:57`) and the day first with dots (`07.08.2012 05:17`). For other texts it
    returns `None`, also for `08/07/2012`, which is ambiguous, and for a time without a date.
    """
    text = text.strip()
    if len(text) < 8 or not text[0].isdigit():
        return None
    if text.endswith((" UTC", " GMT")):
        text, zone = text[:-4], UTC
    elif text.endswith("z"):
        text = text[:-1] + "Z"
    try:
        if match := _DOY.fullmatch(text):
            year, day, rest = match.groups()
            text = datetime.strptime(f"{year} {day}", "%Y %j").strftime("%Y-%m-%d") + rest
        elif match := _DAY_FIRST.fullmatch(text):
            day, month, year, rest = match.groups()
            text = f"{year}-{month}-{day}{rest}"
        elif text[4] == "/":
            text = text.replace("/", "-", 2)
        if text[4] != "-":  # 20120807 is more likely a number than an ISO date
            return None
        return _posix(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError):
        return None


def find_timestamp(text: str) -> float | None:
    """POSIX seconds of the only date and time inside a text, such as a file name."""
    found = _TIMESTAMP.findall(text)
    if len(found) != 1:
        return None
    *parts, fraction = found[0]
    try:
        moment = datetime(*map(int, parts), tzinfo=UTC)  # type: ignore[arg-type, misc]  # six ints
    except ValueError:
        return None
    return _posix(moment) + float(f"0.{fraction or 0}")


def _posix(moment: datetime, zone: tzinfo = UTC) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
