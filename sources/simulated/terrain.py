"""The lie of the land near the rover: a seeded height over every point, in metres."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_WAVES = 28
_LONGEST_M = 420.0
_SHORTEST_M = 9.0


class Terrain:
    """Rolling ground as a sum of waves, so that height and slope cost microseconds anywhere.

    East and north are metres from the landing site. What is smaller than a rover (ripples, slabs,
    rocks) belongs to the picture alone.
    """

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng((abs(seed), int(seed < 0), 0x74657272))
        lengths_m = np.geomspace(_LONGEST_M, _SHORTEST_M, _WAVES) * random.uniform(0.9, 1.1, _WAVES)
        bearings = random.uniform(0, 2 * math.pi, _WAVES)
        self._east: Array = 2 * math.pi / lengths_m * np.cos(bearings)
        self._north: Array = 2 * math.pi / lengths_m * np.sin(bearings)
        # Slopes of a degree or two from every length: about six degrees all told, ten at the worst.
        self._tall: Array = 0.0032 * lengths_m * random.uniform(0.5, 1.5, _WAVES)
        self._phase: Array = random.uniform(0, 2 * math.pi, _WAVES)

    def height_m(self, east: Array | float, north: Array | float) -> Array:
        """Heights over points of any shape."""
        total = np.zeros(np.broadcast(east, north).shape)
        for k_east, k_north, tall, phase in zip(
            self._east, self._north, self._tall, self._phase, strict=True
        ):
            total += tall * np.sin(k_east * east + k_north * north + phase)
        return total

    def slope(self, east: float, north: float) -> tuple[float, float]:
        """How steeply the ground rises towards the east and towards the north (m/m)."""
        rise = self._tall * np.cos(self._east * east + self._north * north + self._phase)
        return float(rise @ self._east), float(rise @ self._north)
