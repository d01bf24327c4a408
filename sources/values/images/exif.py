"""The facts in Exif data, and in the XMP packet beside it.

Source: Exif 2.32, 4.6.5 and 4.6.6; WebP Container Specification (chunks `EXIF` and `XMP `).
"""

from __future__ import annotations

import os
import re
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from PIL import Image as Pillow
from PIL.Image import Exif

from sources.values.images import xmp
from sources.values.images.facts import ImageFacts, Metadata, checked_time, short_text

if TYPE_CHECKING:
    from typing import BinaryIO

DATE_TIME_ORIGINAL, SUBSECONDS_ORIGINAL, OFFSET_ORIGINAL = 0x9003, 0x9291, 0x9011
GPS_TIME, GPS_DATE = 7, 29
EXIF_IFD, GPS_IFD = 0x8769, 0x8825

MAX_CHUNKS = 1000
MAX_CHUNK_BYTES = 2**20
"""Bounds for the chunks of a WebP file; an animation has one for each frame."""

NUMBERS = {0x829A: "exposure_s", 0x829D: "f_number", 0x8827: "iso", 0x920A: "focal_length_mm"}
TEXTS = {0x010F: "make", 0x0110: "model"}


def facts(file: BinaryIO, form: str) -> ImageFacts:
    """The facts in the Exif data and the XMP packet of a file in this format of Pillow.

    No pixel is decoded. Exif data, which cameras write, goes before XMP, which programs add.

    Raises:
        Exception: the file is damaged; Pillow raises errors of many kinds.
    """
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Pillow.open(file, formats=[form]) as image:
            return _facts(image.getexif(), image.info.get("xmp", b""))


def webp_facts(file: BinaryIO) -> ImageFacts:
    """The same of a WebP file, of which Pillow would read all.

    Raises:
        Exception: as `facts`.
    """
    exif, packet = Exif(), b""
    file.seek(12)
    for _ in range(MAX_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            break
        name, size = header[:4], int.from_bytes(header[4:], "little")
        if name in (b"EXIF", b"XMP ") and size <= MAX_CHUNK_BYTES:
            content = file.read(size)
            if name == b"EXIF":
                exif.load(content)
            else:
                packet = content
            file.seek(size % 2, os.SEEK_CUR)
        else:
            file.seek(size + size % 2, os.SEEK_CUR)
    return _facts(exif, packet)


def _facts(exif: Exif, packet: bytes) -> ImageFacts:
    added = xmp.facts(packet)
    taken_at = _time(exif)
    if taken_at is None:
        taken_at = added.taken_at
    return ImageFacts(taken_at, {**added.metadata, **_metadata(exif)})


def _time(exif: Exif) -> float | None:
    gps, details = exif.get_ifd(GPS_IFD), exif.get_ifd(EXIF_IFD)
    if GPS_TIME in gps and GPS_DATE in gps:  # UTC
        date = datetime.strptime(str(gps[GPS_DATE]), "%Y:%m:%d").replace(tzinfo=UTC)
        hours, minutes, seconds = map(float, gps[GPS_TIME])
        return checked_time(date.timestamp() + 3600 * hours + 60 * minutes + seconds)
    if DATE_TIME_ORIGINAL in details and OFFSET_ORIGINAL in details:
        text = f"{details[DATE_TIME_ORIGINAL]} {details[OFFSET_ORIGINAL]}".strip("\0 ")
        moment = datetime.strptime(text, "%Y:%m:%d %H:%M:%S %z")
        digits = re.sub(r"\D", "", str(details.get(SUBSECONDS_ORIGINAL, "")))
        return checked_time(moment.timestamp() + float(f"0.{digits or 0}"))
    return None


def _metadata(exif: Exif) -> Metadata:
    details: dict[int, Any] = exif.get_ifd(EXIF_IFD)
    found: Metadata = {}
    for tag, name in TEXTS.items():
        if text := short_text(exif.get(tag)):
            found[name] = text
    for tag, name in NUMBERS.items():
        value: Any = details.get(tag)
        if isinstance(value, tuple):
            value = value[0] if value else None
        if value is not None:
            number = float(value)
            found[name] = int(number) if number == int(number) else round(number, 6)
    if OFFSET_ORIGINAL not in details and (text := short_text(details.get(DATE_TIME_ORIGINAL))):
        found["camera_time"] = text
    return found
