"""The shadows of rocks and of the rover on the ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sources.simulated.panorama.scene import CAMERA_M, Scene, strips

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sources.simulated.panorama.convex_body import ConvexBody

_SHADOW_M = 25.0
_LOWEST_SUN = 0.06
_MAX_DISTANCE_M = 260.0


def cast_shadows(scene: Scene, bodies: list[ConvexBody]) -> None:
    """Remove sunlight in the shadow of each body, and a part of the sky light next to it."""
    sun = scene.sun
    if sun[2] <= 0:
        return
    slope = max(float(sun[2]), _LOWEST_SUN)
    flat = sun[:2] / np.hypot(*sun[:2])
    for body in bodies:
        if body.away_m > _MAX_DISTANCE_M:
            continue
        top = body.radius_m * 1.2
        throw = min(_SHADOW_M, top * float(np.hypot(*sun[:2])) / slope)
        box = _shadow_box(scene, body, flat * -throw)
        for part in strips(box) if box else ():
            _shade(scene, body, part)


def _shade(scene: Scene, body: ConvexBody, box: tuple[slice, slice]) -> None:
    distance = scene.distance[box]
    rays = scene.rays(box)
    points = rays * np.where(np.isfinite(distance), distance, 0)[..., None]
    points[..., 2] += np.float32(CAMERA_M)
    points -= body.centre
    enter, leave = body.enter_leave(points, scene.sun.astype(np.float32))
    shaded = (leave > np.maximum(enter, 0)) & np.isfinite(distance)
    scene.sunlit[box][shaded] *= 0.04
    gap = np.hypot(points[..., 0], points[..., 1]) / body.radius_m
    scene.open_sky[box] *= 1 - 0.5 * np.exp(-1.6 * gap * gap)


def _shadow_box(
    scene: Scene, body: ConvexBody, throw: NDArray[np.float64]
) -> tuple[slice, slice] | None:
    """The pixels that the shadow of a body may cover, from its foot to the shadow of its top."""
    foot = body.centre[:2].astype(np.float64)
    middle = float(np.arctan2(foot[0], foot[1]))
    azimuths: list[float] = []
    ranges: list[float] = []
    for spot in (foot, foot + throw / 2, foot + throw):
        away = max(float(np.hypot(*spot)), 0.3)
        spread = float(np.arctan2(body.radius_m, away))
        turn = float(np.arctan2(spot[0], spot[1])) - middle
        turn = (turn + np.pi) % (2 * np.pi) - np.pi
        azimuths += [middle + turn - spread, middle + turn + spread]
        ranges += [max(0.5, away - body.radius_m), away + body.radius_m]
    ground = float(body.centre[2]) - body.radius_m - CAMERA_M
    low = np.arctan(min(ground - 0.3, -0.05) / min(ranges))
    high = np.arctan((ground + body.radius_m + 0.6) / max(ranges))
    return scene.box((min(azimuths), max(azimuths)), (float(low), float(high)))
