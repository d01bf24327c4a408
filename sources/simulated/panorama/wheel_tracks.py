"""The tracks of the rover's wheels on the last part of its route."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sources.simulated.panorama.texture import Field, smoothstep

if TYPE_CHECKING:
    from sources.simulated.camera_view import CameraView
    from sources.simulated.traverse import Route

WHEEL_OFF_M = 1.05
"""Distance from the centre line of the rover to the middle of a wheel."""

_WHEEL_HALF_M = 0.21
_LENGTH_M = 70.0
_GROUSER_M = 0.16


class WheelTracks:
    """The two wheel tracks behind the rover."""

    def __init__(self, view: CameraView, route: Route) -> None:
        east, north = route.positions(view.along_m - np.arange(0.0, _LENGTH_M, 0.25))
        bearing = np.radians(view.heading_deg)
        self._ahead = np.array([np.sin(bearing), np.cos(bearing)], np.float32)
        east, north = east - view.east_m, north - view.north_m
        ahead = east * self._ahead[0] + north * self._ahead[1]
        aside = east * self._ahead[1] - north * self._ahead[0]
        # The track as a function of the distance ahead, as long as the route keeps its direction.
        turned = np.flatnonzero(np.diff(ahead) > -0.05)
        end = int(turned[0]) + 1 if len(turned) else len(ahead)
        self._line = ahead[:end][::-1], aside[:end][::-1]
        self._slant = np.gradient(self._line[1], self._line[0]) if end > 2 else np.zeros(end)

    def press(self, east: Field, north: Field, ranges: Field, height: Field) -> Field | None:
        """Subtract the tracks from heights at points from the rover, in place.

        Returns:
            The share of each point that a wheel has turned over, 0 to 1; `None` without tracks.
        """
        reach = int(np.searchsorted(ranges, _LENGTH_M))
        x, y = east[:, :reach], north[:, :reach]
        ahead = x * self._ahead[0] + y * self._ahead[1]
        if not ahead.size or len(self._line[0]) < 3 or float(ahead.min()) > -1.0:
            return None
        aside = x * self._ahead[1] - y * self._ahead[0]
        slant = np.interp(ahead, self._line[0], self._slant)
        off = (aside - np.interp(ahead, *self._line)) / np.sqrt(1 + slant * slant)
        side = (np.abs(np.abs(off) - WHEEL_OFF_M) / _WHEEL_HALF_M).astype(np.float32)
        there = smoothstep(0.9, 1.1, -ahead) * (ahead > self._line[0][0])
        rut = (1 - smoothstep(0.8, 1.15, side)) * there
        berm = np.exp(-((side - 1.3) ** 2) * 14) * there
        # The marks of the grousers, at distances at which they are wider than a pixel.
        sharp = np.clip(1.4 - ranges[:reach] / 16, 0, 1)
        tread = np.sin((ahead + 0.5 * np.abs(off)) * np.float32(2 * np.pi / _GROUSER_M)) * sharp
        height[:, :reach] += 0.022 * berm - rut * (0.026 + 0.007 * tread)
        turned_over = np.zeros_like(height)
        turned_over[:, :reach] = rut * (0.85 + 0.15 * tread)
        return turned_over
