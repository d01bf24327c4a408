"""The source: this machine, read once a period."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from sources.base import Parameter, Sample
from sources.host.gauges import Gauges
from sources.host.rates import Rates
from sources.values.files import unreadable
from sources.values.pace import beats
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence


class HostTelemetry:
    """What the machine measures that the server runs on.

    Which parameters there are is found out once, at the start; a sensor that comes later is told
    all the same, and one that goes is not measured. Reading takes place in a worker thread.

    Args:
        rate_hz: samples a second, up to 20.
        disk: a place on the disk whose free space is told.
        clock: POSIX seconds.

    Raises:
        SourceError: an option makes no sense.
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
        """What this machine has to tell."""
        return self._parameters

    @property
    def period_s(self) -> float:
        """Seconds between two samples."""
        return self._period_s

    async def samples(self) -> AsyncIterator[Sample]:
        """Yield what is read in each period; rates are over the time since the last."""
        async for _ in beats(self._period_s):
            gauges = await anyio.to_thread.run_sync(self._gauges.read)
            yield Sample(self._clock(), {parameter.name: value for parameter, value in gauges})
