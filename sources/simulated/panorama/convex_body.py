"""Convex bodies as intersections of half-spaces, and their intersection with rays.

A ray is inside a body while it is inside all half-spaces. This gives the outline, the facets and
the shadow of a rock.
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
"""Sharpness of edges: facets blend over about 1/14 of the radius."""


@dataclass(frozen=True, slots=True)
class ConvexBody:
    """A convex body that is bounded by planes.

    Attributes:
        centre: east, north and up, in metres from the ground below the camera.
        normals: unit vectors that point out of the body, one per plane.
        offsets: distances of the planes from `centre` along their normals, in metres.
        radius_m: maximum distance of its points from `centre`.
        tint: colour, from 0 (grey) to 1 (brown).
    """

    centre: NDArray[np.float32]
    normals: NDArray[np.float32]
    offsets: NDArray[np.float32]
    radius_m: float
    tint: float

    @property
    def away_m(self) -> float:
        """Horizontal distance from the camera."""
        return float(np.hypot(self.centre[0], self.centre[1]))

    def enter_leave(self, starts: Field, direction: NDArray[np.float32]) -> tuple[Field, Field]:
        """Distances along one direction at which rays from points (…, 3) enter and leave the body.

        Points are relative to the centre. If a ray misses, its second distance is the smaller one.
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
        """Intersect rays (rows, columns, 3) from a point with the body, up to distance `before`.

        Returns:
            A mask of the rays that hit; their distances; and the outward normals at these points,
            not of unit length, blended between neighbouring facets to round the edges.
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
