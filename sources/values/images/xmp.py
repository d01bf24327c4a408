"""The facts in an XMP packet.

Source: XMP Specification Part 1, 7 (RDF); Part 2, 2 (`xmp`, `tiff`, `exif`); ISO 8601-1.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from sources.values.images.facts import ImageFacts, Metadata, checked_time, number, short_text

if TYPE_CHECKING:
    from collections.abc import Iterator

EXIF, TIFF = "{http://ns.adobe.com/exif/1.0/}", "{http://ns.adobe.com/tiff/1.0/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"

TIMES = (
    f"{EXIF}DateTimeOriginal",
    "{http://ns.adobe.com/photoshop/1.0/}DateCreated",
    "{http://ns.adobe.com/xap/1.0/}CreateDate",
)
"""Times of the shutter, the surest first."""

TEXTS = {f"{TIFF}Make": "make", f"{TIFF}Model": "model"}
NUMBERS = {
    f"{EXIF}ExposureTime": "exposure_s",
    f"{EXIF}FNumber": "f_number",
    f"{EXIF}ISOSpeedRatings": "iso",
    f"{EXIF}FocalLength": "focal_length_mm",
}

MAX_BYTES = 2**16
"""Maximum size of a packet, as in a segment of JPEG."""


def facts(packet: bytes) -> ImageFacts:
    """The facts in a packet; none if it is too large or malformed."""
    if len(packet) > MAX_BYTES:
        return ImageFacts(None, {})
    try:
        root = ElementTree.fromstring(packet.strip(b"\0 \r\n\t"))  # noqa: S314 # expat bounds it
    except ElementTree.ParseError:
        return ImageFacts(None, {})
    found = dict(_properties(root))
    metadata: Metadata = {}
    for name, key in TEXTS.items():
        if text := short_text(found.get(name)):
            metadata[key] = text
    for name, key in NUMBERS.items():
        if (value := _rational(found.get(name, ""))) is not None:
            metadata[key] = value
    stated = next((found[name] for name in TIMES if name in found), "")
    taken_at = _time(stated)
    if taken_at is None and (text := short_text(stated)):
        metadata["camera_time"] = text
    return ImageFacts(taken_at, metadata)


def _properties(root: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """Names and texts: a property is an attribute or an element, and of a list its first item."""
    for description in root.iter(f"{RDF}Description"):
        yield from description.attrib.items()
        for element in description:
            item = next(element.iter(f"{RDF}li"), element)
            yield element.tag, item.text or ""


def _rational(text: str) -> int | float | None:
    """The number that `1/200` or `5.6` states."""
    above, _, below = text.strip().partition("/")
    numerator, denominator = number(above), number(below or "1")
    try:
        value = float(numerator) / denominator if numerator is not None and denominator else None
    except OverflowError:
        return None
    return value if value is None else number(f"{value:.6g}")


def _time(text: str) -> float | None:
    """POSIX seconds; `None` without an offset."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return None if moment.tzinfo is None else checked_time(moment.timestamp())
