"""Smaller copies of images, in one thread. All functions block."""

from __future__ import annotations

import io
import warnings
from typing import Literal

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

MAX_PIXELS = 80_000_000
"""Maximum number of pixels that are decoded; a JPEG is decoded at a smaller scale."""

MAX_JPEG_PIXELS = 1_000_000_000
"""Maximum number of pixels of a JPEG."""

QUALITY = 78
"""Of the WebP encoder, 0 to 100."""

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")
"""The formats that are decoded."""


class NotScalable(Exception):
    """The image cannot be decoded, or would need too much memory. The text says why."""


def scaled(data: bytes, width: int, form: Literal["WEBP", "JPEG"] = "WEBP") -> bytes:
    """The image as WebP or JPEG, at most `width` pixels wide, upright, with 8 bits per channel.

    An image with more bits per pixel is stretched between its darkest and its brightest pixel.

    Raises:
        NotScalable: it cannot be decoded, or has too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
            with Pillow.open(io.BytesIO(data), formats=FORMATS) as image:
                return _scaled(image, width, form)
    except UnidentifiedImageError as exc:
        raise NotScalable("its format is not known") from exc
    except Pillow.DecompressionBombError as exc:
        raise NotScalable("it has too many pixels") from exc
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError) as exc:
        raise NotScalable(f"it cannot be decoded: {exc}") from exc


def _scaled(image: Pillow.Image, width: int, form: str) -> bytes:
    pixels = image.width * image.height
    if pixels > (MAX_JPEG_PIXELS if image.format == "JPEG" else MAX_PIXELS):
        raise NotScalable(f"it has {pixels:,} pixels, more than are decoded")
    longest = max(width, width * image.height // max(image.width, 1))
    image.draft("RGB", (longest, longest))  # a JPEG is decoded at 1/2, 1/4 or 1/8
    if image.width * image.height > MAX_PIXELS:
        raise NotScalable(f"it has {pixels:,} pixels, more than are decoded")
    upright: Pillow.Image = ImageOps.exif_transpose(image)
    upright = _with_8_bits(upright)
    if upright.width > width:
        height = max(1, round(upright.height * width / upright.width))
        upright = upright.resize((width, height), Pillow.Resampling.LANCZOS, reducing_gap=2.0)
    has_alpha = form == "WEBP" and upright.has_transparency_data
    upright = upright.convert("RGBA" if has_alpha else "RGB")
    upright.save(out := io.BytesIO(), form, quality=QUALITY, method=2)
    return out.getvalue()


def _with_8_bits(image: Pillow.Image) -> Pillow.Image:
    if image.mode not in ("I", "F", "I;16", "I;16L", "I;16B"):
        return image
    values = np.asarray(image, np.float32)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    scale = 255.0 / (high - low) if high > low else 0.0
    stretched = np.nan_to_num((values - low) * scale, posinf=255.0, neginf=0.0)
    return Pillow.fromarray(stretched.astype(np.uint8))
