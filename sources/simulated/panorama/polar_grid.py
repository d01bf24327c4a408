"""A polar grid around the camera, on which the ground is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sources.simulated.panorama.texture import Field


@dataclass(frozen=True, slots=True)
class PolarGrid:
    """Points at every combination of azimuth and range from the camera.

    Arrays of values on the grid have azimuths as the first axis and ranges as the second.

    Attributes:
        azimuths: radians clockwise from north, ascending.
        ranges_m: horizontal distances, ascending.
        origin_m: east and north of the camera, from the landing site.
    """

    azimuths: NDArray[np.float64]
    ranges_m: Field
    origin_m: tuple[float, float]

    def offsets(self) -> tuple[Field, Field]:
        """East and north of each point, from the camera."""
        sin = np.sin(self.azimuths).astype(np.float32)[:, None]
        cos = np.cos(self.azimuths).astype(np.float32)[:, None]
        return sin * self.ranges_m, cos * self.ranges_m

    def positions(self) -> tuple[Field, Field]:
        """East and north of each point, from the landing site."""
        east, north = self.offsets()
        return east + np.float32(self.origin_m[0]), north + np.float32(self.origin_m[1])

    def sparse(self, azimuths: int, ranges: int) -> PolarGrid:
        """A grid over the same area with the given numbers of points, for slowly varying values."""
        return PolarGrid(
            np.linspace(self.azimuths[0], self.azimuths[-1], azimuths),
            np.geomspace(self.ranges_m[0], self.ranges_m[-1], ranges).astype(np.float32),
            self.origin_m,
        )

    def interpolate(self, sparse: PolarGrid, values: Field) -> Field:
        """Interpolate values (azimuths, ranges, layers) from a sparse grid to this grid."""
        low, part = _between(self.ranges_m.astype(np.float64), sparse.ranges_m.astype(np.float64))
        along = values[:, low]
        along += (values[:, low + 1] - along) * part[:, None]
        left, share = _between(self.azimuths, sparse.azimuths)
        mixed: Field = along[left]
        mixed += (along[left + 1] - mixed) * share[:, None, None]
        return mixed


def _between(
    wanted: NDArray[np.float64], given: NDArray[np.float64]
) -> tuple[NDArray[np.intp], Field]:
    """For each wanted value, the index of the given value below, and the fraction to the next."""
    place = np.interp(wanted, given, np.arange(len(given)))
    low = np.minimum(place.astype(np.intp), len(given) - 2)
    return low, (place - low).astype(np.float32)
