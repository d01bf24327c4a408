"""Smaller copies of images, in one thread. All functions block."""

from __future__ import annotations

import io
import warnings
from typing import Any, Literal

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from sources.values.images import read_raster

MAX_PIXELS = 80_000_000
"""Maximum number of pixels that are decoded; a JPEG is decoded at a smaller scale."""

MAX_JPEG_PIXELS = 1_000_000_000
"""Maximum number of pixels of a JPEG."""

QUALITY = 78
"""Of the WebP encoder, 0 to 100."""

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "AVIF")
"""The formats that Pillow decodes."""

HEIF = "HEIF"
"""The format that Pillow decodes if the extra `heif` is installed."""

STRETCH = (0.5, 99.5)
"""Percentiles of the values that become black and white. Single hot or dead pixels count little."""

MAX_SAMPLED = 1_000_000
"""About the number of values of which the percentiles are computed."""

ROWS = 256
"""Number of rows that are stretched at a time, which bounds the memory."""


class NotScalable(Exception):
    """The image cannot be decoded, or would need too much memory. The text says why."""


def scaled(
    data: bytes, width: int, form: Literal["WEBP", "JPEG"] = "WEBP", layout: object = None
) -> bytes:
    """The image as WebP or JPEG; see `decoded`.

    Raises:
        NotScalable: it cannot be decoded, or has too many pixels.
    """
    image = decoded(data, width, layout)
    has_alpha = form == "WEBP" and image.has_transparency_data
    image.convert("RGBA" if has_alpha else "RGB").save(
        out := io.BytesIO(), form, quality=QUALITY, method=2
    )
    return out.getvalue()


def decoded(data: bytes, width: int, layout: object = None) -> Pillow.Image:
    """The image, at most `width` pixels wide, upright, with 8 bits per channel.

    An image with more bits per channel is stretched (`STRETCH`).

    Args:
        data: of its file.
        width: pixels.
        layout: of the samples, from the metadata of the image; `None` if the file has a format.

    Raises:
        NotScalable: it cannot be decoded, or has too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
            with _opened(data, layout) as image:
                return _scaled(image, width)
    except UnidentifiedImageError as exc:
        if HEIF not in Pillow.OPEN:
            raise NotScalable(
                "its format is not known; HEIC needs `pip install cosmic-rover[heif]`"
            ) from exc
        raise NotScalable("its format is not known") from exc
    except Pillow.DecompressionBombError as exc:
        raise NotScalable("it has too many pixels") from exc
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError) as exc:
        raise NotScalable(f"it cannot be decoded: {exc}") from exc


def _opened(data: bytes, layout: object) -> Pillow.Image:
    raster = read_raster(data, layout if isinstance(layout, str) else "")
    if raster is None:
        known = [*FORMATS, HEIF] if HEIF in Pillow.OPEN else FORMATS
        return Pillow.open(io.BytesIO(data), formats=known)
    if raster.shape[0] * raster.shape[1] > MAX_PIXELS:
        raise NotScalable(f"it has {raster.size:,} values, more than are decoded")
    return Pillow.fromarray(_stretched(raster))


def _scaled(image: Pillow.Image, width: int) -> Pillow.Image:
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
    upright.load()  # errors of the last lines are raised here
    return upright


def _with_8_bits(image: Pillow.Image) -> Pillow.Image:
    if image.mode not in ("I", "F", "I;16", "I;16L", "I;16B"):
        return image
    return Pillow.fromarray(_stretched(np.asarray(image)))


def _stretched(values: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The values as 8 bits; values that are not finite are black."""
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    step = max(1, round((values.shape[0] * values.shape[1] / MAX_SAMPLED) ** 0.5))
    some = values[::step, ::step].astype(np.float64)
    finite = some[np.isfinite(some)]
    low, high = np.percentile(finite, STRETCH) if finite.size else (0.0, 0.0)
    if low == high and finite.size:
        low, high = finite.min(), finite.max()
    scale = 255.0 / (high - low) if high > low else 0.0
    stretched = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), ROWS):
        part = (values[row : row + ROWS].astype(np.float64) - low) * scale
        part = np.nan_to_num(part, nan=0.0, posinf=255.0, neginf=0.0)
        stretched[row : row + ROWS] = part.clip(0, 255)
    return stretched
