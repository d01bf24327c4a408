"""Solar power, load, battery charge and temperatures of the rover through one sol.

Charge and temperatures depend on the past, so they are integrated in fixed steps, one table per
sol. The battery is full at the end of each working day, so a table needs no values from the sol
before. It starts at noon of the sol before, early enough to be independent of its start values, and
is valid from `HANDOVER_H` of the sol before to `HANDOVER_H` of its sol.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sources.simulated.sol import HOUR_S, SOL_S, SolTime, sun_at
from sources.simulated.traverse import CRUISE_M_S, DrivePlan

Array = NDArray[np.float64]

CAPACITY_WH = 1_100.0
SOLAR_PEAK_W = 388.0
DRIVE_W = 420.0
"""Power at cruise speed, above the solar power at noon: driving always discharges the battery."""
AWAKE_W = 30.0
ASLEEP_W = 20.0
HEATER_W = 18.0

HANDOVER_H = 16.5
"""Local hour at which one table ends and the next begins: the rover is parked and fully charged."""

_STEP_S = 10.0
_WARM_UP_H = 4.5
_MOTOR_LAG_S = 900.0
_ELECTRONICS_LAG_S = 5_400.0


@dataclass(frozen=True, slots=True)
class Energy:
    """The power budget and the temperatures at one moment."""

    battery_pct: float
    solar_w: float
    load_w: float
    motor_c: float
    electronics_c: float
    ambient_c: float


def ambient_c(second: float) -> float:
    """Air temperature: lowest before dawn, highest two hours after noon.

    Source: the shape of REMS data from Curiosity; a fast rise in the morning, a slow fall at night.
    """
    phase = 2 * math.pi * (second / SOL_S - 14 / 24)
    return -50.0 + 29.0 * math.cos(phase + 0.45 * math.sin(phase)) + 3.0 * math.cos(2 * phase)


def solar_w(elevation_deg: float) -> float:
    """Power of the dusty solar panels from the direct beam and the sky, by elevation of the sun."""
    up = math.sin(math.radians(elevation_deg))
    if up <= 0:
        return 0.0
    # Optical depth 0.5; half of the light that the dust scatters reaches the panels as sky light.
    beam = up * math.exp(-0.5 / (up + 0.05))
    return SOLAR_PEAK_W * (beam + 0.5 * (up - beam)) / 0.565


class EnergyTable:
    """Charge and temperatures, from `HANDOVER_H` of the sol before to `HANDOVER_H` of the sol."""

    def __init__(self, seed: int, sol: int) -> None:
        start_s = (HANDOVER_H - _WARM_UP_H) * HOUR_S - SOL_S
        self._start_s = start_s
        count = int((HANDOVER_H * HOUR_S - start_s) / _STEP_S) + 2
        seconds: Array = start_s + _STEP_S * np.arange(count, dtype=np.float64)
        speed = np.where(
            seconds < 0,
            DrivePlan(seed, sol - 1).motions(seconds + SOL_S)[1],
            DrivePlan(seed, sol).motions(seconds)[1],
        )
        sunlight = [solar_w(sun_at(_moment(sol, second)).elevation_deg) for second in seconds[::6]]
        inputs = zip(
            (speed / CRUISE_M_S).tolist(),
            np.interp(seconds, seconds[::6], sunlight).tolist(),
            [_awake(second) for second in seconds],
            [ambient_c(second) for second in seconds],
            strict=True,
        )
        battery, motor, electronics = np.empty(count), np.empty(count), np.empty(count)
        charge_wh, motor_c, box_c = 0.8 * CAPACITY_WH, -20.0, 15.0
        for i, (effort, sun_w, awake, air_c) in enumerate(inputs):
            battery[i], motor[i], electronics[i] = charge_wh, motor_c, box_c
            load_w = _load_w(effort, awake, box_c)
            charge_wh += (sun_w - load_w) * _STEP_S / 3600
            charge_wh = min(CAPACITY_WH, max(0.0, charge_wh))
            motor_c += (air_c + 55.0 * effort - motor_c) * _STEP_S / _MOTOR_LAG_S
            warmth_c = 24.0 + 0.02 * sun_w + 0.45 * (load_w - DRIVE_W * effort) + 5.0 * effort
            box_c += (0.55 * air_c + warmth_c - box_c) * _STEP_S / _ELECTRONICS_LAG_S
        self._battery = battery / CAPACITY_WH * 100
        self._motor, self._electronics = motor, electronics

    def at(self, when: SolTime, second: float, speed_m_s: float) -> Energy:
        """The state at `second` of the sol, negative for the evening before."""
        place = (second - self._start_s) / _STEP_S
        step = min(len(self._battery) - 2, max(0, int(place)))
        part = place - step

        def between(table: Array) -> float:
            return float(table[step] + (table[step + 1] - table[step]) * part)

        box_c = between(self._electronics)
        return Energy(
            battery_pct=min(100.0, between(self._battery)),
            solar_w=solar_w(sun_at(when).elevation_deg),
            load_w=_load_w(speed_m_s / CRUISE_M_S, _awake(second), box_c),
            motor_c=between(self._motor),
            electronics_c=box_c,
            ambient_c=ambient_c(second),
        )


def _moment(sol: int, second: float) -> SolTime:
    return SolTime(sol, second) if second >= 0 else SolTime(sol - 1, second + SOL_S)


def _awake(second: float) -> bool:
    """Whether the rover is awake: from 8:00 to `HANDOVER_H`; on the sol before, until then."""
    return 8.0 * HOUR_S <= second < HANDOVER_H * HOUR_S or second < HANDOVER_H * HOUR_S - SOL_S


def _load_w(effort: float, awake: bool, electronics_c: float) -> float:
    heater_w = HEATER_W * min(1.0, max(0.0, (12.0 - electronics_c) / 8.0))
    return (AWAKE_W if awake else ASLEEP_W) + heater_w + DRIVE_W * effort
