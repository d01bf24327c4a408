"""The fan of points that a picture's ground is worked out on: azimuths by ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sources.simulated.panorama.texture import Field


@dataclass(frozen=True, slots=True)
class PolarGrid:
    """Points about the camera, in every one of `azimuths` at every one of `ranges_m`.

    Arrays over it have the azimuths as their first axis and the ranges as their second.

    Attributes:
        azimuths: radians clockwise from north, rising.
        ranges_m: along the ground, rising.
        origin_m: east and north of the camera from the landing site.
    """

    azimuths: NDArray[np.float64]
    ranges_m: Field
    origin_m: tuple[float, float]

    def offsets(self) -> tuple[Field, Field]:
        """East and north of each point from the camera."""
        sin = np.sin(self.azimuths).astype(np.float32)[:, None]
        cos = np.cos(self.azimuths).astype(np.float32)[:, None]
        return sin * self.ranges_m, cos * self.ranges_m

    def places(self) -> tuple[Field, Field]:
        """East and north of each point from the landing site."""
        east, north = self.offsets()
        return east + np.float32(self.origin_m[0]), north + np.float32(self.origin_m[1])

    def sparse(self, azimuths: int, ranges: int) -> PolarGrid:
        """A fan over the same land with as many points as said, for what varies slowly."""
        return PolarGrid(
            np.linspace(self.azimuths[0], self.azimuths[-1], azimuths),
            np.geomspace(self.ranges_m[0], self.ranges_m[-1], ranges).astype(np.float32),
            self.origin_m,
        )

    def spread(self, sparse: PolarGrid, values: Field) -> Field:
        """Values over a sparse fan (azimuths, ranges, layers), brought to this one's points."""
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
    """For each wanted value the given one below it, and how far it is to the next."""
    place = np.interp(wanted, given, np.arange(len(given)))
    low = np.minimum(place.astype(np.intp), len(given) - 2)
    return low, (place - low).astype(np.float32)
