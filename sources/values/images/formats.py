"""The image formats: how each is recognized, where it ends, and what it says of its image.

Only parts of a file are read, unless its end must be searched for, and nothing is decoded. So a
hostile file costs a few small reads whatever size it claims.
"""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from os import SEEK_END
from typing import TYPE_CHECKING

from sources.values.images import bmff, ends, exif, fits, headers, netpbm, pds3
from sources.values.images.facts import ImageFacts, time_in_name
from sources.values.images.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

    import numpy as np

with suppress(ImportError):  # the extra `heif`
    from pillow_heif import register_heif_opener

    register_heif_opener()

START_BYTES = 64
"""Bytes that decide the format of a file."""


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """A format of images. Its functions may read any part of the file.

    Attributes:
        content_type: such as `image/png`.
        matches: whether a file with these first bytes is of this format.
        size: width and height in pixels; `None` while that part has not arrived.
        is_whole: whether a file of this many bytes has all bytes of an image; with `True`, also
            if other bytes follow.
        facts: when and how the image was taken.
        is_patched: writers fill in the beginning of the file after the rest of it.
        raster: decodes what Pillow does not read, into rows of samples.
    """

    content_type: str
    matches: Callable[[bytes, BinaryIO], bool]
    size: Callable[[bytes, BinaryIO], tuple[int, int] | None]
    is_whole: Callable[[BinaryIO, int, bool], bool]
    facts: Callable[[BinaryIO], ImageFacts] | None = None
    is_patched: bool = False
    raster: Callable[[BinaryIO], np.ndarray[Any, Any]] | None = None


def _begins(*starts: bytes) -> Callable[[bytes, BinaryIO], bool]:
    return lambda start, _: start.startswith(starts)


def _when(
    matches: Callable[..., bool], *args: bytes | frozenset[bytes]
) -> Callable[[bytes, BinaryIO], bool]:
    return lambda start, _: matches(start, *args)


def _exif(form: str) -> Callable[[BinaryIO], ImageFacts]:
    return partial(exif.facts, form=form)


FORMATS = (
    ImageFormat(
        "image/png", _begins(b"\x89PNG\r\n\x1a\n"), headers.png, ends.png, facts=_exif("PNG")
    ),
    ImageFormat(
        "image/jpeg", _begins(b"\xff\xd8\xff"), headers.jpeg, ends.jpeg, facts=_exif("JPEG")
    ),
    ImageFormat("image/gif", _begins(b"GIF87a", b"GIF89a"), headers.gif, ends.gif),
    ImageFormat(
        "image/webp",
        _when(lambda start: start[:4] == b"RIFF" and start[8:12] == b"WEBP"),
        headers.webp,
        ends.webp,
        facts=exif.webp_facts,
        is_patched=True,
    ),
    ImageFormat(
        "image/tiff",
        _begins(b"II*\0", b"MM\0*"),
        headers.tiff,
        ends.tiff,
        facts=_exif("TIFF"),
        is_patched=True,
    ),
    ImageFormat(
        "image/bmp",
        _when(
            lambda start: (
                start[:2] == b"BM"
                and int.from_bytes(start[14:18], "little") in (12, 40, 52, 56, 64, 108, 124)
            )
        ),
        headers.bmp,
        ends.bmp,
        is_patched=True,
    ),
    *(
        ImageFormat(
            f"image/x-portable-{name}",
            _when(netpbm.matches, magic),
            netpbm.size,
            netpbm.is_whole,
        )
        for magic, name in ((b"P4", "bitmap"), (b"P5", "graymap"), (b"P6", "pixmap"))
    ),
    *(
        ImageFormat(
            f"image/{name}",
            _when(bmff.matches, brands),
            bmff.size,
            bmff.is_whole,
            facts=_exif(form),
            is_patched=True,
        )
        for name, form, brands in (("avif", "AVIF", bmff.AVIF), ("heic", "HEIF", bmff.HEIC))
    ),
    ImageFormat(
        "image/fits",
        _when(fits.matches),
        fits.size,
        fits.is_whole,
        facts=fits.facts,
        is_patched=True,
        raster=fits.raster,
    ),
    ImageFormat(
        "image/x-pds",
        pds3.matches,
        pds3.size,
        pds3.is_whole,
        facts=pds3.facts,
        is_patched=True,
        raster=pds3.raster,
    ),
)

BY_TYPE = {one.content_type: one for one in FORMATS}


@dataclass(frozen=True, slots=True)
class Header:
    """The facts in the first bytes of an image.

    Attributes:
        content_type: such as `image/png`.
        width: pixels, at least 1; `None` while that part has not arrived, or if it is wrong.
        height: pixels, at least 1; `None` while that part has not arrived, or if it is wrong.
    """

    content_type: str
    width: int | None = None
    height: int | None = None


def read_header(file: BinaryIO) -> Header | None:
    """The header of an image; `None` for bytes of another format, or too few bytes.

    Args:
        file: seekable; may hold any bytes.
    """
    form = _format_of(file)
    if form is None:
        return None
    file.seek(0)
    try:
        size = form.size(file.read(START_BYTES), file)
    except (struct.error, ValueError, OverflowError):  # truncated: the rest may still arrive
        size = None
    if size is None or 0 in size:  # no image has such a size
        return Header(form.content_type)
    return Header(form.content_type, *size)


def is_whole(file: BinaryIO, content_type: str, *, search: bool = False) -> bool:
    """Whether the file has all bytes of an image of its format.

    Args:
        file: seekable; may hold any bytes.
        content_type: of the image.
        search: also accept an image with other bytes after its end, which some programs append.
            This may read the whole file.
    """
    form = BY_TYPE.get(content_type)
    if form is None:
        return False
    try:
        return form.is_whole(file, file.seek(0, SEEK_END), search)
    except (struct.error, ValueError, OverflowError):  # truncated, or an offset that no file has
        return False


def is_patched(content_type: str) -> bool:
    """Whether writers of this format fill in the beginning of a file after the rest of it."""
    form = BY_TYPE.get(content_type)
    return form is not None and form.is_patched


def read_facts(file: BinaryIO, name: str) -> ImageFacts:
    """The facts in an image file and its name. Nothing is decoded.

    Args:
        file: seekable; may hold any bytes.
        name: of the file.
    """
    found = ImageFacts(None, {})
    with suppress(Exception):  # a damaged file raises errors of many kinds in Pillow
        form = _format_of(file)
        if form is not None and form.facts is not None:
            found = form.facts(file)
    if found.taken_at is None:
        return ImageFacts(time_in_name(name), found.metadata)
    return found


def read_raster(data: bytes, layout: str = "") -> np.ndarray[Any, Any] | None:
    """Rows of samples, or of three samples each; `None` if Pillow reads the format.

    Args:
        data: of the file.
        layout: the text of the `Layout` in the label of a file that has no format of its own.

    Raises:
        ValueError: the image is truncated, or of a kind that is not read.
    """
    file = io.BytesIO(data)
    form = _format_of(file)
    if form is None:
        return Layout.parse(layout).raster(file) if layout else None
    return None if form.raster is None else form.raster(file)


def _format_of(file: BinaryIO) -> ImageFormat | None:
    file.seek(0)
    start = file.read(START_BYTES)
    return next((one for one in FORMATS if one.matches(start, file)), None)
