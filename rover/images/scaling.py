"""Smaller copies of images, in one thread. All functions block."""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from sources.rules.describe import describe
from sources.values.images import read_raster

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DECODED_BYTES = 400 * 2**20
"""Maximum memory of a decoded image: about 100 megapixels in colour."""

PIXEL_BYTES = {"1": 2, "L": 1, "P": 5, "I;16": 5, "I;16L": 5, "I;16B": 5, "I": 9, "F": 9}
"""Bytes of a pixel while it is decoded and converted, by the mode of Pillow; 4 in other modes."""

BUFFERED = {"WEBP": 3, "AVIF": 3, "HEIF": 3}
"""The same, as a multiple, of formats whose decoders have buffers of their own."""

MAX_SIDE = 16_383
"""Maximum width and height of the result, in pixels. Source: WebP (RFC 9649, 2.5)."""

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
    with _reasons():
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
    with _reasons():
        warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
        with _opened(data, layout) as image:
            return _scaled(image, width)


@contextmanager
def _reasons() -> Iterator[None]:
    """Raise a `NotScalable` that says why an image cannot be decoded."""
    try:
        with warnings.catch_warnings():
            yield
    except NotScalable:
        raise
    except UnidentifiedImageError as exc:
        if HEIF not in Pillow.OPEN:
            raise NotScalable(
                "its format is not known; HEIC needs `pip install cosmic-rover[heif]`"
            ) from exc
        raise NotScalable("its format is not known") from exc
    except Pillow.DecompressionBombError as exc:
        raise NotScalable("it has too many pixels") from exc
    except Exception as exc:  # decoders raise errors of many kinds
        raise NotScalable(f"it cannot be decoded: {describe(exc)}") from exc


def _opened(data: bytes, layout: object) -> Pillow.Image:
    raster = read_raster(data, layout if isinstance(layout, str) else "")
    if raster is None:
        known = [*FORMATS, HEIF] if HEIF in Pillow.OPEN else FORMATS
        return Pillow.open(io.BytesIO(data), formats=known)
    if raster.shape[0] * raster.shape[1] * PIXEL_BYTES["F"] > MAX_DECODED_BYTES:
        raise NotScalable(f"it has {raster.size:,} values, more than are decoded")
    return Pillow.fromarray(_stretched(raster))


def _scaled(image: Pillow.Image, width: int) -> Pillow.Image:
    pixels = image.width * image.height
    coefficients = _coefficient_bytes(image)
    longest = max(width, width * image.height // max(image.width, 1))
    image.draft("RGB", (longest, longest))  # a JPEG is decoded at 1/2, 1/4 or 1/8
    bytes_each = PIXEL_BYTES.get(image.mode, 4) * BUFFERED.get(image.format or "", 1)
    if image.width * image.height * bytes_each + coefficients > MAX_DECODED_BYTES:
        raise NotScalable(f"it has {pixels:,} pixels, more than are decoded")
    ImageOps.exif_transpose(image, in_place=True)
    image = _with_8_bits(image)
    factor = min(width / image.width, MAX_SIDE / image.height)
    if factor < 1:
        size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
        image = image.resize(size, Pillow.Resampling.LANCZOS, reducing_gap=2.0)
    image.load()  # errors of the last lines are raised here
    return image


def _coefficient_bytes(image: Pillow.Image) -> int:
    """Bytes of the coefficients of a progressive JPEG, which its decoder keeps in full size."""
    if not (isinstance(image, JpegImageFile) and image.info.get("progressive")):
        return 0
    samples = [horizontal * vertical for _, horizontal, vertical, _ in image.layer]
    return 2 * image.width * image.height * sum(samples) // max(samples)


def _with_8_bits(image: Pillow.Image) -> Pillow.Image:
    """The image with 8 bits per channel, which can be averaged; those of a palette cannot."""
    if image.mode in ("I", "F", "I;16", "I;16L", "I;16B"):
        return Pillow.fromarray(_stretched(np.asarray(image)))
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "P":
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image


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
