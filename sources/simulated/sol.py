"""Time on Mars: sols and local hours, the position of the sun, the light time to Earth.

Mission time is a pure function of the caller's time: two worlds with the same `time_scale` agree at
any time, whenever they were started.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SOL_S = 88_775.244
"""A Martian solar day. Source: Allison & McEwen 2000, Planet. Space Sci. 48."""

HOUR_S = SOL_S / 24
"""A local hour: the 24th part of a sol."""

SITE_LAT_DEG = 18.4447
SITE_LON_DEG = 77.4508

LANDING_T = 1_767_225_600.0
"""POSIX seconds (2026-01-01) at which the working day of sol 1 begins."""

WORK_START_H = 9.0
WORK_END_H = 15.5
NIGHT_TIME_FACTOR = 120.0
"""Factor by which the hours between two working days pass faster.

A rover sleeps for most of a sol. With this factor, evening, night and morning together last about
eight minutes of real time, so that people who open the page usually see the rover at work.
"""

_DECLINATION_RAD = math.radians(-24.0)
"""Constant declination near the northern winter solstice: every sol has the same power budget, and
shadows are long at noon."""

_AU_LIGHT_S = 499.004784
_J2000_T = 946_728_000.0
_CENTURY_S = 36_525 * 86_400.0


@dataclass(frozen=True, slots=True)
class SolTime:
    """A time of the mission.

    Attributes:
        sol: number of the sol. The rover landed on sol 1; earlier sols are 0 and negative.
        second: seconds since local midnight, 0 to `SOL_S`.
    """

    sol: int
    second: float

    @property
    def hour(self) -> float:
        """Local mean solar time, 0 to 24."""
        return self.second / HOUR_S

    @property
    def text(self) -> str:
        """Local time as `HH:MM:SS`, in 24 local hours."""
        local_s = min(int(self.hour * 3600), 86_399)
        return f"{local_s // 3600:02}:{local_s // 60 % 60:02}:{local_s % 60:02}"


@dataclass(frozen=True, slots=True)
class Sun:
    """Position of the sun in the sky of the site, in degrees; azimuth is clockwise from north."""

    elevation_deg: float
    azimuth_deg: float


@dataclass(frozen=True, slots=True)
class MissionClock:
    """Converts POSIX seconds to mission time.

    In working hours, one second is `time_scale` seconds of mission time. Between working days it is
    `NIGHT_TIME_FACTOR` times as much.
    """

    time_scale: float = 1.0

    def at(self, t: float) -> SolTime:
        """The mission time at POSIX time `t`."""
        work_s = (WORK_END_H - WORK_START_H) * HOUR_S
        cycle_s = work_s + (SOL_S - work_s) / NIGHT_TIME_FACTOR
        cycles, passed_s = divmod((t - LANDING_T) * self.time_scale, cycle_s)
        rested_s = max(0.0, passed_s - work_s) * NIGHT_TIME_FACTOR
        second = WORK_START_H * HOUR_S + min(passed_s, work_s) + rested_s
        days, second = divmod(second, SOL_S)
        return SolTime(1 + int(cycles) + int(days), second)


def sun_at(when: SolTime) -> Sun:
    """The position of the sun, from mean solar time: accurate enough for light and shadow."""
    turn = 2 * math.pi * (when.second / SOL_S - 0.5)
    lat = math.radians(SITE_LAT_DEG)
    to_pole, to_equator = math.sin(_DECLINATION_RAD), math.cos(_DECLINATION_RAD)
    up = math.sin(lat) * to_pole + math.cos(lat) * to_equator * math.cos(turn)
    north = math.cos(lat) * to_pole - math.sin(lat) * to_equator * math.cos(turn)
    east = -to_equator * math.sin(turn)
    return Sun(
        elevation_deg=math.degrees(math.asin(max(-1.0, min(1.0, up)))),
        azimuth_deg=math.degrees(math.atan2(east, north)) % 360,
    )


def light_time_s(t: float) -> float:
    """One-way light time between Earth and Mars at POSIX time `t`, in seconds: 182 to 1,340.

    Source: E. M. Standish, Keplerian Elements for Approximate Positions of the Major Planets,
    table 1 (1800 to 2050), in the plane of the ecliptic.
    """
    centuries = (t - _J2000_T) / _CENTURY_S
    earth = _ecliptic_au(
        1.00000261, 0.01671123, 100.46457166 + 35_999.37244981 * centuries, 102.93768193
    )
    mars = _ecliptic_au(
        1.52371034, 0.09339410, -4.55343205 + 19_140.30268499 * centuries, -23.94362959
    )
    return math.dist(earth, mars) * _AU_LIGHT_S


def _ecliptic_au(
    axis_au: float, eccentricity: float, longitude_deg: float, perihelion_deg: float
) -> tuple[float, float]:
    mean = math.radians((longitude_deg - perihelion_deg) % 360)
    anomaly = mean
    for _ in range(6):  # Newton's method; these eccentricities converge in four
        anomaly -= (anomaly - eccentricity * math.sin(anomaly) - mean) / (
            1 - eccentricity * math.cos(anomaly)
        )
    along = axis_au * (math.cos(anomaly) - eccentricity)
    across = axis_au * math.sqrt(1 - eccentricity**2) * math.sin(anomaly)
    turn = math.radians(perihelion_deg)
    return (
        along * math.cos(turn) - across * math.sin(turn),
        along * math.sin(turn) + across * math.cos(turn),
    )
