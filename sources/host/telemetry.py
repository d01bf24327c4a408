"""The source: reads the gauges of this machine once per period."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from sources.base import Parameter, Sample
from sources.host.gauges import Gauges
from sources.host.rates import Rates
from sources.values.files import unreadable
from sources.values.pace import ticks
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence


class HostTelemetry:
    """Telemetry of the machine that the server runs on.

    The dictionary is read once, at the start. Samples also hold the values of sensors that are
    plugged in later, and leave out those of sensors that are removed. A worker thread reads.

    Args:
        rate_hz: samples per second, at most 20.
        disk: a path on the disk whose free space is reported.
        clock: POSIX seconds.

    Raises:
        SourceError: an option is invalid.
    """

    def __init__(
        self,
        rate_hz: float = 1.0,
        disk: Path = Path("/"),
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._period_s = 1 / Range(0.001, 20, "Hz").number("rate_hz", rate_hz)
        try:
            disk.stat()
        except OSError as exc:
            raise unreadable(disk, exc, "name a folder on the disk") from exc
        self._clock = clock
        self._gauges = Gauges(disk, Rates())
        self._parameters = [parameter for parameter, _ in self._gauges.read()]

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters that this machine had at the start."""
        return self._parameters

    @property
    def period_s(self) -> float:
        """Seconds between two samples."""
        return self._period_s

    async def samples(self) -> AsyncIterator[Sample]:
        """Yield one sample per period; rates are means since the sample before."""
        async for _ in ticks(self._period_s):
            gauges = await anyio.to_thread.run_sync(self._gauges.read)
            yield Sample(self._clock(), {parameter.name: value for parameter, value in gauges})
