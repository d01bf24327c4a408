"""A view's picture: drawn, and encoded to the size that the link has for it."""

from __future__ import annotations

import math
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from sources.simulated.panorama.ground import paint_ground
from sources.simulated.panorama.land import Land
from sources.simulated.panorama.light import develop
from sources.simulated.panorama.rock_renderer import RockRenderer
from sources.simulated.panorama.rocks import rocks_in_view
from sources.simulated.panorama.rover import rover_bodies
from sources.simulated.panorama.scene import Scene
from sources.simulated.panorama.shadows import cast_shadows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sources.simulated.camera_view import CameraView

_BITS_PER_PX = 2.4
"""What the link has for a picture; the quality is chosen to come near it, as flight encoders do."""

_QUALITY = 90
_LEAST_QUALITY, _MOST_QUALITY = 60, 95
_GROWTH = 1.06
"""By how much a picture grows with a point of quality, about."""


def draw(view: CameraView) -> NDArray[np.uint8]:
    """The view's pixels: (height, width, 3), red green blue."""
    scene = Scene(view)
    land = Land(view)
    paint_ground(scene, land)
    bodies = rocks_in_view(land, scene)
    cast_shadows(scene, bodies + rover_bodies(view))
    mason = RockRenderer(scene)
    for body in bodies:
        mason.draw(body)
    random = np.random.default_rng(
        (abs(view.seed), view.sol & 0xFFFFFFFF, int(view.along_m) & 0xFFFF)
    )
    return develop(scene, random)


def encode(pixels: NDArray[np.uint8], bits_per_px: float = _BITS_PER_PX) -> bytes:
    """A baseline JPEG, which can be drawn from its top down while it still arrives."""
    picture = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.55))
    budget = pixels.shape[0] * pixels.shape[1] * bits_per_px / 8
    data = _jpeg(picture, _QUALITY)
    finer = _QUALITY + round(math.log(budget / len(data)) / math.log(_GROWTH))
    if finer != _QUALITY:
        data = _jpeg(picture, max(_LEAST_QUALITY, min(_MOST_QUALITY, finer)))
    return data


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    out = BytesIO()
    picture.save(out, "JPEG", quality=quality, subsampling="4:2:0")
    return out.getvalue()
