"""The names and clocks of several vehicles."""

from __future__ import annotations

import logging
from typing import Any

from sources.mavlink.messages import TIMES

AUTOPILOTS = (0, 1)
"""Component ids of an autopilot; 1 is the standard's, and 0 that of some programs."""

UNIX_US = 10**15
"""Microseconds: a `time_usec` of at least this counts from 1970, a smaller one from the start."""

RESTART_S = 1.0
"""Seconds by which a vehicle's clock must go back to count as started again."""

MAX_DRIFT = 1e-4
"""Seconds per second that the clock of a vehicle may be slower than this computer's."""

TEXT_BYTES = 50
"""Bytes of a STATUSTEXT that is not the last piece of its text."""

MAX_PIECES = 20
"""Maximum number of pieces of a text that are joined."""

_log = logging.getLogger("rover.sources")


class VehicleNames:
    """Keeps the names of several vehicles apart.

    The autopilot of the first system has names without a prefix. Other systems begin their names
    with `sys2.`, and other components with `comp154.`.

    Args:
        system: the only system to read; `None` for all.
        place: of the link, for the log.
    """

    def __init__(self, system: int | None, place: str) -> None:
        self._only = system
        self._place = place
        self._main = system
        self._autopilots: dict[int, int] = {}
        self._others: set[int] = set()

    def prefix(self, system: int, component: int) -> str | None:
        """The beginning of the names of a component; `None` if the system is not wanted."""
        if self._only not in (None, system):
            return None
        is_autopilot = component in AUTOPILOTS
        if is_autopilot and self._main is None:
            self._main = system
        is_main = is_autopilot and self._autopilots.setdefault(system, component) == component
        start = "" if system == self._main else f"sys{system}."
        if is_autopilot and system != self._main and system not in self._others:
            self._others.add(system)
            _log.warning(
                "%s: the names of system %d begin with sys%d., as system %d has sent before it;"
                " add system= to read only one",
                self._place,
                system,
                system,
                self._main,
            )
        return start if is_main else f"{start}comp{component}."


class StatusTexts:
    """Joins the pieces of the long texts of one component."""

    def __init__(self) -> None:
        self._id = 0
        self._start = ""

    def join(self, message: Any) -> str | None:
        """The whole text of a STATUSTEXT; `None` if another piece follows."""
        number, sequence = getattr(message, "id", 0), getattr(message, "chunk_seq", 0)
        text = str(message.text)
        whole = self._start + text if sequence and number == self._id else text
        if number and len(text.encode()) >= TEXT_BYTES and sequence < MAX_PIECES:
            self._id, self._start = number, whole
            return None
        self._id, self._start = 0, ""
        return whole


class VehicleClock:
    """The times of the messages of one component, as POSIX seconds.

    A time since the start of the vehicle is mapped to this computer's clock by the message that
    took the shortest time to arrive.
    """

    def __init__(self) -> None:
        self._last_s = 0.0
        self._offset_s: float | None = None
        self._arrived = 0.0

    def time(self, message: Any, arrived: float) -> float:
        """The time of a message; that of its arrival if it has none."""
        boot_ms, usec = (getattr(message, field, None) for field in TIMES)
        if boot_ms is not None:
            return self._since_start(boot_ms / 1000, arrived)
        if not usec:
            return arrived
        return usec / 1e6 if usec >= UNIX_US else self._since_start(usec / 1e6, arrived)

    def _since_start(self, seconds: float, arrived: float) -> float:
        offset = arrived - seconds
        if self._offset_s is not None and seconds > self._last_s - RESTART_S:
            drift_s = max(0.0, arrived - self._arrived) * MAX_DRIFT
            offset = min(offset, self._offset_s + drift_s)
        self._offset_s, self._arrived = offset, arrived
        self._last_s = seconds
        return offset + seconds
