"""The simulated world: the state of the rover at any time.

The state is a pure function of seed, time scale and time, so separate telemetry and camera sources
show the same world.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

from sources.simulated.energy import HANDOVER_H, Energy, EnergyTable
from sources.simulated.sol import (
    SITE_LAT_DEG,
    SITE_LON_DEG,
    SOL_S,
    MissionClock,
    SolTime,
    Sun,
    sun_at,
)
from sources.simulated.terrain import Terrain
from sources.simulated.traverse import SOL_DRIVE_M, DrivePlan, Route
from sources.values.ranges import Range

Activity = Literal["driving", "imaging", "charging", "asleep"]

MARS_RADIUS_M = 3_389_500.0
_DEG_PER_M = 180 / (math.pi * MARS_RADIUS_M)
_CACHED_SOLS = 4


@dataclass(frozen=True, slots=True)
class RoverState:
    """The exact state of the rover at one time. Telemetry measures it with noise.

    Attributes:
        when: mission time.
        sun: position of the sun.
        east_m: distance from the landing site.
        north_m: distance from the landing site.
        along_m: distance along the route since the landing.
        driven_m: distance driven since midnight of this sol.
        speed_m_s: speed over ground.
        heading_deg: direction, clockwise from north.
        pitch_deg: positive is nose up.
        roll_deg: positive is right side down.
        energy: power and temperatures.
    """

    when: SolTime
    sun: Sun
    east_m: float
    north_m: float
    along_m: float
    driven_m: float
    speed_m_s: float
    heading_deg: float
    pitch_deg: float
    roll_deg: float
    energy: Energy

    @property
    def lat_deg(self) -> float:
        """Planetocentric north latitude."""
        return SITE_LAT_DEG + self.north_m * _DEG_PER_M

    @property
    def lon_deg(self) -> float:
        """East longitude."""
        return SITE_LON_DEG + self.east_m * _DEG_PER_M / math.cos(math.radians(SITE_LAT_DEG))

    @property
    def tilt_deg(self) -> float:
        """Angle of the deck to the horizontal."""
        level = math.cos(math.radians(self.pitch_deg)) * math.cos(math.radians(self.roll_deg))
        return math.degrees(math.acos(min(1.0, level)))

    @property
    def activity(self) -> Activity:
        """The current activity of the rover."""
        if self.speed_m_s > 0:
            return "driving"
        if self.sun.elevation_deg <= 0:
            return "asleep"
        return "imaging" if self.energy.battery_pct > 90 else "charging"


class World:
    """The simulated rover in Jezero crater."""

    def __init__(self, seed: int = 1, time_scale: float = 1.0) -> None:
        self.seed = Range(-(10**18), 10**18).whole("seed", seed)
        self.clock = MissionClock(Range(0.001, 10_000).number("time_scale", time_scale))
        self.terrain = Terrain(self.seed)
        self.route = Route(self.seed)
        self._drive_plan = lru_cache(_CACHED_SOLS)(partial(DrivePlan, self.seed))
        self._energy_table = lru_cache(_CACHED_SOLS)(partial(EnergyTable, self.seed))

    def state(self, t: float) -> RoverState:
        """The state of the rover at POSIX time `t`."""
        when = self.clock.at(t)
        motion = self._drive_plan(when.sol).motion(when.second)
        along_m = (when.sol - 1) * SOL_DRIVE_M + motion.driven_m
        east_m, north_m = self.route.position(along_m)
        heading_deg = self.route.heading_deg(along_m)
        rise_east, rise_north = self.terrain.slope(east_m, north_m)
        bearing = math.radians(heading_deg)
        ahead = rise_east * math.sin(bearing) + rise_north * math.cos(bearing)
        aside = rise_east * math.cos(bearing) - rise_north * math.sin(bearing)
        evening = when.hour >= HANDOVER_H
        table = self._energy_table(when.sol + 1 if evening else when.sol)
        second = when.second - SOL_S if evening else when.second
        return RoverState(
            when=when,
            sun=sun_at(when),
            east_m=east_m,
            north_m=north_m,
            along_m=along_m,
            driven_m=motion.driven_m,
            speed_m_s=motion.speed_m_s,
            heading_deg=heading_deg,
            pitch_deg=math.degrees(math.atan(ahead)),
            roll_deg=-math.degrees(math.atan(aside)),
            energy=table.at(when, second, motion.speed_m_s),
        )
