"""The parts of the rover that cast a shadow on the ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sources.simulated.panorama.convex_body import ConvexBody
from sources.simulated.panorama.scene import CAMERA_M

if TYPE_CHECKING:
    from sources.simulated.camera_view import CameraView

_BOXES_M: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...] = (
    ((0.0, 0.0, 0.85), (0.75, 0.45, 0.17)),  # the body
    ((-0.25, 0.85, 1.1), (0.65, 0.42, 0.015)),  # the panels, to the right and to the left
    ((-0.25, -0.85, 1.1), (0.65, 0.42, 0.015)),
    ((0.6, -0.25, 1.45), (0.05, 0.05, 0.5)),  # the mast and its head
    ((0.6, -0.25, CAMERA_M), (0.12, 0.3, 0.14)),
    *(
        ((ahead, aside, 0.26), (0.26, 0.14, 0.26))
        for ahead in (-0.95, 0, 0.95)
        for aside in (-1.05, 1.05)
    ),
)
"""Centre (ahead, right, up) and half-widths of each part."""


def rover_bodies(view: CameraView) -> list[ConvexBody]:
    """The parts of the rover, relative to the camera."""
    bearing, look = np.radians(view.heading_deg), np.radians(view.azimuth_deg)
    ahead = np.array([np.sin(bearing), np.cos(bearing), 0])
    right = np.array([np.cos(bearing), -np.sin(bearing), 0])
    up = np.array([0.0, 0.0, 1.0])
    axes = np.stack((ahead, right, up))
    # The cameras are at the edge of the deck; the centre of the rover is behind them.
    camera = 1.1 * np.array([np.sin(look), np.cos(look), 0])
    bodies = []
    for middle, half in _BOXES_M:
        centre = np.array(middle) @ axes - camera
        bodies.append(
            ConvexBody(
                centre=centre.astype(np.float32),
                normals=np.concatenate((axes, -axes)).astype(np.float32),
                offsets=np.array(half * 2, np.float32),
                radius_m=float(np.linalg.norm(half)),
                tint=0.0,
            )
        )
    return bodies
