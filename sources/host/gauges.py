"""The gauges of a machine: each is a parameter with its present value.

A gauge exists if it can be read: a machine without a battery has no `battery_level`. So the
dictionary and the values always agree.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil

from sources.base import Limits, Parameter, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sources.host.rates import Rates

Gauge = tuple[Parameter, Value]

MAX_LIMIT_C = 150.0
"""Highest limit in °C that is believed: some drivers report 65,261 °C for a missing limit."""

_ABSENT = (OSError, RuntimeError, psutil.Error)


class Gauges:
    """All gauges of this machine.

    Args:
        disk: a path on the disk whose free space is reported.
        rates: compares counters with their last reading.
        probe: has the functions of psutil; one that is missing, or raises, has no gauges.
    """

    def __init__(self, disk: Path, rates: Rates, probe: Any = psutil) -> None:
        self._disk = disk
        self._rates = rates
        self._probe = probe

    def read(self) -> list[Gauge]:
        """Read all gauges; names are unique. Blocks for some milliseconds."""
        groups: tuple[Callable[[], Iterator[Gauge]], ...] = (
            self._cpu,
            self._load,
            self._memory,
            self._disks,
            self._network,
            self._battery,
            self._fans,
            self._temperatures,
            self._system,
        )
        gauges: dict[str, Gauge] = {}
        for group in groups:
            try:
                for parameter, value in list(group()):
                    gauges[parameter.name] = parameter, value
            except _ABSENT:  # the driver was removed, or never existed
                continue
        return list(gauges.values())

    def _cpu(self) -> Iterator[Gauge]:
        # not psutil.cpu_percent: it measures since the last call from the same thread
        cores = self._probe.cpu_times(percpu=True)
        counts = {f"busy {n}": _busy_s(times) for n, times in enumerate(cores)}
        counts |= {f"idle {n}": _idle_s(times) for n, times in enumerate(cores)}
        rises = self._rates.rises("cpu", counts)
        share = {} if rises is None else _shares(rises[0], len(cores))
        mean = sum(share.values()) / len(share) if share else None
        yield (
            Parameter(
                "cpu", "%", description="Busy share of all cores"
            ),  # no limits: 100 % is normal
            _rounded(mean),
        )
        yield (
            Parameter("cpu_cores", "%", "vector", "Busy share of each core"),
            {core: round(value, 1) for core, value in share.items()} or None,
        )
        if (frequency := self._ask("cpu_freq")) is not None and frequency.current:
            yield (
                Parameter("cpu_frequency", "MHz", description="Mean of all cores now"),
                _rounded(frequency.current),
            )

    def _disks(self) -> Iterator[Gauge]:
        used = self._probe.disk_usage(str(self._disk))
        yield (
            Parameter(
                "disk_used",
                "%",
                description=f"Used share of the disk at {self._disk}",
                limits=_high(85, 95),
            ),
            used.percent,
        )
        yield (
            Parameter("disk_free", "GB", description=f"Free space on the disk at {self._disk}"),
            round(used.free / 1e9, 3),
        )
        if (counters := self._ask("disk_io_counters")) is not None:
            for name, count, what in (
                ("disk_read", counters.read_bytes, "Read from all disks"),
                ("disk_written", counters.write_bytes, "Written to all disks"),
            ):
                yield (
                    Parameter(name, "kB/s", description=what),
                    _kilo(self._rates.per_s(name, {"all": count})),
                )

    def _network(self) -> Iterator[Gauge]:
        cards = {
            card: counters
            for card, counters in self._probe.net_io_counters(pernic=True).items()
            if not re.fullmatch(r"lo\d*|Loopback.*", card)
        }
        if not cards:
            return
        for name, field, what in (
            ("network_received", "bytes_recv", "Received over the network"),
            ("network_sent", "bytes_sent", "Sent over the network"),
        ):
            counts = {card: float(getattr(counters, field)) for card, counters in cards.items()}
            yield Parameter(name, "kB/s", description=what), _kilo(self._rates.per_s(name, counts))
        lost = {card: float(c.errin + c.errout + c.dropin + c.dropout) for card, c in cards.items()}
        yield (
            Parameter("network_lost", "1/s", description="Packets dropped, or with errors"),
            _rounded(self._rates.per_s("network_lost", lost)),
        )

    def _load(self) -> Iterator[Gauge]:
        spans = zip(("1min", "5min", "15min"), self._probe.getloadavg(), strict=True)
        yield (
            Parameter("load", "", "vector", "Runnable processes, on average over three spans"),
            {span: round(load, 2) for span, load in spans},
        )

    def _memory(self) -> Iterator[Gauge]:
        memory, swap = self._probe.virtual_memory(), self._probe.swap_memory()
        yield (
            Parameter(
                "memory_used", "%", description="Used share of main memory", limits=_high(85, 95)
            ),
            memory.percent,
        )
        yield (
            Parameter(
                "memory_available", "MB", description="Available to programs without swapping"
            ),
            round(memory.available / 1e6, 1),
        )
        if swap.total:
            yield (
                Parameter(
                    "swap_used", "%", description="Used share of swap space", limits=_high(60, 90)
                ),
                swap.percent,
            )

    def _battery(self) -> Iterator[Gauge]:
        battery = self._ask("sensors_battery")
        if battery is None:
            return
        yield (
            Parameter(
                "battery_level",
                "%",
                description="Charge left",
                limits=Limits((20, None), (10, None)),
            ),
            _rounded(battery.percent),
        )
        yield (
            Parameter("charging", "", "boolean", "Whether power is plugged in"),
            battery.power_plugged,
        )
        left_s = battery.secsleft
        yield (
            Parameter("battery_time", "min", description="Until it is empty, at the present load"),
            round(left_s / 60, 1) if left_s is not None and left_s >= 0 else None,
        )

    def _temperatures(self) -> Iterator[Gauge]:
        for name, chip, sensor in self._sensors("temperature", "sensors_temperatures"):
            place = f"{chip} {sensor.label}".strip()
            limits = _high(_limit(sensor.high), _limit(sensor.critical))
            yield (
                Parameter(name, "°C", description=f"Sensor {place}", limits=limits),
                sensor.current,
            )

    def _fans(self) -> Iterator[Gauge]:
        for name, chip, sensor in self._sensors("fan", "sensors_fans"):
            place = f"{chip} {sensor.label}".strip()
            yield Parameter(name, "rpm", description=f"Fan {place}"), sensor.current

    def _system(self) -> Iterator[Gauge]:
        yield (
            Parameter("uptime", "s", "integer", "Since the machine started"),
            max(0, round(time.time() - self._probe.boot_time())),
        )
        yield Parameter("processes", "", "integer", "Running now"), len(self._probe.pids())

    def _sensors(self, noun: str, function: str) -> Iterator[tuple[str, str, Any]]:
        """Each sensor of a kind: its parameter's name, its chip, and its reading."""
        found: Mapping[str, list[Any]] = self._ask(function) or {}
        for chip, sensors in found.items():
            labels = Counter(sensor.label for sensor in sensors)
            for number, sensor in enumerate(sensors, 1):
                distinct = len(sensors) == 1 or (sensor.label and labels[sensor.label] == 1)
                label = sensor.label if distinct else f"{sensor.label} {number}"
                words = re.findall(r"[a-z0-9]+", f"{noun} {chip} {label}".lower())
                yield "_".join(words), chip, sensor

    def _ask(self, function: str) -> Any:
        """The result of a probe's function; `None` if this system lacks it."""
        ask = getattr(self._probe, function, None)
        try:
            return None if ask is None else ask()
        except _ABSENT:
            return None


def _busy_s(times: Any) -> float:
    # Linux also counts the time of guests in `user` and `nice`
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times)) - guests - _idle_s(times)


def _idle_s(times: Any) -> float:
    return float(times.idle + getattr(times, "iowait", 0.0))


def _shares(rises: Mapping[str, float], cores: int) -> dict[str, float]:
    """The busy share of each core that was online at both readings, in percent."""
    shares = {}
    for n in range(cores):
        busy_s, idle_s = rises.get(f"busy {n}", 0.0), rises.get(f"idle {n}", 0.0)
        if busy_s + idle_s > 0:
            shares[str(n)] = 100 * busy_s / (busy_s + idle_s)
    return shares


def _high(yellow: float | None, red: float | None) -> Limits:
    """Limits on the high side; a yellow limit above the red one is left out."""
    if yellow is not None and red is not None and yellow > red:
        yellow = None
    return Limits((None, yellow), (None, red))


def _limit(value_c: float | None) -> float | None:
    return value_c if value_c is not None and 0 < value_c <= MAX_LIMIT_C else None


def _kilo(bytes_per_s: float | None) -> float | None:
    return None if bytes_per_s is None else round(bytes_per_s / 1e3, 3)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
