"""An image before lighting: distance, colour and illumination of each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sources.simulated.camera_view import FIELD_DEG, TOP_DEG, CameraView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sources.simulated.panorama.texture import Field

CAMERA_M = 2.0
"""Height of the camera above the ground."""

_STRIP_PX = 120_000
"""Maximum number of pixels in a strip."""

LAND_TOP_DEG = 7.0
"""Maximum elevation of the land; above it, an image shows only sky."""


class Scene:
    """The pixels below `LAND_TOP_DEG`, as arrays with one row per pixel row.

    Attributes:
        azimuths: azimuths of the columns, in radians clockwise from north, without wrapping.
        elevations: elevations of the rows, in radians.
        sky_rows: number of pixel rows above these.
        distance: horizontal distance of the surface in metres; infinite for the sky.
        albedo: linear colour of the surface: red, green, blue.
        sunlit: share of direct sunlight that the surface receives, 0 to 1; 0 in shadow.
        open_sky: share of sky light that the surface receives, 0 to 1.
    """

    def __init__(self, view: CameraView) -> None:
        self.view = view
        middle = np.radians(view.azimuth_deg)
        columns = (np.arange(view.width) + 0.5) / view.px_per_deg - FIELD_DEG / 2
        self.azimuths: NDArray[np.float64] = middle + np.radians(columns)
        self.sky_rows = int((TOP_DEG - LAND_TOP_DEG) * view.px_per_deg)
        rows = np.arange(self.sky_rows, view.height)
        self.elevations: NDArray[np.float64] = np.radians(TOP_DEG - (rows + 0.5) / view.px_per_deg)
        shape = (len(rows), view.width)
        self.distance: Field = np.full(shape, np.inf, np.float32)
        self.albedo: Field = np.zeros((*shape, 3), np.float32)
        self.sunlit: Field = np.zeros(shape, np.float32)
        self.open_sky: Field = np.ones(shape, np.float32)

    @property
    def px_rad(self) -> float:
        """The angle between two neighbouring pixels."""
        return float(np.radians(1 / self.view.px_per_deg))

    @property
    def sun(self) -> NDArray[np.float64]:
        """The direction of the sun: east, north, up."""
        elevation = np.radians(self.view.sun_elevation_deg)
        azimuth = np.radians(self.view.sun_azimuth_deg)
        across = np.cos(elevation)
        return np.array(
            [across * np.sin(azimuth), across * np.cos(azimuth), np.sin(elevation)], np.float64
        )

    def box(
        self, azimuth: tuple[float, float], elevation: tuple[float, float]
    ) -> tuple[slice, slice] | None:
        """The rows and columns that cover a range of angles, or `None` if it is out of view."""
        first = float(self.azimuths[0])
        turn = 2 * np.pi
        left = (azimuth[0] - first + np.pi / 2) % turn - np.pi / 2
        columns = left / self.px_rad, (left + azimuth[1] - azimuth[0]) / self.px_rad
        top = float(self.elevations[0])
        rows = (top - elevation[1]) / self.px_rad, (top - elevation[0]) / self.px_rad
        height, width = self.distance.shape
        c0, c1 = max(0, int(columns[0])), min(width, int(columns[1]) + 2)
        r0, r1 = max(0, int(rows[0])), min(height, int(rows[1]) + 2)
        return (slice(r0, r1), slice(c0, c1)) if c0 < c1 and r0 < r1 else None

    def rays(self, box: tuple[slice, slice]) -> Field:
        """Directions through the pixels of a box, of horizontal length 1: (rows, columns, 3)."""
        rows, columns = box
        azimuths = self.azimuths[columns].astype(np.float32)
        rise = np.tan(self.elevations[rows]).astype(np.float32)
        rays = np.empty((len(rise), len(azimuths), 3), np.float32)
        rays[..., 0], rays[..., 1] = np.sin(azimuths), np.cos(azimuths)
        rays[..., 2] = rise[:, None]
        return rays


def strips(box: tuple[slice, slice]) -> Iterator[tuple[slice, slice]]:
    """Split a box into strips of rows, to limit the memory of computations."""
    rows, columns = box
    count = max(1, _STRIP_PX // (columns.stop - columns.start))
    for first in range(rows.start, rows.stop, count):
        yield slice(first, min(first + count, rows.stop)), columns
