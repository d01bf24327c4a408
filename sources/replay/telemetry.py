"""The source: yields the rows of a recording at the recorded pace."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from time import time as wall_clock
from typing import TYPE_CHECKING, Literal

import anyio
import numpy as np

from sources.base import Parameter, Sample, SourceError
from sources.replay.recording import ReadOptions, Recording
from sources.values.pace import Schedule
from sources.values.ranges import OptionError, Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from numpy.typing import NDArray

BATCH_ROWS = 256
"""Rows that are read from the disk at once."""

MAX_PERIOD_S = 10.0
"""Maximum seconds between two rows at the recorded pace; above it, one row per second."""

logger = logging.getLogger("sources.replay")

_DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


class ReplayTelemetry:
    """Replays a CSV or JSON lines file as telemetry.

    Each row becomes a sample with the present time: the first row when the replay starts, the
    others after their recorded intervals, divided by `speed`. The recorded time stays in the
    sample, as the parameter of its column. Rows out of order are replayed in order of time.

    The constructor reads the whole file in the caller's thread (about 10 s for 100 MB), because the
    dictionary must be known before the first sample. After that a worker thread reads some rows at
    a time. 16 bytes per row stay in memory.

    Args:
        path: the file; docs/replay.md describes the formats.
        speed: recorded seconds per second; `86400` replays a day per second. The default is 1, or
            one row per second if rows are more than 10 s apart.
        loop: start again after the last row; else no more samples follow it.
        time: the column that holds the time, instead of the one that is detected.
        rate_hz: rows per recorded second, instead of a time column.
        delimiter: between cells: one character, or `tab`, `comma`, `semicolon`, `pipe`, `space`.
        decimal: the decimal mark.
        header: whether the first row names the columns.
        clock: POSIX seconds.
        sleep: waits for a number of seconds.

    Raises:
        SourceError: the file cannot be replayed, or an option is invalid.

    Attributes:
        skipped: number of rows that could not be read; the log has the reasons.
        rows: number of rows that are replayed.
    """

    def __init__(
        self,
        path: Path,
        speed: float | None = None,
        loop: bool = True,
        time: str | None = None,
        rate_hz: float | None = None,
        delimiter: str | None = None,
        decimal: Literal[".", ","] | None = None,
        header: bool | None = None,
        *,
        clock: Callable[[], float] = wall_clock,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        if speed is not None:
            Range(more_than=0).number("speed", speed)
        if rate_hz is not None:
            Range(more_than=0, unit="Hz").number("rate_hz", rate_hz)
        if time is not None and rate_hz is not None:
            raise SourceError("time, rate_hz: must not both be set; leave out one of them")
        if delimiter is not None:
            delimiter = _DELIMITERS.get(delimiter.lower(), delimiter)
            if len(delimiter) != 1 or delimiter in '"\r\n':
                raise OptionError(
                    "delimiter",
                    delimiter,
                    f"must be one character, or one of {', '.join(_DELIMITERS)}",
                )
        self._recording = Recording(
            Path(path), ReadOptions(time, rate_hz, delimiter, decimal, header)
        )
        period_s = _period_s(self._recording.times_s)
        self._speed = speed or (period_s if period_s > MAX_PERIOD_S else 1.0)
        if speed is None and self._speed > 1:
            logger.warning(
                "%s has one row per %g s and is replayed %g times as fast; set `speed=1` for the"
                " recorded pace",
                path,
                period_s,
                self._speed,
            )
        self._loop = loop
        self._clock = clock
        self._sleep = sleep
        self._period_s = period_s / self._speed
        self.rows = len(self._recording)
        self.skipped = self._recording.skipped

    @property
    def parameters(self) -> Sequence[Parameter]:
        """One for each column, in the order of the file."""
        return self._recording.parameters

    @property
    def period_s(self) -> float:
        """The median interval between rows in seconds, divided by the speed."""
        return self._period_s

    async def samples(self) -> AsyncIterator[Sample]:
        """Yield the rows in order of time, from the first row on."""
        times_s = self._recording.times_s
        gap_s = 0.0
        schedule = Schedule(self._clock, self._sleep)
        while True:
            for start in range(0, self.rows, BATCH_ROWS):
                stop = min(start + BATCH_ROWS, self.rows)
                batch = await anyio.to_thread.run_sync(self._recording.read, start, stop)
                for index, values in enumerate(batch, start):
                    if index:
                        gap_s = float(times_s[index] - times_s[index - 1]) / self._speed
                    yield Sample(await schedule.wait(gap_s), values)
            if not self._loop:
                await self._sleep(math.inf)  # if it ended, the server would restart it
            gap_s = self._period_s  # from the last row to the first


def _period_s(times_s: NDArray[np.float64]) -> float:
    """The median interval between rows in seconds; the mean if that is 0; 1 if all are 0."""
    gaps_s = np.diff(times_s)
    if gaps_s.size == 0 or gaps_s.max() == 0:
        return 1.0
    return float(np.median(gaps_s)) or float(gaps_s.mean())
