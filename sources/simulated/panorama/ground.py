"""Fills a scene with the visible ground.

Heights are computed on a polar grid around the camera, with about one range per pixel row. In each
column, higher ground hides lower ground that is farther away; this gives the range that each pixel
shows. The time depends on the number of pixels, not on the distance of the horizon.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from sources.simulated.panorama.polar_grid import PolarGrid
from sources.simulated.panorama.scene import CAMERA_M, Scene
from sources.simulated.world import MARS_RADIUS_M

if TYPE_CHECKING:
    from sources.simulated.panorama.land import Land
    from sources.simulated.panorama.texture import Field

_HORIZON_M = 42_000.0
_LEVEL_M = 420.0
"""Distance with one range per pixel row; beyond it, ranges grow by a fixed ratio."""
_GROWTH = 1.008
_CLOSE_RAD = 0.15
"""Angle below the horizon from which every other pixel row has a range."""
_THREADS = 2
_BLOCK = 128
"""Columns per block; the grid of a block fits into the cache of the processor."""


def paint_ground(scene: Scene, land: Land) -> None:
    """Fill the scene with the ground."""
    ranges, width = _ranges(scene), scene.view.width
    blocks = [slice(first, min(first + _BLOCK, width)) for first in range(0, width, _BLOCK)]
    # Blocks write to separate columns, and numpy releases the GIL.
    with ThreadPoolExecutor(_THREADS) as pool:
        for done in [pool.submit(_paint, scene, land, block, ranges) for block in blocks]:
            done.result()


def _ranges(scene: Scene) -> Field:
    # Where the ground rises in front of the camera, the lowest rows show nearer ground.
    lowest = min(1.4, float(-scene.elevations[-1]) + 0.13)
    level = float(np.arctan(CAMERA_M / _LEVEL_M))
    close = np.arange(lowest, _CLOSE_RAD, -2 * scene.px_rad)
    down = np.concatenate((close, np.arange(_CLOSE_RAD, level, -scene.px_rad)))
    near = CAMERA_M / np.tan(down)
    growth = max(_GROWTH, 1 + 3 * scene.px_rad)
    count = int(np.log(_HORIZON_M / near[-1]) / np.log(growth))
    far = near[-1] * growth ** np.arange(1, count + 1)
    return np.concatenate((near, far)).astype(np.float32)


def _paint(scene: Scene, land: Land, columns: slice, ranges: Field) -> None:
    azimuths = scene.azimuths[columns]
    px = scene.px_rad
    # One more column on each side, to compute the slope across.
    edges = np.concatenate(([azimuths[0] - px], azimuths, [azimuths[-1] + px]))
    view = scene.view
    height, colour = land.survey(PolarGrid(edges, ranges, (view.east_m, view.north_m)))

    along = np.empty_like(height[1:-1])
    along[:, :-1] = np.diff(height[1:-1], axis=1) / np.diff(ranges)
    along[:, -1] = along[:, -2]
    across = (height[2:] - height[:-2]) / (2 * px * ranges)
    height = height[1:-1]
    east, north, up = scene.sun
    sun_along = (east * np.sin(azimuths) + north * np.cos(azimuths)).astype(np.float32)[:, None]
    sun_across = (east * np.cos(azimuths) - north * np.sin(azimuths)).astype(np.float32)[:, None]
    level = 1 / np.sqrt(1 + along * along + across * across)
    sunlit = np.clip((np.float32(up) - along * sun_along - across * sun_across) * level, 0, 1)
    layers = np.empty((*height.shape, 4), np.float32)
    layers[..., :3] = colour[1:-1]
    layers[..., 3] = sunlit

    rise = (height - np.float32(CAMERA_M)) / ranges - ranges * np.float32(0.5 / MARS_RADIUS_M)
    np.maximum.accumulate(rise, axis=1, out=rise)
    steps = np.arange(len(ranges), dtype=np.float64)
    rows = np.tan(scene.elevations)
    # Rows are the first axis, as in the image.
    place = np.stack([np.interp(rows, line, steps, right=-1.0) for line in rise], axis=1)
    sky = place < 0
    place = np.clip(place, 0, len(ranges) - 1.001)
    low = place.astype(np.intp)
    part = (place - low).astype(np.float32)
    distance = ranges[low] + np.diff(ranges)[low] * part
    distance[sky] = np.inf
    scene.distance[:, columns] = distance
    low += np.arange(len(azimuths)) * len(ranges)
    flat = layers.reshape(-1, layers.shape[-1])
    seen = flat.take(low, axis=0)
    seen += (flat.take(low + 1, axis=0) - seen) * part[..., None]
    scene.albedo[:, columns] = seen[..., :3]
    scene.sunlit[:, columns] = seen[..., 3]
