"""A telemetry source that keeps the contract, to be varied by tests."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from anyio import sleep, sleep_forever

from sources.base import Limits, Parameter, Sample, SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence


class Thermometer:
    parameters: Sequence[Parameter] = (
        Parameter("temperature", "°C", limits=Limits((0, 30), (-10, 40))),
        Parameter("place", kind="vector"),
        Parameter("name", kind="text"),
        Parameter("count", kind="integer"),
        Parameter("on", kind="boolean"),
    )
    values: Mapping[str, Any] = {
        "temperature": 21.5,
        "place": {"x": 1, "y": 2.5},
        "name": "lab",
        "count": 3,
        "on": None,
    }
    interval_s = 0.001

    def t(self) -> float:
        return time.time()

    async def samples(self) -> AsyncIterator[Sample]:
        while True:
            yield Sample(self.t(), self.values)
            await sleep(self.interval_s)


class ThermometerWithTask(Thermometer):
    """Has a period, and a task of its own while it is entered."""

    period_s = 0.001

    async def __aenter__(self) -> ThermometerWithTask:
        self._task = asyncio.create_task(sleep_forever())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


class LearningThermometer(Thermometer):
    """Has no parameters before its first sample."""

    def __init__(self) -> None:
        self.parameters: list[Parameter] = []

    async def samples(self) -> AsyncIterator[Sample]:
        async for sample in super().samples():
            self.parameters = list(Thermometer.parameters)
            yield sample


class SilentThermometer(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        await sleep_forever()
        yield Sample(time.time(), {})


class UnreachableThermometer(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        if self.parameters:
            raise SourceError("no thermometer at /dev/ttyUSB0; plug it in")
        yield Sample(time.time(), {})


def thermometer(**attributes: Any) -> Callable[[], Thermometer]:
    """A class of thermometers with other attributes or methods."""
    return type("OtherThermometer", (Thermometer,), attributes)
