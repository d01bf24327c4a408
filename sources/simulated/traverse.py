"""The route of the rover, a closed survey loop, and its drive plan for each sol."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sources.simulated.sol import HOUR_S, WORK_END_H, WORK_START_H

Array = NDArray[np.float64]

CRUISE_M_S = 0.3
LEGS_PER_SOL = 112
DRIVING_SHARE = 0.6
RAMP_S = 4.0
"""Seconds to accelerate to cruise speed, and to stop."""

_WORK_S = (WORK_END_H - WORK_START_H) * HOUR_S
_DRIVE_S = _WORK_S * DRIVING_SHARE
SOL_DRIVE_M = CRUISE_M_S * (_DRIVE_S - LEGS_PER_SOL * RAMP_S)
"""Metres driven per sol. Every sol has the same, so a position does not depend on earlier sols."""


@dataclass(frozen=True, slots=True)
class Motion:
    """The motion of the rover at one time: distance since midnight, and speed."""

    driven_m: float
    speed_m_s: float


class DrivePlan:
    """The legs of one sol: drive for one to three minutes, stop to take images and to charge."""

    def __init__(self, seed: int, sol: int) -> None:
        random = np.random.default_rng((abs(seed), abs(sol), 2 * (seed < 0) + (sol < 0)))
        legs = random.uniform(0.6, 1.4, LEGS_PER_SOL)
        stops = random.uniform(0.6, 1.4, LEGS_PER_SOL)
        legs_s = legs * (_DRIVE_S / legs.sum())
        stops_s = stops * ((_WORK_S - _DRIVE_S) / stops.sum())
        # The working day begins with a leg.
        ends = np.cumsum(legs_s + stops_s) + WORK_START_H * HOUR_S
        self._starts_s: Array = ends - legs_s - stops_s
        self._legs_s = legs_s
        lengths_m = CRUISE_M_S * (legs_s - RAMP_S)
        self._before_m: Array = np.concatenate(([0.0], np.cumsum(lengths_m)))[:-1]
        self._oscillation: Array = random.integers(2, 7, LEGS_PER_SOL).astype(np.float64)

    def motion(self, second: float) -> Motion:
        """The motion at a second of the sol."""
        driven, speed = self.motions(np.array([second]))
        return Motion(float(driven[0]), float(speed[0]))

    def motions(self, seconds: Array) -> tuple[Array, Array]:
        """Distances and speeds at the given seconds of the sol, as arrays of the same shape."""
        leg = np.clip(np.searchsorted(self._starts_s, seconds, side="right") - 1, 0, None)
        length_s = self._legs_s[leg]
        into_s = np.clip(seconds - self._starts_s[leg], 0.0, length_s)
        left_s = length_s - into_s
        up_s, down_s = np.minimum(into_s, RAMP_S), np.minimum(left_s, RAMP_S)
        cruised_s = np.clip(into_s - RAMP_S, 0.0, length_s - 2 * RAMP_S)
        # A trapezoid of speed, plus an oscillation that sums to zero over the leg.
        rate = 2 * math.pi * self._oscillation[leg] / (length_s - 2 * RAMP_S)
        oscillation_m = 0.08 * CRUISE_M_S * (1 - np.cos(rate * cruised_s)) / rate
        ramps_m = CRUISE_M_S * (up_s**2 + RAMP_S**2 - down_s**2) / (2 * RAMP_S)
        metres = ramps_m + CRUISE_M_S * cruised_s + oscillation_m
        cruising = (into_s > RAMP_S) & (left_s > RAMP_S)
        speed = CRUISE_M_S * np.minimum(up_s, down_s) / RAMP_S
        speed = speed + cruising * 0.08 * CRUISE_M_S * np.sin(rate * cruised_s)
        return self._before_m[leg] + metres, speed


class Route:
    """A closed, winding loop of several kilometres that starts and ends at the landing site.

    Positions on it are metres along the loop; east and north are metres from the site.
    """

    def __init__(self, seed: int, radius_m: float = 700.0) -> None:
        random = np.random.default_rng((abs(seed), int(seed < 0), 0x70757465))
        turn = np.linspace(0.0, 2 * math.pi, 16_385)
        radius = np.ones_like(turn)
        for k in range(2, 6):
            radius += (
                random.uniform(0.3, 1.0) * 0.22 / k * np.cos(k * turn + random.uniform(0, 6.3))
            )
        for k in random.choice(np.arange(14, 70), 14, replace=False):
            # Bends of a similar angle at every length, as when a rover avoids obstacles.
            radius += 0.16 / k * random.normal() * np.cos(int(k) * turn + random.uniform(0, 6.3))
        east, north = radius_m * radius * np.cos(turn), radius_m * radius * np.sin(turn)
        self._east, self._north = east - east[0], north - north[0]
        steps = np.hypot(np.diff(self._east), np.diff(self._north))
        self._along: Array = np.concatenate(([0.0], np.cumsum(steps)))
        self.length_m = float(self._along[-1])
        bearing = np.unwrap(np.arctan2(np.diff(self._east), np.diff(self._north)))
        middle = self._along[:-1] + steps / 2
        turned = 2 * math.pi * round((bearing[-1] - bearing[0]) / (2 * math.pi))
        self._middle: Array = np.concatenate(
            ([middle[-1] - self.length_m], middle, [middle[0] + self.length_m])
        )
        self._bearing: Array = np.concatenate(
            ([bearing[-1] - turned], bearing, [bearing[0] + turned])
        )

    def position(self, along_m: float) -> tuple[float, float]:
        """East and north at a distance along the loop."""
        east, north = self.positions(np.array([along_m]))
        return float(east[0]), float(north[0])

    def positions(self, along_m: Array) -> tuple[Array, Array]:
        """East and north at each of the distances along the loop."""
        along = along_m % self.length_m
        return np.interp(along, self._along, self._east), np.interp(along, self._along, self._north)

    def heading_deg(self, along_m: float) -> float:
        """Direction of the loop at a distance along it, clockwise from north, 0 to 360."""
        bearing = np.interp(along_m % self.length_m, self._middle, self._bearing)
        return math.degrees(float(bearing)) % 360
