"""Renders a view, and encodes the image to the size that suits the link."""

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
"""Target size of an image. The quality is chosen to come close to it, as in flight software."""

_QUALITY = 90
_MIN_QUALITY, _MAX_QUALITY = 60, 95
_GROWTH = 1.06
"""Approximate growth of an image per point of quality."""


def render(view: CameraView) -> NDArray[np.uint8]:
    """The pixels of a view: (height, width, 3), red, green, blue."""
    scene = Scene(view)
    land = Land(view)
    paint_ground(scene, land)
    bodies = rocks_in_view(land, scene)
    cast_shadows(scene, bodies + rover_bodies(view))
    renderer = RockRenderer(scene)
    for body in bodies:
        renderer.draw(body)
    random = np.random.default_rng(
        (abs(view.seed), view.sol & 0xFFFFFFFF, int(view.along_m) & 0xFFFF)
    )
    return develop(scene, random)


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """The image as a baseline JPEG, which browsers display from the top while it arrives."""
    image = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.55))
    budget = pixels.shape[0] * pixels.shape[1] * _BITS_PER_PX / 8
    data = _encode(image, _QUALITY)
    quality = _QUALITY + round(math.log(budget / len(data)) / math.log(_GROWTH))
    if quality != _QUALITY:
        data = _encode(image, max(_MIN_QUALITY, min(_MAX_QUALITY, quality)))
    return data


def _encode(image: Image.Image, quality: int) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality, subsampling="4:2:0")
    return out.getvalue()
