"""The machine as a rover: what exists is told, rates are right, and a sensor may go."""

from __future__ import annotations

import sys
from collections import namedtuple
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from anyio import fail_after

from sources.base import Limits, Paced, SourceError
from sources.host import HostTelemetry
from sources.host.gauges import Gauges
from sources.host.rates import LEAST_S, Rates
from sources.registry import open_source

if TYPE_CHECKING:
    from pathlib import Path

    from sources.base import Sample, TelemetrySource

pytestmark = pytest.mark.anyio

ALWAYS = {"cpu", "cpu_cores", "load", "memory_used", "disk_used", "uptime", "processes"}

Times = namedtuple("Times", "user system idle iowait guest guest_nice")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def some(source: TelemetrySource, count: int) -> list[Sample]:
    samples = source.samples()
    with fail_after(10):
        return [await anext(samples) for _ in range(count)]


async def test_this_machine_tells_what_its_dictionary_promises() -> None:
    source = open_source("telemetry", "host:?rate_hz=20")
    assert isinstance(source, Paced)
    assert source.period_s == 0.05
    first, *_, last = await some(source, 3)
    names = {parameter.name for parameter in source.parameters}
    assert names >= ALWAYS
    assert set(last.values) == names == set(first.values)
    for name in ALWAYS:
        assert last.values[name] is not None
    cpu, memory = last.values["cpu"], last.values["memory_used"]
    assert isinstance(cpu, float)
    assert 0 <= cpu <= 100
    assert isinstance(memory, float)
    assert 0 < memory < 100


async def test_a_restart_goes_on_where_it_was() -> None:
    source = HostTelemetry(rate_hz=20)
    await some(source, 1)
    [sample] = await some(source, 1)
    assert set(sample.values) == {parameter.name for parameter in source.parameters}


def gauges(tmp_path: Path, clock: Clock) -> Gauges:
    return Gauges(tmp_path, Rates(clock))


def values(gauges: Gauges) -> dict[str, Any]:
    return {parameter.name: value for parameter, value in gauges.read()}


def test_processor_shares_are_of_the_time_since_the_last_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    it = gauges(tmp_path, clock)
    readings = iter(
        [
            [Times(10, 0, 100, 0, 0, 0), Times(10, 0, 100, 0, 0, 0)],
            # a guest's seconds are in `user` as well; waiting for a disk is idle
            [Times(11, 1, 101, 1, 0, 0), Times(14, 0, 100, 0, 4, 0)],
            [Times(12, 1, 101, 1, 0, 0)],  # a core was switched off
        ]
    )
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: next(readings))
    assert values(it)["cpu"] is None
    clock.now += 4
    found = values(it)
    assert found["cpu_cores"] == {"0": 50.0, "1": 100.0}
    assert found["cpu"] == 75.0
    clock.now += 4
    assert values(it)["cpu_cores"] == {"0": 100.0}


def card(received: int, lost: int = 0) -> SimpleNamespace:
    return SimpleNamespace(
        bytes_recv=received, bytes_sent=0, errin=lost, errout=0, dropin=0, dropout=0
    )


def test_network_rates_leave_out_the_loopback_and_bear_cards_that_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    it = gauges(tmp_path, clock)

    def received(**cards: SimpleNamespace) -> float | None:
        monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: {"lo": card(9**9), **cards})
        found: float | None = values(it)["network_received"]
        clock.now += 2
        return found

    assert received(eth0=card(1_000)) is None
    assert received(eth0=card(9_000)) == 4.0
    assert received(eth0=card(9_000), usb0=card(10**9)) == 0.0
    assert received(eth0=card(500), usb0=card(10**9 + 2_000)) == 1.0  # eth0 was reset
    assert received(eth0=card(4_500)) == 2.0
    monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: {"lo": card(1)})
    assert "network_received" not in values(it)


def test_two_readings_at_once_make_no_rate() -> None:
    clock = Clock()
    rates = Rates(clock)
    assert rates.per_s("x", {"a": 0}) is None
    clock.now += LEAST_S / 2
    assert rates.per_s("x", {"a": 5}) is None
    clock.now += 1 - LEAST_S / 2
    assert rates.per_s("x", {"a": 10}) == pytest.approx(10)


def sensor(label: str, current: float, high: Any = None, critical: Any = None) -> SimpleNamespace:
    return SimpleNamespace(label=label, current=current, high=high, critical=critical)


def test_sensors_have_names_of_their_own_and_the_limits_of_their_drivers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chips = {
        "coretemp": [sensor("Package id 0", 51, 80, 100), sensor("Core 0", 50, 100, 80)],
        "nvme": [sensor("Composite", 40, 65261.85, 84.8), sensor("Composite", 41)],
        "cpu_thermal": [sensor("", 60)],
        "acpitz": [sensor("", 20, -274), sensor("", 21)],
    }
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: chips, raising=False)
    monkeypatch.setattr(
        psutil, "sensors_fans", lambda: {"thinkpad": [sensor("fan1", 2900)]}, raising=False
    )
    found = {p.name: (value, p.limits) for p, value in gauges(tmp_path, Clock()).read()}
    temperatures = {n: about for n, about in found.items() if n.startswith("temperature")}
    assert temperatures == {
        "temperature_coretemp_package_id_0": (51, Limits((None, 80), (None, 100))),
        "temperature_coretemp_core_0": (50, Limits((None, None), (None, 80))),
        "temperature_nvme_composite_1": (40, Limits((None, None), (None, 84.8))),
        "temperature_nvme_composite_2": (41, Limits()),
        "temperature_cpu_thermal": (60, Limits()),
        "temperature_acpitz_1": (20, Limits()),
        "temperature_acpitz_2": (21, Limits()),
    }
    assert found["fan_thinkpad_fan1"][0] == 2900


@pytest.mark.parametrize(
    ("left_s", "minutes"),
    [(5400, 90.0), (psutil.POWER_TIME_UNLIMITED, None), (psutil.POWER_TIME_UNKNOWN, None)],
)
def test_a_battery_is_told_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_s: int, minutes: float | None
) -> None:
    battery = SimpleNamespace(percent=87.25, power_plugged=False, secsleft=left_s)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
    found = values(gauges(tmp_path, Clock()))
    assert found["battery_level"] == 87.2
    assert found["charging"] is False
    assert found["battery_time"] == minutes


def test_what_a_machine_lacks_is_not_in_its_dictionary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError("/proc/diskstats")

    for name in ("sensors_battery", "sensors_fans", "sensors_temperatures", "cpu_freq"):
        monkeypatch.delattr(psutil, name, raising=False)
    monkeypatch.setattr(psutil, "disk_io_counters", lambda: None)
    monkeypatch.setattr(psutil, "getloadavg", broken)
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(total=0, percent=0))
    names = set(values(gauges(tmp_path, Clock())))
    assert names >= ALWAYS - {"load"}
    assert not names & {"load", "swap_used", "disk_read", "cpu_frequency", "battery_level"}
    assert not [name for name in names if name.startswith(("temperature", "fan"))]


def test_a_sensor_that_goes_takes_nothing_else_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = gauges(tmp_path, Clock())
    before = set(values(it))

    def gone(*_: Any, **__: Any) -> Any:
        raise OSError("no such device")

    monkeypatch.setattr(psutil, "virtual_memory", gone)
    assert before - set(values(it)) <= {"memory_used", "memory_available", "swap_used"}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("rate_hz=0", "rate_hz=0: "),
        ("rate_hz=nan", "rate_hz=nan: "),
        ("disk=/no/where", "/no/where cannot be read: No such file or directory"),
    ],
)
def test_a_mistake_is_told(query: str, told: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source("telemetry", f"host:?{query}")
    assert told in str(caught.value)


def test_without_psutil_the_install_that_brings_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("sources.host")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(SourceError, match=r"pip install 'cosmic-rover\[host\]'"):
        open_source("telemetry", "host:")
