"""The contract of a telemetry source, as `rover.testing` checks it."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from anyio import sleep_forever

from rover.testing import ContractBroken, check_telemetry
from rover.testing.samples import check_period
from sources.base import Event, Limits, Parameter, Sample, Severity, SourceError
from tests.contract_cases import Cases, assert_breaks
from tests.thermometer import (
    LearningThermometer,
    SilentThermometer,
    Thermometer,
    ThermometerWithTask,
    UnreachableThermometer,
    thermometer,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

pytestmark = pytest.mark.anyio


class RaisesForParameters(Thermometer):
    @property
    def parameters(self) -> Sequence[Parameter]:  # type: ignore[override] # breaks the contract
        raise KeyError("temperature")


class ReturnsList(Thermometer):
    async def samples(self) -> Any:  # type: ignore[override] # breaks the contract: no `yield`
        return [Sample(time.time(), self.values)]


class YieldsDicts(Thermometer):
    async def samples(self) -> AsyncIterator[Any]:
        yield {"t": time.time()}


class YieldsNothing(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        no_samples: Sequence[Sample] = ()
        for sample in no_samples:
            yield sample


class WorksOnce(Thermometer):
    used = False

    async def samples(self) -> AsyncIterator[Sample]:
        if self.used:
            await sleep_forever()
        self.used = True
        async for sample in super().samples():
            yield sample


class KeepsThePortOpen(Thermometer):
    calls = 0

    async def samples(self) -> AsyncIterator[Sample]:
        if self.calls > 8:
            raise SourceError("another program has the port open")
        self.calls += 1
        async for sample in super().samples():
            yield sample


class YieldsEvents(Thermometer):
    """Yields an event before each sample."""

    event = Event(1_790_000_000.0, Severity.INFO, "boot", "the sensor was restarted")

    async def samples(self) -> AsyncIterator[Any]:
        async for sample in super().samples():
            yield self.event
            yield sample


def yielding(event: Event) -> Callable[[], YieldsEvents]:
    def source() -> YieldsEvents:
        made = YieldsEvents()
        made.event = event
        return made

    return source


class UnreachableWithoutText(Thermometer):
    async def samples(self) -> AsyncIterator[Sample]:
        if self.parameters:
            raise SourceError
        yield Sample(time.time(), {})


def with_parameters(*parameters: Parameter) -> Callable[[], Thermometer]:
    return thermometer(parameters=parameters)


A = Parameter("a")
TEXT_WITH_LIMITS = Parameter("a", kind="text", limits=Limits((1, 2)))
UNKNOWN_KIND = Parameter("a", kind="float")  # type: ignore[arg-type] # breaks the contract
RED_INSIDE_YELLOW = Parameter("a", limits=Limits((0, 10), (1, None)))

READABLE: Cases = {
    "parameters are a str": (
        "telemetry.parameters",
        thermometer(parameters="temperature"),
        "'temperature'",
    ),
    "parameters are strs": (
        "telemetry.parameters",
        thermometer(parameters=["temperature"]),
        "['temperature']",
    ),
    "parameters raise": ("telemetry.parameters", RaisesForParameters, "KeyError"),
    "parameters are learned": ("telemetry.parameters", LearningThermometer, "learns=True"),
    "duplicate name": ("telemetry.names", with_parameters(A, A), "name='a'"),
    "reserved name t": ("telemetry.names", with_parameters(Parameter("t")), "name='t'"),
    "reserved name late": ("telemetry.names", with_parameters(Parameter("late")), "name='late'"),
    "empty name": ("telemetry.names", with_parameters(Parameter("")), "name=''"),
    "unknown kind": ("telemetry.kinds", with_parameters(UNKNOWN_KIND), "kind='float'"),
    "limits of a text": ("telemetry.limits", with_parameters(TEXT_WITH_LIMITS), "kind='text'"),
    "limits reversed": (
        "telemetry.limits",
        with_parameters(Parameter("a", limits=Limits((2, 1)))),
        "limits=(2, 1)",
    ),
    "hysteresis is negative": (
        "telemetry.limits",
        with_parameters(Parameter("a", limits=Limits(hysteresis=-1))),
        "hysteresis=-1",
    ),
    "event without a name": (
        "telemetry.events",
        yielding(Event(1.79e9, Severity.INFO, "")),
        "name=''",
    ),
    "event of unknown severity": (
        "telemetry.events",
        yielding(Event(1.79e9, "fatal", "a")),  # type: ignore[arg-type] # breaks the contract
        "severity='fatal'",
    ),
    "event in 1970": ("telemetry.time", yielding(Event(12_345.6, Severity.INFO, "a")), "t=12345.6"),
    "duration is NaN": (
        "telemetry.limits",
        with_parameters(Parameter("a", limits=Limits(min_duration_s=float("nan")))),
        "min_duration_s=nan",
    ),
    "red inside yellow": ("telemetry.red", with_parameters(RED_INSIDE_YELLOW), "red=(1, None)"),
    "samples() returns a list": ("telemetry.samples", ReturnsList, "`async def`"),
    "samples are dicts": ("telemetry.samples", YieldsDicts, "{'t': "),
    "samples() ends": ("telemetry.samples", YieldsNothing, "samples()"),
    "samples() is silent": ("telemetry.samples", SilentThermometer, "0.5 s"),
    "t is an uptime": ("telemetry.time", thermometer(t=lambda _: 12_345.6), "t=12345.6"),
    "t is in milliseconds": ("telemetry.time", thermometer(t=lambda _: 1.79e12), "t=1790000000000"),
    "t is NaN": ("telemetry.time", thermometer(t=lambda _: float("nan")), "t=nan"),
    "t is a date": ("telemetry.time", thermometer(t=lambda _: "2026-11-22"), "t='2026-11-22'"),
    "unknown parameter": ("telemetry.values", thermometer(values={"speed": 1}), "speed=1"),
    "bool for number": (
        "telemetry.values",
        thermometer(values={"temperature": True}),
        "temperature=True",
    ),
    "NumPy for integer": ("telemetry.values", thermometer(values={"count": np.int64(1)}), "int64"),
    "float for integer": ("telemetry.values", thermometer(values={"count": 1.0}), "count=1.0"),
    "half a surrogate pair": (
        "telemetry.values",
        thermometer(values={"name": "\ud800"}),
        r"name='\ud800'",
    ),
    "str in a vector": (
        "telemetry.values",
        thermometer(values={"place": {"x": "1"}}),
        "place={'x': '1'}",
    ),
    "values are a list": ("telemetry.values", thermometer(values=[1.0]), "values=[1.0]"),
    "port stays open": ("telemetry.restart", KeepsThePortOpen, "has the port open"),
    "works once": ("telemetry.restart", WorksOnce, "0.5 s"),
    "period too long": ("telemetry.period", thermometer(period_s=60.0), "period_s=60"),
    "period is 0": ("telemetry.period", thermometer(period_s=0), "period_s=0"),
}

UNREACHABLE: Cases = {
    "machine exists": ("telemetry.unreachable", Thermometer, "SourceError"),
    "no text": ("telemetry.unreachable", UnreachableWithoutText, "SourceError()"),
}

CASES: Cases = {**READABLE, **UNREACHABLE}


@pytest.mark.parametrize("make", [Thermometer, ThermometerWithTask, YieldsEvents])
async def test_a_good_source_passes(make: Callable[[], Any]) -> None:
    await check_telemetry(make(), unreachable=UnreachableThermometer(), max_stall_s=10)


async def test_a_source_that_learns_its_dictionary_passes_with_learns() -> None:
    await check_telemetry(LearningThermometer(), learns=True, max_stall_s=10)


@pytest.mark.parametrize(("clause", "make", "contains"), READABLE.values(), ids=READABLE)
async def test_a_source_that_breaks_a_clause_raises_its_code(
    clause: str, make: Callable[[], Any], contains: str
) -> None:
    check = check_telemetry(make(), samples=2, timeout_s=0.5, max_stall_s=10)
    await assert_breaks(check, clause, contains)


@pytest.mark.parametrize(("clause", "make", "contains"), UNREACHABLE.values(), ids=UNREACHABLE)
async def test_an_unreachable_source_must_raise_an_error_with_a_text(
    clause: str, make: Callable[[], Any], contains: str
) -> None:
    check = check_telemetry(Thermometer(), unreachable=make(), timeout_s=0.5, max_stall_s=10)
    await assert_breaks(check, clause, contains)


async def test_a_source_error_is_raised_as_it_is() -> None:
    with pytest.raises(SourceError, match="plug it in"):
        await check_telemetry(UnreachableThermometer())


async def test_an_error_of_feed_is_raised_as_it_is() -> None:
    async def feed() -> None:
        raise ConnectionRefusedError("no emulator")

    with pytest.raises(ConnectionRefusedError, match="no emulator"):
        await check_telemetry(SilentThermometer(), feed=feed, timeout_s=0.1)


@pytest.mark.parametrize(
    ("period_s", "gap_s", "kept"),
    [
        (1.0, 1.0, True),
        (1.0, 4.9, True),
        (1.0, 5.1, False),  # stale after 5 periods
        (0.1, 1.9, True),
        (0.1, 2.1, False),  # never stale before 2 s
        (60.0, 6.1, True),
        (60.0, 5.9, False),  # 10 times as often as declared
    ],
)
def test_the_period_must_fit_the_time_between_samples(
    period_s: float, gap_s: float, kept: bool
) -> None:
    times_s = [5_000.0 + number * gap_s for number in range(3)]
    with nullcontext() if kept else pytest.raises(ContractBroken):
        check_period(period_s, times_s)
