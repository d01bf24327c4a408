"""The simulated world: a plausible, pure function of seed, time scale and time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sources.base import SourceError
from sources.simulated.energy import HANDOVER_H, EnergyTable
from sources.simulated.sol import (
    HOUR_S,
    LANDING_T,
    NIGHT_TIME_FACTOR,
    SOL_S,
    WORK_END_H,
    WORK_START_H,
    MissionClock,
    SolTime,
    light_time_s,
    sun_at,
)
from sources.simulated.traverse import CRUISE_M_S, SOL_DRIVE_M, DrivePlan, Route
from sources.simulated.world import World

NOW = 1_795_331_983.0
WORK_S = (WORK_END_H - WORK_START_H) * HOUR_S
CYCLE_S = WORK_S + (SOL_S - WORK_S) / NIGHT_TIME_FACTOR


def test_equal_worlds_agree_at_any_time_whatever_was_computed_before() -> None:
    one, other = World(seed=3, time_scale=20), World(seed=3, time_scale=20)
    for t in (NOW + 1e6, LANDING_T - 5e5, 0.0):
        one.state(t)
    for t in np.linspace(NOW, NOW + 5_000, 60):
        assert one.state(float(t)) == other.state(float(t))


def test_another_seed_gives_another_world() -> None:
    assert World(seed=1).state(NOW).east_m != World(seed=2).state(NOW).east_m


def test_landing_is_at_the_start_of_the_first_working_day() -> None:
    state = World().state(LANDING_T)
    assert state.when.sol == 1
    assert state.when.hour == pytest.approx(WORK_START_H)
    assert state.lat_deg == pytest.approx(18.4447)
    assert state.lon_deg == pytest.approx(77.4508)


@pytest.mark.parametrize("time_scale", [1.0, 20.0])
def test_mission_time_runs_at_the_time_scale_by_day_and_faster_at_night(
    time_scale: float,
) -> None:
    clock = MissionClock(time_scale)

    def passed_s(t: float, seconds: float) -> float:
        before, after = clock.at(t), clock.at(t + seconds / time_scale)
        return (after.sol - before.sol) * SOL_S + after.second - before.second

    assert passed_s(LANDING_T + 10, 100) == pytest.approx(100, abs=1e-3)
    night = LANDING_T + (WORK_S + 20) / time_scale
    assert passed_s(night, 100) == pytest.approx(100 * NIGHT_TIME_FACTOR, abs=0.1)
    assert clock.at(LANDING_T + 7 * CYCLE_S / time_scale + 1e-6).sol == 8


def test_mission_time_always_increases() -> None:
    clock = MissionClock()
    moments = [clock.at(LANDING_T + i * 53.0) for i in range(-500, 1_500)]
    times = [moment.sol * SOL_S + moment.second for moment in moments]
    assert all(a < b for a, b in itertools.pairwise(times))
    assert all(0 <= moment.second < SOL_S for moment in moments)


def test_local_time_is_formatted_as_hours_minutes_seconds() -> None:
    assert SolTime(1, 13.5 * HOUR_S).text == "13:30:00"
    assert SolTime(1, SOL_S - 1e-9).text == "23:59:59"


def test_the_sun_rises_in_the_east_and_sets_in_the_west() -> None:
    noon, night = sun_at(SolTime(1, SOL_S / 2)), sun_at(SolTime(1, 0.0))
    assert noon.elevation_deg == pytest.approx(90 - 18.4447 - 24, abs=0.01)
    assert noon.azimuth_deg == pytest.approx(180, abs=0.01)
    assert night.elevation_deg < -60
    rise, fall = sun_at(SolTime(1, 6.6 * HOUR_S)), sun_at(SolTime(1, 17.4 * HOUR_S))
    assert abs(rise.elevation_deg) < 2
    assert rise.azimuth_deg == pytest.approx(115, abs=3)
    assert fall.azimuth_deg == pytest.approx(245, abs=3)


def test_light_time_matches_known_distances() -> None:
    # Opposition of 2018-07-27 (closest 2018-07-31: 0.385 AU) and conjunction of 2023-11-18.
    assert light_time_s(1_532_995_200) == pytest.approx(0.3850 * 499.005, rel=0.01)
    assert light_time_s(1_700_265_600) == pytest.approx(2.54 * 499.005, rel=0.02)
    assert all(180 < light_time_s(1.6e9 + day * 86_400) < 1_345 for day in range(0, 6_000, 10))


def test_every_sol_drives_the_same_distance_in_working_hours() -> None:
    for sol in (1, 2, 1_130, -4):
        plan = DrivePlan(1, sol)
        seconds = np.arange(0, SOL_S, 1.0)
        driven, speed = plan.motions(seconds)
        assert driven[0] == 0
        assert driven[-1] == pytest.approx(SOL_DRIVE_M)
        assert (np.diff(driven) >= -1e-9).all()
        assert speed.max() < 1.1 * CRUISE_M_S
        moving = seconds[speed > 0] / HOUR_S
        assert moving.min() >= WORK_START_H
        assert moving.max() <= WORK_END_H


def test_speed_is_the_derivative_of_distance() -> None:
    plan = DrivePlan(1, 5)
    seconds = np.arange(WORK_START_H * HOUR_S, WORK_END_H * HOUR_S, 0.5)
    driven, speed = plan.motions(seconds)
    middle = (speed[1:] + speed[:-1]) / 2
    assert np.allclose(np.diff(driven) / 0.5, middle, atol=0.02)


def test_the_rover_drives_within_any_130_seconds_of_its_working_day() -> None:
    plan = DrivePlan(1, 1_130)
    seconds = np.arange(WORK_START_H * HOUR_S, WORK_END_H * HOUR_S - 300, 10.0)
    driven, _ = plan.motions(seconds)
    later, _ = plan.motions(seconds + 130)
    assert (later > driven).all()


def test_the_route_is_a_closed_loop_of_several_kilometres_near_the_site() -> None:
    route = Route(1)
    along = np.linspace(0, route.length_m, 2_000)
    east, north = route.positions(along)
    assert 3_000 < route.length_m < 8_000
    assert np.hypot(east, north).max() < 2_500
    assert route.position(route.length_m + 10) == pytest.approx(route.position(10), abs=1e-6)


@pytest.mark.parametrize("along_m", [0.01, 100.0, 2_345.6, -7.0])
def test_the_heading_follows_the_route(along_m: float) -> None:
    route = Route(1)
    (east, north), (on_east, on_north) = route.position(along_m), route.position(along_m + 0.5)
    bearing = np.degrees(np.arctan2(on_east - east, on_north - north))
    assert (route.heading_deg(along_m + 0.25) - bearing + 180) % 360 - 180 == pytest.approx(
        0, abs=3
    )


@pytest.mark.parametrize(("seed", "sol"), [(1, 1), (1, 1_130), (7, 40), (-3, -12), (99, 20_000)])
def test_the_battery_is_full_at_the_end_of_each_energy_table(seed: int, sol: int) -> None:
    end_s = HANDOVER_H * HOUR_S
    end = EnergyTable(seed, sol).at(SolTime(sol, end_s), end_s, 0.0)
    assert end.battery_pct == pytest.approx(100)


def test_the_state_changes_continuously() -> None:
    world = World()
    start = LANDING_T + 900 * CYCLE_S
    states = [world.state(start + i * 5.0) for i in range(int(2 * CYCLE_S / 5))]
    for before, after in itertools.pairwise(states):
        # At night, five seconds are ten minutes of mission time.
        assert abs(after.energy.battery_pct - before.energy.battery_pct) < 6
        assert abs(after.energy.motor_c - before.energy.motor_c) < 16
        assert abs(after.energy.electronics_c - before.energy.electronics_c) < 4
        assert abs(after.energy.ambient_c - before.energy.ambient_c) < 4
        assert np.hypot(after.east_m - before.east_m, after.north_m - before.north_m) < 1.7


def test_the_battery_discharges_while_driving_and_at_night_and_charges_in_the_sun() -> None:
    world = World()
    noon = LANDING_T + 300 * CYCLE_S + 3 * HOUR_S
    fell = rose = 0
    for i in range(300):
        # The charge is integrated in steps of ten seconds: compare from one step into the motion.
        states = [world.state(noon + 10 * i + s) for s in (-10, 0, 10, 20)]
        change = states[2].energy.battery_pct - states[1].energy.battery_pct
        if all(state.speed_m_s > 0.2 for state in states):
            fell += 1
            assert change < 0
        elif states[0].driven_m == states[-1].driven_m:
            rose += 1
            assert change > 0 or states[2].energy.battery_pct == 100
    assert fell > 50
    assert rose > 20
    evening = LANDING_T + 300 * CYCLE_S + WORK_S + (20 - WORK_END_H) * HOUR_S / NIGHT_TIME_FACTOR
    night = [world.state(evening + i).energy.battery_pct for i in range(250)]
    assert all(a > b for a, b in itertools.pairwise(night))


def test_temperatures_follow_the_time_of_day() -> None:
    world = World()
    start = LANDING_T + 300 * CYCLE_S
    states = [world.state(start + i * 10.0) for i in range(int(CYCLE_S / 10))]
    coldest = min(states, key=lambda s: s.energy.ambient_c)
    warmest = max(states, key=lambda s: s.energy.ambient_c)
    assert 3 < coldest.when.hour < 7
    assert 12 < warmest.when.hour < 16
    assert -95 < coldest.energy.ambient_c < -65
    assert -30 < warmest.energy.ambient_c < 5
    assert all(-25 < s.energy.electronics_c < 45 for s in states)
    assert all(s.energy.motor_c >= s.energy.ambient_c - 15 for s in states)
    assert all(s.energy.solar_w == 0 for s in states if s.sun.elevation_deg <= 0)


def test_energy_tables_change_after_the_working_day() -> None:
    assert WORK_END_H < HANDOVER_H < 24


@pytest.mark.parametrize(
    ("seed", "time_scale", "text"),
    [
        (1.5, 1.0, "seed=1.5"),
        (True, 1.0, "seed=True"),
        ("x", 1.0, "seed=x"),
        (10**30, 1.0, "seed="),
        (1, 0.0, "time_scale=0"),
        (1, -1.0, "time_scale=-1"),
        (1, float("nan"), "time_scale=nan"),
        (1, float("inf"), "time_scale=inf"),
        (1, "fast", "time_scale=fast"),
    ],
)
def test_an_option_out_of_range_is_refused_with_its_name_and_value(
    seed: int, time_scale: float, text: str
) -> None:
    with pytest.raises(SourceError, match=f"^{text}"):
        World(seed, time_scale)
