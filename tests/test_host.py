"""The host source: gauges of this machine, rates of counters, and sensors that come and go."""

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
from sources.host.rates import MIN_INTERVAL_S, Rates
from sources.registry import open_source
from tests.samples import next_sample

if TYPE_CHECKING:
    from pathlib import Path

    from sources.base import Sample, TelemetrySource

pytestmark = pytest.mark.anyio

ALWAYS = {"cpu", "cpu_cores", "load", "memory_used", "disk_used", "uptime", "processes"}

Times = namedtuple("Times", "user system idle iowait guest guest_nice")


class Clock:
    def __init__(self) -> None:
        self.now = 81_523.4

    def __call__(self) -> float:
        return self.now


class Probe:
    """psutil, with some functions replaced, and without those that are None."""

    def __init__(self, **functions: Any) -> None:
        self.functions = functions

    def __getattr__(self, name: str) -> Any:
        if name not in self.functions:
            return getattr(psutil, name)
        if self.functions[name] is None:
            raise AttributeError(name)
        return self.functions[name]


async def some(source: TelemetrySource, count: int) -> list[Sample]:
    samples = source.samples()
    with fail_after(10):
        return [await next_sample(samples) for _ in range(count)]


async def test_samples_have_the_parameters_of_the_dictionary() -> None:
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


async def test_samples_can_be_restarted() -> None:
    source = HostTelemetry(rate_hz=20)
    await some(source, 1)
    [sample] = await some(source, 1)
    assert set(sample.values) == {parameter.name for parameter in source.parameters}


def values(gauges: Gauges) -> dict[str, Any]:
    return {parameter.name: value for parameter, value in gauges.read()}


def test_processor_shares_cover_the_time_since_the_last_reading(tmp_path: Path) -> None:
    clock = Clock()
    readings = iter(
        [
            [Times(10, 0, 100, 0, 0, 0), Times(10, 0, 100, 0, 0, 0)],
            # a guest's seconds are in `user` too; waiting for a disk is idle
            [Times(11, 1, 101, 1, 0, 0), Times(14, 0, 100, 0, 4, 0)],
            [Times(12, 1, 101, 1, 0, 0)],  # one core was switched off
        ]
    )
    gauges = Gauges(tmp_path, Rates(clock), Probe(cpu_times=lambda percpu: next(readings)))
    assert values(gauges)["cpu"] is None
    clock.now += 4
    found = values(gauges)
    assert found["cpu_cores"] == {"0": 50.0, "1": 100.0}
    assert found["cpu"] == 75.0
    clock.now += 4
    assert values(gauges)["cpu_cores"] == {"0": 100.0}


def card(received: int, lost: int = 0) -> SimpleNamespace:
    return SimpleNamespace(
        bytes_recv=received, bytes_sent=0, errin=lost, errout=0, dropin=0, dropout=0
    )


def test_network_rates_exclude_the_loopback_and_handle_cards_that_come_and_go(
    tmp_path: Path,
) -> None:
    clock = Clock()
    cards: dict[str, SimpleNamespace] = {}
    gauges = Gauges(tmp_path, Rates(clock), Probe(net_io_counters=lambda pernic: dict(cards)))

    def received(**present: SimpleNamespace) -> float | None:
        cards.clear()
        cards.update(lo=card(9**9), **present)
        found: float | None = values(gauges)["network_received"]
        clock.now += 2
        return found

    assert received(eth0=card(1_000)) is None
    assert received(eth0=card(9_000)) == 4.0
    assert received(eth0=card(9_000), usb0=card(10**9)) == 0.0
    assert received(eth0=card(500), usb0=card(10**9 + 2_000)) == 1.0  # eth0 was reset
    assert received(eth0=card(4_500)) == 2.0
    cards.clear()
    cards.update(lo=card(1))
    assert "network_received" not in values(gauges)


def test_two_readings_within_the_minimum_interval_give_no_rate() -> None:
    clock = Clock()
    rates = Rates(clock)
    assert rates.per_s("x", {"a": 0}) is None
    clock.now += MIN_INTERVAL_S / 2
    assert rates.per_s("x", {"a": 5}) is None
    clock.now += 1 - MIN_INTERVAL_S / 2
    assert rates.per_s("x", {"a": 10}) == pytest.approx(10)


def sensor(label: str, current: float, high: Any = None, critical: Any = None) -> SimpleNamespace:
    return SimpleNamespace(label=label, current=current, high=high, critical=critical)


def test_sensors_have_distinct_names_and_the_limits_of_their_drivers(tmp_path: Path) -> None:
    chips = {
        "coretemp": [sensor("Package id 0", 51, 80, 100), sensor("Core 0", 50, 100, 80)],
        "nvme": [sensor("Composite", 40, 65261.85, 84.8), sensor("Composite", 41)],
        "cpu_thermal": [sensor("", 60)],
        "acpitz": [sensor("", 20, -274), sensor("", 21)],
    }
    fans = {"thinkpad": [sensor("fan1", 2900)]}
    probe = Probe(sensors_temperatures=lambda: chips, sensors_fans=lambda: fans)
    gauges = Gauges(tmp_path, Rates(), probe)
    found = {p.name: (value, p.limits) for p, value in gauges.read()}
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
def test_a_battery_has_gauges(tmp_path: Path, left_s: int, minutes: float | None) -> None:
    battery = SimpleNamespace(percent=87.25, power_plugged=False, secsleft=left_s)
    found = values(Gauges(tmp_path, Rates(), Probe(sensors_battery=lambda: battery)))
    assert found["battery_level"] == 87.2
    assert found["charging"] is False
    assert found["battery_time"] == minutes


def test_the_dictionary_has_no_gauges_for_missing_devices(tmp_path: Path) -> None:
    def broken() -> Any:
        raise FileNotFoundError("/proc/loadavg")

    probe = Probe(
        sensors_battery=None,
        sensors_fans=None,
        sensors_temperatures=None,
        cpu_freq=None,
        disk_io_counters=lambda: None,
        getloadavg=broken,
        swap_memory=lambda: SimpleNamespace(total=0, percent=0),
    )
    names = set(values(Gauges(tmp_path, Rates(), probe)))
    assert names >= ALWAYS - {"load"}
    assert not names & {"load", "swap_used", "disk_read", "cpu_frequency", "battery_level"}
    assert not [name for name in names if name.startswith(("temperature", "fan"))]


def test_a_removed_sensor_does_not_affect_the_other_gauges(tmp_path: Path) -> None:
    def removed() -> Any:
        raise OSError("no such device")

    probe = Probe()
    gauges = Gauges(tmp_path, Rates(), probe)
    before = set(values(gauges))
    probe.functions["virtual_memory"] = removed
    assert before - set(values(gauges)) <= {"memory_used", "memory_available", "swap_used"}


@pytest.mark.parametrize(
    ("query", "fact"),
    [
        ("rate_hz=0", "rate_hz=0: "),
        ("rate_hz=nan", "rate_hz=nan: "),
        ("disk=/no/where", "/no/where cannot be read: No such file or directory"),
    ],
)
def test_an_invalid_option_is_refused_with_its_name_and_value(query: str, fact: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source("telemetry", f"host:?{query}")
    assert fact in str(caught.value)


def test_without_psutil_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("sources.host")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(SourceError, match=r"pip install 'cosmic-rover\[host\]'"):
        open_source("telemetry", "host:")
