"""The time that a device's value tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sources.replay.cells import moment_of, number_of

EARLIEST, LATEST = -62135596800.0, 253402300800.0
"""The years 1 to 9999: what RFC 3339 can say."""

_SCALES = (1.0, 1e-3, 1e-6, 1e-9)
_LEAST_S, _MOST_S = 1e8, 1e11  # 1973 and 5138: three decades, so one scale fits at most


def stamp_of(value: Any) -> float | None:
    """POSIX seconds of a date and time, of a number since 1970, or of ROS's `{sec, nanosec}`.

    A number is taken as seconds, milli-, micro- or nanoseconds, whichever puts it after 1973 and
    before 5138. One that is too small for that counts from something else, such as the device's
    boot, and is no time.
    """
    if isinstance(value, Mapping):
        return _stamp_of_parts(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    number = number_of(value)
    if number is not None:
        return _since_1970(number)
    moment = moment_of(value) if isinstance(value, str) else None
    return moment if moment is not None and EARLIEST <= moment < LATEST else None


def _since_1970(number: float) -> float | None:
    fitting = (number * scale for scale in _SCALES if _LEAST_S <= number * scale < _MOST_S)
    return next(fitting, None)


def _stamp_of_parts(value: Mapping[str, Any]) -> float | None:
    seconds = number_of(value.get("sec", value.get("secs")))
    nanoseconds = number_of(value.get("nanosec", value.get("nsecs", 0)))
    if seconds is None or nanoseconds is None:
        return None
    if not _LEAST_S <= seconds < _MOST_S or not 0 <= nanoseconds < 1e9:
        return None
    return seconds + nanoseconds * 1e-9
