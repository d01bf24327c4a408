"""Convex bodies: the space behind some planes, as rays meet it.

A ray is inside a body where it has entered behind all of its planes and left none yet. That gives a
stone's outline, its facets and its shadow alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sources.simulated.panorama.texture import Field

_PARALLEL = 1e-4
_EDGE = 14.0
"""How sharp edges are: facets blend within about a fourteenth of the body's radius."""


@dataclass(frozen=True, slots=True)
class ConvexBody:
    """A convex body; `normals` point out, and `offsets` are metres from `centre` along them.

    Attributes:
        centre: east, north and up from the ground under the camera.
        radius_m: no point of the body is farther from its centre.
        tint: 0 grey, 1 brown.
    """

    centre: NDArray[np.float32]
    normals: NDArray[np.float32]
    offsets: NDArray[np.float32]
    radius_m: float
    tint: float

    @property
    def away_m(self) -> float:
        """Metres along the ground from the camera."""
        return float(np.hypot(self.centre[0], self.centre[1]))

    def enter_leave(self, starts: Field, direction: NDArray[np.float32]) -> tuple[Field, Field]:
        """How far along one direction the rays from points (…, 3) enter it, and leave it.

        Points are from the centre; a ray that misses leaves before it enters.
        """
        enter = np.full(starts.shape[:-1], -np.inf, np.float32)
        leave = np.full(starts.shape[:-1], np.inf, np.float32)
        for normal, offset in zip(self.normals, self.offsets, strict=True):
            speed = float(normal @ direction)
            room = offset - starts @ normal
            if abs(speed) < _PARALLEL:
                leave[room < 0] = -np.inf
            elif speed < 0:
                np.maximum(enter, room / np.float32(speed), out=enter)
            else:
                np.minimum(leave, room / np.float32(speed), out=leave)
        return enter, leave

    def first_met(
        self, start: NDArray[np.float32], rays: Field, before: Field
    ) -> tuple[NDArray[np.bool_], Field, Field]:
        """Where rays (rows, columns, 3) from a point meet it nearer than `before`.

        Returns:
            Which rays do; how far along each of those; and the outward normals there, not of unit
            length, in which neighbouring facets round each other's edges off.
        """
        speeds = rays @ self.normals.T
        with np.errstate(divide="ignore", invalid="ignore"):
            crossed = (self.offsets - self.normals @ start) / speeds
        approaching = speeds < 0
        entering = np.where(approaching, crossed, -np.inf)
        enter = entering.max(axis=-1)
        leave = np.where(approaching, np.inf, crossed).min(axis=-1)
        hit = (enter < leave) & (enter > 0) & (enter < before)
        met: Field = enter[hit]
        nearness = np.exp((entering[hit] - met[:, None]) * np.float32(_EDGE / self.radius_m))
        return hit, met, nearness @ self.normals
