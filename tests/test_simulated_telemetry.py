"""Simulated telemetry: documented parameters, deterministic samples, a constant rate."""

from __future__ import annotations

import itertools
import math
import time

import anyio
import pytest

from sources.base import Event, Paced, Parameter, SourceError, TelemetrySource, Value
from sources.simulated.sol import HOUR_S, LANDING_T, NIGHT_TIME_FACTOR, SOL_S
from sources.simulated.telemetry import PARAMETERS, SimulatedTelemetry
from sources.simulated.world import World
from sources.values.pace import ticks

pytestmark = pytest.mark.anyio

NOW = 1_795_331_983.0
CYCLE_S = 6.5 * HOUR_S + (SOL_S - 6.5 * HOUR_S) / NIGHT_TIME_FACTOR


def test_it_is_a_paced_telemetry_source() -> None:
    source: TelemetrySource = SimulatedTelemetry(rate_hz=10)
    assert isinstance(source, Paced)
    assert source.period_s == 0.1


def test_there_are_at_least_fourteen_parameters_and_all_are_documented() -> None:
    names = [parameter.name for parameter in PARAMETERS]
    assert len(names) >= 14
    assert len(set(names)) == len(names)
    assert "t" not in names
    for parameter in PARAMETERS:
        assert parameter.description, parameter.name
        assert parameter.unit or parameter.kind in {"integer", "text"}, parameter.name


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: str(parameter.name))
def test_red_limits_are_outside_yellow_limits(parameter: Parameter) -> None:
    (low, high), (red_low, red_high) = parameter.limits.yellow, parameter.limits.red
    assert (low is None) == (red_low is None)
    assert (high is None) == (red_high is None)
    if low is not None and red_low is not None:
        assert red_low < low
    if high is not None and red_high is not None:
        assert red_high > high


def _fits(value: Value, kind: str) -> bool:
    match kind:
        case "number":
            return isinstance(value, float) and math.isfinite(value)
        case "integer":
            return type(value) is int
        case "text":
            return isinstance(value, str) and bool(value)
        case "vector":
            return isinstance(value, dict) and all(math.isfinite(part) for part in value.values())
    return False


def test_in_two_sols_every_value_has_its_kind_and_none_is_a_red_alarm() -> None:
    source = SimulatedTelemetry()
    for i in range(1_500):
        values = source.sample(LANDING_T + 1_000 * CYCLE_S + i * CYCLE_S / 750).values
        assert set(values) == {parameter.name for parameter in PARAMETERS}
        for parameter in PARAMETERS:
            value = values[parameter.name]
            assert _fits(value, parameter.kind), (parameter.name, value)
            if isinstance(value, float):
                low, high = parameter.limits.red
                assert low is None or value > low, (parameter.name, value)
                assert high is None or value < high, (parameter.name, value)


def test_samples_of_equal_worlds_and_times_are_equal_including_noise() -> None:
    assert SimulatedTelemetry(seed=4).sample(NOW) == SimulatedTelemetry(seed=4).sample(NOW)
    assert SimulatedTelemetry(seed=4).sample(NOW) != SimulatedTelemetry(seed=5).sample(NOW)


def test_samples_are_the_state_of_the_world_with_little_noise() -> None:
    source, world = SimulatedTelemetry(), World()
    for i in range(200):
        state, values = world.state(NOW + i), source.sample(NOW + i).values
        location = values["location"]
        assert isinstance(location, dict)
        assert location["lat"] == pytest.approx(state.lat_deg, abs=1e-6)
        assert location["lon"] == pytest.approx(state.lon_deg, abs=1e-6)
        assert values["battery_level"] == pytest.approx(state.energy.battery_pct, abs=0.1)
        assert values["speed"] == pytest.approx(state.speed_m_s, abs=0.03)
        assert values["sol"] == state.when.sol
        assert values["activity"] == state.activity


def test_wheel_currents_are_zero_unless_the_rover_drives() -> None:
    source = SimulatedTelemetry()
    seen = set()
    for i in range(0, 600, 5):
        values = source.sample(NOW + i).values
        current, driving = values["wheel_current_lf"], values["activity"] == "driving"
        assert isinstance(current, float)
        seen.add(driving)
        if not driving:
            assert current == 0
        elif values["speed"] == pytest.approx(0.3, abs=0.06):
            assert current > 0.3
    assert seen == {True, False}


def test_a_sample_takes_less_than_a_millisecond_of_cpu_time() -> None:
    source = SimulatedTelemetry()
    source.sample(NOW)
    started = time.process_time()
    for i in range(2_000):
        source.sample(NOW + i / 1_000)
    assert (time.process_time() - started) / 2_000 < 0.001


class Metronome:
    """A clock that moves only when someone sleeps, and then by a little too much."""

    def __init__(self, late_s: float = 0.0) -> None:
        self.now_s = 1_000.0
        self.late_s = late_s

    def now(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        await anyio.lowlevel.checkpoint()
        self.now_s += seconds + self.late_s


async def test_ticks_come_at_once_and_then_on_one_schedule_that_does_not_drift() -> None:
    metronome = Metronome(late_s=0.013)
    at = []
    async for beat in ticks(0.1, metronome.now, metronome.sleep):
        at.append((beat, metronome.now_s - 1_000))
        if beat == 5_000:
            break
    assert at[0][1] == 0
    assert [beat for beat, _ in at] == list(range(5_001))
    assert all(-1e-9 < moment - beat * 0.1 < 0.014 for beat, moment in at)


async def test_missed_ticks_are_skipped_and_not_yielded_in_a_burst() -> None:
    metronome = Metronome()
    at: list[float] = []
    seen: list[int] = []
    async for beat in ticks(0.1, metronome.now, metronome.sleep):
        seen.append(beat)
        at.append(metronome.now_s)
        if beat == 3:
            metronome.now_s += 1.05
        if beat > 15:
            break
    assert seen == [0, 1, 2, 3, 13, 14, 15, 16]
    assert all(later - earlier > 0.04 for earlier, later in itertools.pairwise(at))


async def test_samples_have_the_times_of_the_injected_clock() -> None:
    ticking = itertools.count(NOW)
    source = SimulatedTelemetry(rate_hz=200, clock=lambda: float(next(ticking)))
    times = []
    with anyio.fail_after(5):
        async for sample in source.samples():
            times.append(sample.t)
            if len(times) == 40:
                break
    assert times == [NOW + i for i in range(40)]


async def test_a_change_of_activity_is_an_event_before_its_sample() -> None:
    sols = itertools.count(NOW, HOUR_S / 4)
    source = SimulatedTelemetry(rate_hz=1_000, clock=lambda: next(sols))
    activities: list[Value] = []
    messages: list[str] = []
    with anyio.fail_after(10):
        async for item in source.samples():
            if isinstance(item, Event):
                messages.append(item.message)
            else:
                activities.append(item.values["activity"])
                if len(activities) == 200:
                    break
    pairs = itertools.pairwise(activities)
    assert messages == [f"{before} → {after}" for before, after in pairs if before != after]
    assert messages


@pytest.mark.parametrize("rate_hz", [0, -5, 1_001, float("nan"), float("inf"), "quick", True])
def test_a_rate_out_of_range_is_refused_by_name(rate_hz: float) -> None:
    with pytest.raises(SourceError, match=r"^rate_hz="):
        SimulatedTelemetry(rate_hz=rate_hz)
