"""The source: a recording's rows, emitted at the pace they were recorded at."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from time import time as wall_clock
from typing import TYPE_CHECKING, Literal

import anyio
import numpy as np

from sources.base import Parameter, Sample, SourceError
from sources.replay.recording import Reading, Recording
from sources.values.ranges import OptionError, Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from numpy.typing import NDArray

BATCH_ROWS = 256
SLIP_S = 1.0

SLOWEST_S = 10.0
"""Rows further apart than this are played one a second, unless a speed is asked for."""

logger = logging.getLogger("sources.replay")

_DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


class ReplayTelemetry:
    """Plays a CSV or JSON lines file again as telemetry.

    Each row becomes a sample whose `t` is now: the first row is measured when the replay starts,
    and the rest follow at the recorded spacing, divided by `speed`. The recorded time stays in the
    sample, as the parameter its column is. Rows out of order are replayed by time.

    Making one reads the whole file once, in the caller's thread (about 10 s for 100 MB), as what it
    holds must be known before the first sample; from then on it is read in a worker thread, some
    rows at a time, and 16 bytes a row are kept.

    Args:
        path: the file; docs/replay.md says what is understood.
        speed: how many recorded seconds pass in one; `86400` plays a day a second. By default 1, or
            as much as it takes for a row a second, where rows are further apart than 10 s.
        loop: begin anew after the last row, else stay quiet.
        time: the column that tells the time, where the guess errs.
        rate_hz: rows a second, as recorded, instead of any column.
        delimiter: between cells: one character, or `tab`, `comma`, `semicolon`, `pipe`, `space`.
        decimal: the decimal mark.
        header: whether the first row names the columns.
        clock: POSIX seconds.
        sleep: waits that many seconds.

    Raises:
        SourceError: the file cannot be replayed, or an option makes no sense.

    Attributes:
        skipped: rows of the file that could not be used; the log says which.
        rows: rows of the file that are replayed.
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
            raise SourceError("time and rate_hz exclude each other; leave out one of them")
        if delimiter is not None:
            delimiter = _DELIMITERS.get(delimiter.lower(), delimiter)
            if len(delimiter) != 1 or delimiter in '"\r\n':
                raise OptionError(
                    "delimiter",
                    delimiter,
                    f"must be one character, or one of {', '.join(_DELIMITERS)}",
                )
        self._recording = Recording(Path(path), Reading(time, rate_hz, delimiter, decimal, header))
        period_s = _period_s(self._recording.times_s)
        self._speed = speed or (period_s if period_s > SLOWEST_S else 1.0)
        if speed is None and self._speed > 1:
            logger.warning(  # not what was recorded, so it is said
                "%s has a row each %g s and is played %g times as fast; `speed=1` is its own pace",
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
        """The median spacing of the rows, divided by the speed."""
        return self._period_s

    async def samples(self) -> AsyncIterator[Sample]:
        """Yield the rows by time from the first on; the contract says the rest."""
        times_s = self._recording.times_s
        gap_s = 0.0
        due = self._clock()
        while True:
            for start in range(0, self.rows, BATCH_ROWS):
                stop = min(start + BATCH_ROWS, self.rows)
                batch = await anyio.to_thread.run_sync(self._recording.read, start, stop)
                for index, values in enumerate(batch, start):
                    if index:
                        gap_s = float(times_s[index] - times_s[index - 1]) / self._speed
                    due = await self._wait(due + gap_s, gap_s)
                    yield Sample(due, values)
            if not self._loop:
                await self._sleep(math.inf)  # to end would be to be started again
            gap_s = self._period_s  # from the last row to the first

    async def _wait(self, due: float, gap_s: float) -> float:
        """Wait until then, and tell when that is.

        The wall clock may be set and the machine may be suspended: who is off by more than a second
        goes on from now, and neither rushes through what was missed nor waits for an hour.
        """
        now = self._clock()
        wait_s = due - now
        if wait_s < -SLIP_S:
            due, wait_s = now, 0.0
        elif wait_s > gap_s + SLIP_S:
            due, wait_s = now + gap_s, gap_s
        await self._sleep(max(0.0, wait_s))
        return due


def _period_s(times_s: NDArray[np.float64]) -> float:
    """What passes between two rows, as a rule; a second where nothing does."""
    gaps_s = np.diff(times_s)
    if gaps_s.size == 0 or gaps_s.max() == 0:
        return 1.0
    return float(np.median(gaps_s)) or float(gaps_s.mean())
