"""The one simulated world: where the rover is and how it does, at any moment.

A pure function of the seed, the time scale and the caller's clock, so that telemetry and camera,
built apart, tell of the same world.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
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
_TABLES_KEPT = 4


@dataclass(frozen=True, slots=True)
class RoverState:
    """The truth of one moment; telemetry measures it with noise, the camera looks from it.

    Attributes:
        when: the mission's time.
        sun: where it stands.
        east_m: from the landing site.
        north_m: from the landing site.
        along_m: metres of the route since the landing.
        driven_m: metres since this sol's midnight.
        speed_m_s: over ground.
        heading_deg: clockwise from north.
        pitch_deg: nose up is positive.
        roll_deg: right side down is positive.
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
        """Planetocentric latitude, north."""
        return SITE_LAT_DEG + self.north_m * _DEG_PER_M

    @property
    def lon_deg(self) -> float:
        """Longitude, east."""
        return SITE_LON_DEG + self.east_m * _DEG_PER_M / math.cos(math.radians(SITE_LAT_DEG))

    @property
    def tilt_deg(self) -> float:
        """How far the deck leans from level."""
        level = math.cos(math.radians(self.pitch_deg)) * math.cos(math.radians(self.roll_deg))
        return math.degrees(math.acos(min(1.0, level)))

    @property
    def activity(self) -> Activity:
        """What the rover is at."""
        if self.speed_m_s > 0:
            return "driving"
        if self.sun.elevation_deg <= 0:
            return "asleep"
        return "imaging" if self.energy.battery_pct > 90 else "charging"


class World:
    """The simulated Jezero crater and the rover in it."""

    def __init__(self, seed: int = 1, time_scale: float = 1.0) -> None:
        self.seed = Range(-(10**18), 10**18).whole("seed", seed)
        self.clock = MissionClock(Range(0.001, 10_000).number("time_scale", time_scale))
        self.terrain = Terrain(self.seed)
        self.route = Route(self.seed)
        self._plans: OrderedDict[int, DrivePlan] = OrderedDict()
        self._tables: OrderedDict[int, EnergyTable] = OrderedDict()

    def state(self, t: float) -> RoverState:
        """The rover at POSIX time `t`."""
        when = self.clock.at(t)
        motion = self._plan(when.sol).motion(when.second)
        along_m = (when.sol - 1) * SOL_DRIVE_M + motion.driven_m
        east_m, north_m = self.route.place(along_m)
        heading_deg = self.route.heading_deg(along_m)
        rise_east, rise_north = self.terrain.slope(east_m, north_m)
        bearing = math.radians(heading_deg)
        ahead = rise_east * math.sin(bearing) + rise_north * math.cos(bearing)
        aside = rise_east * math.cos(bearing) - rise_north * math.sin(bearing)
        turned = when.hour >= HANDOVER_H
        table = self._table(when.sol + 1 if turned else when.sol)
        second = when.second - SOL_S if turned else when.second
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

    def _plan(self, sol: int) -> DrivePlan:
        if sol not in self._plans:
            self._plans[sol] = DrivePlan(self.seed, sol)
            if len(self._plans) > _TABLES_KEPT:
                self._plans.popitem(last=False)
        return self._plans[sol]

    def _table(self, sol: int) -> EnergyTable:
        if sol not in self._tables:
            self._tables[sol] = EnergyTable(self.seed, sol)
            if len(self._tables) > _TABLES_KEPT:
                self._tables.popitem(last=False)
        return self._tables[sol]
