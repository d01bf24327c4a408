"""What one picture shows: the values that go to the process that draws it, and to people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sources.simulated.world import World

FIELD_DEG = 120.0
"""The width of a picture, in degrees of azimuth; its height follows from its shape."""

TOP_DEG = 15.0
"""The elevation of a picture's upper edge."""

POINTINGS: tuple[tuple[str, float], ...] = (
    ("bow", 0.0),
    ("port", -75.0),
    ("bow", 20.0),
    ("starboard", 75.0),
    ("stern", 180.0),
)
"""The cameras' names, and which way each looks from the nose, in the order they take turns."""


@dataclass(frozen=True, slots=True)
class CameraView:
    """One picture's place, time, pointing and size. East and north are from the landing site.

    Attributes:
        azimuth_deg: of the picture's middle, clockwise from north.
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
        """The same along and across: the picture is a plate carrée."""
        return self.width / FIELD_DEG

    def as_json(self) -> dict[str, str | int | float]:
        """The view as JSON values, from which `CameraView(**request)` makes it again."""
        return asdict(self)

    def metadata(self) -> Mapping[str, str | int | float]:
        """What people want to know of the picture."""
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
    """The view that the camera whose turn it is has at POSIX time `t`."""
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
