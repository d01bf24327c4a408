"""The positions and shapes of rocks: the same in every image of a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sources.simulated.panorama.convex_body import ConvexBody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.simulated.panorama.land import Land
    from sources.simulated.panorama.scene import Scene

_MAX_WIDTH_M = 2.6
_MIN_WIDTH_PX = 3.5
_MARGIN_RAD = 0.5
"""Angle outside the image up to which rocks may cast a shadow into it."""
_ROUTE_HALF_WIDTH_M = 1.35
"""Half the width of the rover, whose route is free of rocks."""


@dataclass(frozen=True, slots=True)
class _SizeClass:
    """Rocks of one size class. They are generated per square cell of the land."""

    cell_m: float
    reach_m: float
    smallest_m: float
    per_m2: float


_SIZE_CLASSES = (
    _SizeClass(cell_m=4.0, reach_m=12.0, smallest_m=0.035, per_m2=4.5),
    _SizeClass(cell_m=16.0, reach_m=44.0, smallest_m=0.08, per_m2=1.3),
    _SizeClass(cell_m=48.0, reach_m=190.0, smallest_m=0.42, per_m2=0.05),
    _SizeClass(cell_m=200.0, reach_m=900.0, smallest_m=1.3, per_m2=0.0016),
)


def rocks_in_view(land: Land, scene: Scene) -> list[ConvexBody]:
    """The rocks in view that are wider than `_MIN_WIDTH_PX`, farthest first."""
    view = scene.view
    bodies: list[ConvexBody] = []
    for field in _SIZE_CLASSES:
        reach = int(field.reach_m / field.cell_m) + 1
        column, row = int(view.east_m // field.cell_m), int(view.north_m // field.cell_m)
        for east in range(column - reach, column + reach + 1):
            for north in range(row - reach, row + reach + 1):
                bodies += _cell(land, scene, field, (east, north))
    return sorted(bodies, key=lambda body: -body.away_m)


def _cell(
    land: Land, scene: Scene, field: _SizeClass, cell: tuple[int, int]
) -> Iterator[ConvexBody]:
    view = scene.view
    # One random sequence per cell: its rocks keep their positions when the rover moves.
    key = abs(view.seed), int(field.smallest_m * 100), cell[0] & 0xFFFFFFFF, cell[1] & 0xFFFFFFFF
    random = np.random.default_rng(key)
    count = random.poisson(field.per_m2 * field.cell_m**2)
    places = (np.array(cell) + random.random((count, 2))) * field.cell_m
    # Many small and few large rocks: a power law of about two, as at the landing sites.
    widths = np.minimum(field.smallest_m * random.random(count) ** (-1 / 2.1), _MAX_WIDTH_M)
    chances = random.random(count)
    seeds = random.integers(0, 2**32, count)

    offsets = places - (view.east_m, view.north_m)
    away = np.maximum(np.hypot(offsets[:, 0], offsets[:, 1]), 0.1)
    middle = (scene.azimuths[0] + scene.azimuths[-1]) / 2
    turn = np.arctan2(offsets[:, 0], offsets[:, 1]) - middle
    turn = np.abs((turn + np.pi) % (2 * np.pi) - np.pi)
    seen = turn < middle - scene.azimuths[0] + _MARGIN_RAD
    seen &= (away > 2.1 + widths) & (away < field.reach_m)
    seen &= widths / away > _MIN_WIDTH_PX * scene.px_rad
    if seen.any():
        east, north = places[seen].astype(np.float32).T
        lies = chances[seen] < land.rockiness(east, north)
        seen[seen] = lies & (land.off_route_m(east, north) > _ROUTE_HALF_WIDTH_M + widths[seen] / 2)
    chosen = offsets[seen]
    levels = land.level_m(chosen[:, 0], chosen[:, 1])
    for seed, (x, y), level, width in zip(seeds[seen], chosen, levels, widths[seen], strict=True):
        yield _rock(int(seed), (float(x), float(y), float(level)), float(width))


def _rock(seed: int, place_m: tuple[float, float, float], width_m: float) -> ConvexBody:
    random = np.random.default_rng(seed)
    count = int(random.integers(11, 16) + 10 * min(1.0, width_m))
    # Planes spread evenly over the sphere, plus noise: no very thin facets, and no equal rocks.
    step = np.arange(count) + 0.5
    up = 1 - 2 * step / count
    turn = step * 2.399963 + random.uniform(0, 2 * np.pi)
    side = np.sqrt(1 - up * up)
    normals = np.stack((side * np.cos(turn), side * np.sin(turn), up), axis=-1)
    normals += random.normal(0, 0.28, normals.shape)
    offsets = random.uniform(0.72, 1.0, count)
    # Flatten to a slab or a block, and rotate.
    shape = np.array([1.0, random.uniform(0.55, 0.95), random.uniform(0.38, 0.85)])
    normals /= shape
    angle = random.uniform(0, 2 * np.pi)
    lean = random.normal(0, 0.2)
    spin = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    tip = np.array([[1, 0, 0], [0, np.cos(lean), -np.sin(lean)], [0, np.sin(lean), np.cos(lean)]])
    normals = normals @ (spin @ tip).T
    lengths = np.linalg.norm(normals, axis=1)
    half = width_m / 2
    # Most rocks are partly below the ground.
    east, north, level = place_m
    middle = level + half * shape[2] * random.uniform(-0.1, 0.6)
    return ConvexBody(
        centre=np.array([east, north, middle], np.float32),
        normals=(normals / lengths[:, None]).astype(np.float32),
        offsets=(offsets / lengths * half).astype(np.float32),
        radius_m=1.35 * half,
        tint=float(random.random()),
    )
