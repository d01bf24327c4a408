"""Draws rocks: their surface, the dust on them, and the light that they receive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sources.simulated.panorama.scene import CAMERA_M, Scene, strips
from sources.simulated.panorama.texture import Field, fractal, look_up, smoothstep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sources.simulated.panorama.convex_body import ConvexBody

_GREY = np.array([0.150, 0.108, 0.085], np.float32)
_BROWN = np.array([0.235, 0.145, 0.090], np.float32)
_DUST = np.array([0.390, 0.224, 0.120], np.float32)


class RockRenderer:
    """Draws rocks into a scene."""

    def __init__(self, scene: Scene) -> None:
        random = np.random.default_rng((abs(scene.view.seed), 0x6D61736F))
        self._scene = scene
        self._grain = np.stack([fractal(random, 512, 1.15), fractal(random, 512, 1.5)], axis=-1)

    def draw(self, body: ConvexBody) -> None:
        """Draw one rock. Draw farther rocks first."""
        scene = self._scene
        away = body.away_m
        spread = float(np.arcsin(min(0.95, body.radius_m / away)))
        middle = float(np.arctan2(body.centre[0], body.centre[1]))
        rise = float(body.centre[2]) - CAMERA_M
        nearest = max(0.3, away - body.radius_m)
        low = np.arctan(min((rise - body.radius_m) / nearest, (rise - body.radius_m) / away))
        high = np.arctan(max((rise + body.radius_m) / nearest, (rise + body.radius_m) / away))
        box = scene.box((middle - spread, middle + spread), (float(low), float(high)))
        for part in strips(box) if box else ():
            self._draw(body, part)

    def _draw(self, body: ConvexBody, box: tuple[slice, slice]) -> None:
        scene = self._scene
        rays = scene.rays(box)
        start = np.array([0, 0, CAMERA_M], np.float32) - body.centre
        # Draw a little of the part below the ground, to leave no gap under the rock.
        before = scene.distance[box] + np.float32(0.02 * body.radius_m)
        hit, met, normals = body.first_met(start, rays, before)
        if len(met):
            self._shade(body, box, hit, met, rays[hit] * met[:, None] + start, normals)

    def _shade(
        self,
        body: ConvexBody,
        box: tuple[slice, slice],
        hit: NDArray[np.bool_],
        enter: Field,
        point: Field,
        normal: Field,
    ) -> None:
        scene = self._scene
        shift = np.float32(body.tint * 31)
        x = point[:, 0] + np.float32(0.7) * point[:, 2] + shift
        y = point[:, 1] - np.float32(0.8) * point[:, 2] + shift
        grain = look_up(self._grain, x, y, max(0.9, 1.6 * body.radius_m))
        pits = look_up(self._grain, y, x, max(0.22, 0.4 * body.radius_m))
        normal += 0.10 * np.stack((grain[:, 0], pits[:, 0], grain[:, 1]), axis=-1)
        normal += 0.10 * np.stack((pits[:, 1], grain[:, 1], pits[:, 0]), axis=-1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        up = normal[:, 2]
        albedo = _GREY + (_BROWN - _GREY) * np.float32(body.tint)
        colour = albedo * (1 + 0.13 * grain[:, 1] + 0.10 * pits[:, 0])[:, None]
        # Dust covers surfaces that face up, and the foot of the rock.
        foot = smoothstep(-0.1, 0.5, -point[:, 2] / np.float32(body.radius_m))
        dusty = smoothstep(0.55, 1.0, up + 0.12 * grain[:, 0]) * 0.75 + 0.35 * foot
        colour += (_DUST - colour) * np.clip(dusty, 0, 0.85)[:, None]
        scene.albedo[box][hit] = np.clip(colour, 0.02, 0.8)
        lit = np.clip(normal @ scene.sun.astype(np.float32), 0, 1)
        scene.sunlit[box][hit] = lit
        scene.open_sky[box][hit] = (0.55 + 0.45 * up) * (1 - 0.35 * foot)
        scene.distance[box][hit] = enter
