"""The pace of the sources that play a recorded mission: `replay:drive.rover`, `replay:rover-data`.

The telemetry and the camera of a mission begin at the same recorded time and repeat together.
"""

from __future__ import annotations

import logging
from math import inf
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Literal

import anyio

from rover.missions.played import PlayedMission
from sources.values.pace import Schedule
from sources.values.ranges import OptionError, Range

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger("rover.telemetry")

Times = Literal["now", "recorded"]
"""The times of samples: the present, or those of the record."""

PAUSE_S = 1.0
"""Seconds between the end of the record and its next beginning."""

LONG_WAIT_S = 3600.0
"""Seconds until the next sample from which a log line explains the wait."""


class Playback:
    """A recorded mission and its pace, the base of both sources.

    Args:
        path: of a file of `rover record`, a data folder, or its `mission.db`. A server may write to
            the folder; the samples that follow the start are not played.
        speed: recorded seconds per second.
        loop: begin again after the end; else nothing follows. By default, only with `times=now`.
        times: of samples and images: `now`, at the recorded intervals divided by `speed`, or
            `recorded`.
        since: begin at this time of the record.
        until: end before this time of the record.
        clock: POSIX seconds.
        sleep: waits for a number of seconds.

    Raises:
        SourceError: the mission cannot be read, or an option is invalid.
    """

    def __init__(
        self,
        path: Path,
        speed: float = 1.0,
        loop: bool | None = None,
        times: Times = "now",
        since: str = "",
        until: str = "",
        *,
        clock: Callable[[], float] = time,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        Range(more_than=0).number("speed", speed)
        if loop and times == "recorded":
            reason = "must be no with times=recorded: the samples would be older than those before"
            raise OptionError("loop", "yes", reason)
        self._mission = PlayedMission(Path(path), since, until)
        self._speed = speed
        self._is_live = times == "now"
        self._loop = self._is_live if loop is None else loop
        self._clock = clock
        self._sleep = sleep
        self._at = self._mission.begin

    def _start(self) -> Schedule:
        """Begin a run."""
        self._at = self._mission.begin
        return Schedule(self._clock, self._sleep)

    async def _wait(self, schedule: Schedule, t: float) -> float:
        """Wait until an item of a recorded time is due; returns its time."""
        gap_s, self._at = (t - self._at) / self._speed, t
        if gap_s > LONG_WAIT_S:
            logger.warning(
                "%s: nothing is recorded for a while; the replay goes on in %.0f s; `since` and "
                "`until` choose a part",
                self._mission.path,
                gap_s,
            )
        due = await schedule.wait(gap_s)
        return due if self._is_live else t

    async def _repeat(self, schedule: Schedule) -> None:
        """Wait from the last item to the next beginning."""
        if not self._loop:
            await self._sleep(inf)  # if it ended, the server would restart it
        await schedule.wait((self._mission.end - self._at) / self._speed + PAUSE_S)
        self._at = self._mission.begin
