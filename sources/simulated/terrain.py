"""The height of the ground near the rover, in metres, from a seed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_WAVES = 28
_LONGEST_M = 420.0
_SHORTEST_M = 9.0


class Terrain:
    """Rolling ground as a sum of waves; a height or slope takes microseconds.

    East and north are metres from the landing site. Features smaller than the rover (ripples,
    slabs, rocks) exist only in images.
    """

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng((abs(seed), int(seed < 0), 0x74657272))
        lengths_m = np.geomspace(_LONGEST_M, _SHORTEST_M, _WAVES) * random.uniform(0.9, 1.1, _WAVES)
        bearings = random.uniform(0, 2 * math.pi, _WAVES)
        self._east: Array = 2 * math.pi / lengths_m * np.cos(bearings)
        self._north: Array = 2 * math.pi / lengths_m * np.sin(bearings)
        # Each wave adds a slope of a degree or two: about six degrees in total, ten at most.
        self._tall: Array = 0.0032 * lengths_m * random.uniform(0.5, 1.5, _WAVES)
        self._phase: Array = random.uniform(0, 2 * math.pi, _WAVES)

    def height_m(self, east: Array | float, north: Array | float) -> Array:
        """Heights at points; the arrays may have any shape."""
        total = np.zeros(np.broadcast(east, north).shape)
        for k_east, k_north, tall, phase in zip(
            self._east, self._north, self._tall, self._phase, strict=True
        ):
            total += tall * np.sin(k_east * east + k_north * north + phase)
        return total

    def slope(self, east: float, north: float) -> tuple[float, float]:
        """Slope of the ground towards east and towards north, in metres per metre."""
        rise = self._tall * np.cos(self._east * east + self._north * north + self._phase)
        return float(rise @ self._east), float(rise @ self._north)
