"""The view of one image: position, time, direction and size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sources.simulated.world import World

FIELD_DEG = 120.0
"""Width of an image in degrees of azimuth; the height follows from the aspect ratio."""

TOP_DEG = 15.0
"""Elevation of the upper edge of an image."""

POINTINGS: tuple[tuple[str, float], ...] = (
    ("bow", 0.0),
    ("port", -75.0),
    ("bow", 20.0),
    ("starboard", 75.0),
    ("stern", 180.0),
)
"""Name and bearing of each camera, clockwise from straight ahead; they are used in this order."""


@dataclass(frozen=True, slots=True)
class CameraView:
    """Position, time, direction and size of one image.

    Attributes:
        seed: the seed of the world.
        width: pixels.
        height: pixels.
        camera: name of the camera.
        sol: number of the sol.
        local_time: local mean solar time, `HH:MM:SS`.
        lat_deg: planetocentric latitude, north.
        lon_deg: longitude, east.
        east_m: distance from the landing site.
        north_m: distance from the landing site.
        along_m: distance along the route since the landing.
        heading_deg: direction of the rover, clockwise from north.
        azimuth_deg: direction of the middle of the image, clockwise from north.
        sun_elevation_deg: elevation of the sun.
        sun_azimuth_deg: azimuth of the sun, clockwise from north.
    """

    seed: int
    width: int
    height: int
    camera: str
    sol: int
    local_time: str
    lat_deg: float
    lon_deg: float
    east_m: float
    north_m: float
    along_m: float
    heading_deg: float
    azimuth_deg: float
    sun_elevation_deg: float
    sun_azimuth_deg: float

    @property
    def px_per_deg(self) -> float:
        """Pixels per degree in both directions: the projection is a plate carrée."""
        return self.width / FIELD_DEG

    def as_json(self) -> dict[str, str | int | float]:
        """The view as JSON values; `CameraView(**values)` is the inverse."""
        return asdict(self)

    def metadata(self) -> Mapping[str, str | int | float]:
        """The metadata of the image, as JSON values for people."""
        return {
            "instrument": f"Navcam, {self.camera}",
            "sol": self.sol,
            "local_time": self.local_time,
            "latitude_deg": round(self.lat_deg, 7),
            "longitude_deg": round(self.lon_deg, 7),
            "rover_heading_deg": round(self.heading_deg, 1),
            "azimuth_from_deg": round((self.azimuth_deg - FIELD_DEG / 2) % 360, 1),
            "azimuth_to_deg": round((self.azimuth_deg + FIELD_DEG / 2) % 360, 1),
            "elevation_from_deg": round(TOP_DEG - self.height / self.px_per_deg, 1),
            "elevation_to_deg": TOP_DEG,
            "sun_elevation_deg": round(self.sun_elevation_deg, 1),
            "sun_azimuth_deg": round(self.sun_azimuth_deg, 1),
            "projection": "plate carrée",
            "note": "simulated",
        }


def camera_view(world: World, t: float, turn: int, width: int, height: int) -> CameraView:
    """The view of image number `turn` at POSIX time `t`; the number selects the camera."""
    state = world.state(t)
    camera, bearing_deg = POINTINGS[turn % len(POINTINGS)]
    return CameraView(
        seed=world.seed,
        width=width,
        height=height,
        camera=camera,
        sol=state.when.sol,
        local_time=state.when.text,
        lat_deg=state.lat_deg,
        lon_deg=state.lon_deg,
        east_m=state.east_m,
        north_m=state.north_m,
        along_m=state.along_m,
        heading_deg=state.heading_deg,
        azimuth_deg=(state.heading_deg + bearing_deg) % 360,
        sun_elevation_deg=state.sun.elevation_deg,
        sun_azimuth_deg=state.sun.azimuth_deg,
    )
