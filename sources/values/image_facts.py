"""When and how an image was taken, as its file says.

Source: Exif 2.32, 4.6.5 and 4.6.6; ISO 8601-1, 5.4.2 (basic and extended format).
"""

from __future__ import annotations

import re
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image as Pillow

if TYPE_CHECKING:
    from typing import BinaryIO

    from PIL.Image import Exif

FORMATS = ("JPEG", "PNG", "TIFF")
"""The formats whose Exif data is read. Pillow would read all of a WebP."""

NAME_TIME = re.compile(
    r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)[T_](\d\d)[-:.]?(\d\d)[-:.]?(\d\d)(?:[.,](\d{1,9}))?Z"
)
"""A time in UTC in the name of a file: `20261128T184512Z`, `2026-11-28T18-45-12.5Z`."""

DATE_TIME_ORIGINAL, SUBSECONDS_ORIGINAL, OFFSET_ORIGINAL = 0x9003, 0x9291, 0x9011
GPS_TIME, GPS_DATE = 7, 29
EXIF_IFD, GPS_IFD = 0x8769, 0x8825

NUMBERS = {0x829A: "exposure_s", 0x829D: "f_number", 0x8827: "iso", 0x920A: "focal_length_mm"}
TEXTS = {0x010F: "make", 0x0110: "model"}

MAX_TEXT = 100
"""Maximum number of characters of a text."""


class ImageFacts(NamedTuple):
    """What a file says of its image.

    Attributes:
        taken_at: POSIX seconds; `None` if the file does not say it in UTC or with its offset.
        metadata: more facts. `camera_time` is the time of the camera's clock without its offset.
    """

    taken_at: float | None
    metadata: dict[str, str | int | float | bool | None]


def time_in_name(name: str) -> float | None:
    """POSIX seconds of the time in UTC in the name of a file; `None` without one."""
    match = NAME_TIME.search(name)
    if match is None:
        return None
    *parts, fraction = match.groups()
    try:
        moment = datetime(*map(int, parts), tzinfo=UTC)  # type: ignore[misc, arg-type] # six numbers
    except ValueError:
        return None
    return _checked(moment.timestamp() + float(f"0.{fraction or 0}"))


def read_facts(file: BinaryIO, name: str) -> ImageFacts:
    """The facts in an image file and its name. Nothing is decoded.

    Args:
        file: seekable; may hold any bytes.
        name: of the file.
    """
    try:
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pillow.open(file, formats=FORMATS) as image:
                exif = image.getexif()
                taken_at, metadata = _time(exif), _metadata(exif)
    except Exception:  # a damaged file raises errors of many kinds in Pillow
        taken_at, metadata = None, {}
    return ImageFacts(time_in_name(name) if taken_at is None else taken_at, metadata)


def _time(exif: Exif) -> float | None:
    gps, details = exif.get_ifd(GPS_IFD), exif.get_ifd(EXIF_IFD)
    if GPS_TIME in gps and GPS_DATE in gps:  # UTC
        date = datetime.strptime(str(gps[GPS_DATE]), "%Y:%m:%d").replace(tzinfo=UTC)
        hours, minutes, seconds = map(float, gps[GPS_TIME])
        return _checked(date.timestamp() + 3600 * hours + 60 * minutes + seconds)
    if DATE_TIME_ORIGINAL in details and OFFSET_ORIGINAL in details:
        text = f"{details[DATE_TIME_ORIGINAL]} {details[OFFSET_ORIGINAL]}".strip("\0 ")
        moment = datetime.strptime(text, "%Y:%m:%d %H:%M:%S %z")
        digits = re.sub(r"\D", "", str(details.get(SUBSECONDS_ORIGINAL, "")))
        return _checked(moment.timestamp() + float(f"0.{digits or 0}"))
    return None


def _checked(t: float) -> float | None:
    return t if 0 <= t < 253_402_300_800 else None  # from 1970 to the year 9999


def _metadata(exif: Exif) -> dict[str, str | int | float | bool | None]:
    details: dict[int, Any] = exif.get_ifd(EXIF_IFD)
    found: dict[str, str | int | float | bool | None] = {}
    for tag, name in TEXTS.items():
        if text := _text(exif.get(tag)):
            found[name] = text
    for tag, name in NUMBERS.items():
        value: Any = details.get(tag)
        if isinstance(value, tuple):
            value = value[0] if value else None
        if value is not None:
            number = float(value)
            found[name] = int(number) if number == int(number) else round(number, 6)
    if OFFSET_ORIGINAL not in details and (text := _text(details.get(DATE_TIME_ORIGINAL))):
        found["camera_time"] = text
    return found


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    return "".join(filter(str.isprintable, text)).strip()[:MAX_TEXT]
