"""Time on Mars: the mission's sols and hours, where the sun stands, how far away Earth is.

The mission's clock is a pure function of the caller's: two worlds of one `time_scale` agree at
every moment, whenever and wherever they were started.
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
"""POSIX seconds (2026-01-01) at which sol 1's work began."""

WORK_START_H = 9.0
WORK_END_H = 15.5
NIGHT_TIME_FACTOR = 120.0
"""How much faster the hours between two working days pass.

A rover sleeps for most of a sol. Someone who opens the page at any hour should find one at work,
so the evening, the night and the morning together last some eight minutes of the viewer's time.
"""

_DECLINATION_RAD = math.radians(-24.0)
"""The season stands still near the northern winter solstice: one power budget holds in every sol,
and shadows are long at noon too."""

_AU_LIGHT_S = 499.004784
_J2000_T = 946_728_000.0
_CENTURY_S = 36_525 * 86_400.0


@dataclass(frozen=True, slots=True)
class SolTime:
    """A moment on the mission's clock.

    Attributes:
        sol: the count of sols; the rover landed on sol 1. Below it before the landing.
        second: since local midnight, 0 to `SOL_S`.
    """

    sol: int
    second: float

    @property
    def hour(self) -> float:
        """Local mean solar time, 0 to 24."""
        return self.second / HOUR_S

    @property
    def text(self) -> str:
        """The local time as `HH:MM:SS`, of 24 local hours."""
        local_s = min(int(self.hour * 3600), 86_399)
        return f"{local_s // 3600:02}:{local_s // 60 % 60:02}:{local_s % 60:02}"


@dataclass(frozen=True, slots=True)
class Sun:
    """Where the sun stands in the site's sky, in degrees; azimuth is clockwise from north."""

    elevation_deg: float
    azimuth_deg: float


@dataclass(frozen=True, slots=True)
class MissionClock:
    """Turns the caller's POSIX seconds into the mission's sols.

    In working hours `time_scale` seconds of the mission pass in one of the caller's; in the hours
    between them, `NIGHT_TIME_FACTOR` times as many.
    """

    time_scale: float = 1.0

    def at(self, t: float) -> SolTime:
        """The mission's moment at POSIX time `t`."""
        work_s = (WORK_END_H - WORK_START_H) * HOUR_S
        turn_s = work_s + (SOL_S - work_s) / NIGHT_TIME_FACTOR
        turns, passed_s = divmod((t - LANDING_T) * self.time_scale, turn_s)
        rested_s = max(0.0, passed_s - work_s) * NIGHT_TIME_FACTOR
        second = WORK_START_H * HOUR_S + min(passed_s, work_s) + rested_s
        days, second = divmod(second, SOL_S)
        return SolTime(1 + int(turns) + int(days), second)


def sun_at(when: SolTime) -> Sun:
    """The sun over the site; mean solar time is near enough for light and shadow."""
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
    """Seconds that light takes one way between Earth and Mars at POSIX time `t`: 182 to 1,340.

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
