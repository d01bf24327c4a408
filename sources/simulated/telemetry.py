"""The telemetry of the simulated rover: `sim:`, `sim:?seed=3&rate_hz=10&time_scale=20`."""

from __future__ import annotations

import math
import time
from random import Random
from typing import TYPE_CHECKING

from sources.base import Event, Limits, Parameter, Sample, Severity, Value
from sources.simulated.sol import SOL_S, light_time_s
from sources.simulated.traverse import CRUISE_M_S
from sources.simulated.world import RoverState, World
from sources.values.pace import ticks
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

WHEELS: Mapping[str, str] = {
    "lf": "left front",
    "lm": "left middle",
    "lr": "left rear",
    "rf": "right front",
    "rm": "right middle",
    "rr": "right rear",
}

PARAMETERS: Sequence[Parameter] = (
    Parameter("location", "°", "vector", "Latitude north and longitude east of the rover"),
    Parameter("heading", "°", description="Direction of the rover, clockwise from north"),
    Parameter(
        "speed", "m/s", description="Speed over ground", limits=Limits((None, 0.36), (None, 0.42))
    ),
    Parameter("distance_driven", "m", description="Distance driven since midnight of this sol"),
    Parameter("pitch", "°", description="Positive is nose up", limits=Limits((-14, 14), (-25, 25))),
    Parameter(
        "roll", "°", description="Positive is right side down", limits=Limits((-14, 14), (-25, 25))
    ),
    Parameter(
        "tilt",
        "°",
        description="Angle of the deck to the horizontal",
        limits=Limits((None, 15), (None, 28)),
    ),
    Parameter(
        "battery_level", "%", description="Battery charge", limits=Limits((45, None), (25, None))
    ),
    Parameter(
        "battery_voltage",
        "V",
        description="Voltage of the main bus",
        limits=Limits((25.5, 34.5), (23.5, 35.5)),
    ),
    Parameter("solar_power", "W", description="Power of the solar panels"),
    Parameter(
        "power_load",
        "W",
        description="Electrical load of the rover",
        limits=Limits((None, 520), (None, 600)),
    ),
    Parameter(
        "motor_temperature",
        "°C",
        description="Temperature of the warmest of the six drive motors",
        limits=Limits((-85, 55), (-110, 75)),
    ),
    Parameter(
        "electronics_temperature",
        "°C",
        description="Temperature in the warm electronics box",
        limits=Limits((-20, 45), (-35, 55)),
    ),
    Parameter("ambient_temperature", "°C", description="Air temperature, 1.5 m above the ground"),
    *(
        Parameter(
            f"wheel_current_{wheel}",
            "A",
            description=f"Current of the {place} drive motor",
            limits=Limits((None, 5.5), (None, 7.0)),
        )
        for wheel, place in WHEELS.items()
    ),
    Parameter(
        "signal_strength",
        "dBm",
        description="Power of the relay orbiter's carrier at the rover",
        limits=Limits((-117, None), (-124, None)),
    ),
    Parameter(
        "link_latency",
        "s",
        description="One-way light time between Mars and Earth",
    ),
    Parameter("sun_elevation", "°", description="Elevation of the sun above the horizon"),
    Parameter("sol", "", "integer", "Number of the Martian day; landing was on sol 1"),
    Parameter("local_time", "", "text", "Local mean solar time, in 24 local hours"),
    Parameter("activity", "", "text", "driving, imaging, charging or asleep"),
)


class SimulatedTelemetry:
    """Measurements of the simulated rover at a constant rate.

    Args:
        seed: selects the world. Use the seed and time scale of the camera for the same world.
        rate_hz: samples per second, above 0 and up to 1,000. Missed samples are skipped.
        time_scale: mission seconds per second while the rover works; nights pass faster.
        clock: returns POSIX seconds.

    Raises:
        SourceError: an option is out of range.
    """

    simulated = True

    def __init__(
        self,
        seed: int = 1,
        rate_hz: float = 5.0,
        time_scale: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._period_s = 1 / Range(0.001, 1_000, "Hz").number("rate_hz", rate_hz)
        self._world = World(seed, time_scale)
        self._clock = clock

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The telemetry dictionary."""
        return PARAMETERS

    @property
    def period_s(self) -> float:
        """Seconds between two samples."""
        return self._period_s

    async def samples(self) -> AsyncIterator[Sample | Event]:
        """Yield a sample per period, without end, and an event at each change of activity.

        Delays do not add up.
        """
        activity: Value = None
        async for _ in ticks(self._period_s):
            sample = self.sample(self._clock())
            before, activity = activity, sample.values["activity"]
            if before not in (None, activity):
                yield Event(sample.t, Severity.INFO, "activity", f"{before} → {activity}")
            yield sample

    def sample(self, t: float) -> Sample:
        """The measurements at POSIX time `t`: equal for equal worlds and times."""
        state = self._world.state(t)
        noise = Random(hash((self._world.seed, round(t * 1e6))))
        return Sample(t, _measure(state, t, noise))


def _measure(state: RoverState, t: float, noise: Random) -> dict[str, Value]:
    energy = state.energy

    def read(truth: float, sigma: float, digits: int) -> float:
        return round(noise.gauss(truth, sigma), digits)

    driving = state.speed_m_s > 0
    # At rest the encoders read zero, and the inertial sensor has less noise.
    noise_factor = 1.0 if driving else 0.1
    charge = energy.battery_pct / 100
    bus_v = 25.6 + 6.0 * charge + 1.2 * charge**6 - 0.0022 * (energy.load_w - energy.solar_w)
    values: dict[str, Value] = {
        "location": {"lat": round(state.lat_deg, 7), "lon": round(state.lon_deg, 7)},
        "heading": read(state.heading_deg, 0.15 * noise_factor, 2) % 360,
        "speed": max(0.0, read(state.speed_m_s, 0.004, 3)) if driving else 0.0,
        "distance_driven": round(state.driven_m, 2),
        "pitch": read(state.pitch_deg, 0.25 * noise_factor, 2),
        "roll": read(state.roll_deg, 0.25 * noise_factor, 2),
        "tilt": abs(read(state.tilt_deg, 0.25 * noise_factor, 2)),
        "battery_level": min(100.0, max(0.0, read(energy.battery_pct, 0.01, 2))),
        "battery_voltage": read(bus_v, 0.01, 2),
        "solar_power": max(0.0, read(energy.solar_w, 0.006 * energy.solar_w, 1)),
        "power_load": max(0.0, read(energy.load_w, 0.4 + 0.02 * energy.load_w * driving, 1)),
        "motor_temperature": read(energy.motor_c, 0.08, 2),
        "electronics_temperature": read(energy.electronics_c, 0.05, 2),
        "ambient_temperature": read(energy.ambient_c, 0.25, 2),
        "signal_strength": read(_signal_dbm(state), 0.4, 1),
        "link_latency": round(light_time_s(t), 3),
        "sun_elevation": round(state.sun.elevation_deg, 3),
        "sol": state.when.sol,
        "local_time": state.when.text,
        "activity": state.activity,
    }
    values |= {
        f"wheel_current_{wheel}": max(0.0, read(*_wheel_a(state, wheel), 2)) for wheel in WHEELS
    }
    return values


def _wheel_a(state: RoverState, wheel: str) -> tuple[float, float]:
    """The current of a wheel motor and the standard deviation of its noise, in amperes."""
    effort = state.speed_m_s / CRUISE_M_S
    if effort == 0:
        return 0.0, 0.0
    side = -1 if wheel[0] == "l" else 1
    axle = {"f": 1, "m": 0, "r": -1}[wheel[1]]
    # Uphill, every wheel needs more current, the rear wheels most; roll loads the lower side.
    grade = 0.11 * state.pitch_deg * (1 - 0.3 * axle) + 0.03 * side * state.roll_deg
    ground = 0.25 * math.sin(state.along_m / 0.9 + axle * 1.3 + side * 2.1)
    return max(0.3, (2.3 + grade + ground) * effort), 0.12


def _signal_dbm(state: RoverState) -> float:
    """Signal strength: peaks as a relay passes, every 112 minutes, and varies with the heading."""
    second = state.when.sol * SOL_S + state.when.second
    orbit = math.sin(2 * math.pi * second / 6_720)
    fading = math.sin(second / 47) + math.sin(second / 19 + 1)
    return -106.0 + 7.5 * orbit + 0.7 * fading + 1.5 * math.cos(math.radians(state.heading_deg))
