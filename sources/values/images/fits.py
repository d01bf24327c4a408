"""FITS: its first image, as numbers, and the facts in its header.

Compressed tables are not read.

Source: FITS Standard 4.0, sections 3, 4.1, 4.4, 5.3 and 7.1.
"""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sources.values.images.facts import ImageFacts, Metadata, label_time, number, short_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

BLOCK_BYTES = 2880
CARD_BYTES = 80

MAX_BLOCKS = 1000
"""Maximum number of blocks of one header."""

MAX_UNITS = 1000
"""Maximum number of header and data units that are followed."""

CARD = re.compile(r"([A-Z0-9_-]{1,8}) *= +(?:'((?:[^']|'')*)'|([^/' ]+))")

TYPES = {"8": ">u1", "16": ">i2", "32": ">i4", "64": ">i8", "-32": ">f4", "-64": ">f8"}

TEXTS = {
    "INSTRUME": "instrument",
    "TELESCOP": "telescope",
    "OBJECT": "object",
    "FILTER": "filter",
    "OBSERVER": "observer",
}
NUMBERS = {"EXPTIME": "exposure_s", "GAIN": "gain", "CCD-TEMP": "ccd_temperature_c"}


class Unit(NamedTuple):
    """A header and where its data is.

    Attributes:
        cards: values by keyword, the first of each.
        start: offset of the data.
        end: offset after the data, without its padding.
    """

    cards: dict[str, str]
    start: int
    end: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes, the fastest last."""
        return _shape(self.cards)

    @property
    def is_image(self) -> bool:
        """Whether the data is an image of at least two axes."""
        kind = self.cards.get("XTENSION", "IMAGE").strip()
        return kind == "IMAGE" and len(self.shape) >= 2 and 0 not in self.shape


def matches(start: bytes) -> bool:
    """Whether a file begins as FITS."""
    return start.startswith(b"SIMPLE  =") and start[10:30].strip() in (b"T", b"")


def size(_: bytes, file: BinaryIO) -> tuple[int, int] | None:
    """Width and height of the first image; `None` if there is none yet."""
    unit = _first_image(file)
    return None if unit is None else (unit.shape[-1], unit.shape[-2])


def is_whole(file: BinaryIO, length: int, search: bool) -> bool:
    """Whether all units are there, each with its padding."""
    end = 0
    for unit in _units(file):
        end = _padded(unit.end)
        if end > length:
            return False
    file.seek(end)
    is_next_unit = file.read(8) == b"XTENSION"
    return end > 0 and (end == length or (search and not is_next_unit))


def facts(file: BinaryIO) -> ImageFacts:
    """The facts in the headers up to that of the first image."""
    cards: dict[str, str] = {}
    for unit in _units(file):
        cards = unit.cards | cards
        if unit.is_image:
            break
    metadata: Metadata = {}
    for keyword, name in TEXTS.items():
        if text := short_text(cards.get(keyword)):
            metadata[name] = text
    for keyword, name in NUMBERS.items():
        if (value := number(cards.get(keyword, ""))) is not None:
            metadata[name] = value
    is_utc = cards.get("TIMESYS", "UTC").strip() == "UTC"
    taken_at = label_time(cards.get("DATE-OBS", "").strip()) if is_utc else None
    return ImageFacts(taken_at, metadata)


def raster(file: BinaryIO) -> np.ndarray[Any, Any]:
    """The first image as rows from top to bottom; the first plane of a cube.

    Raises:
        ValueError: there is none, or it is truncated.
    """
    unit = _first_image(file)
    if unit is None:
        raise ValueError("it has no image that is read")
    *_, height, width = unit.shape
    kind = np.dtype(TYPES[unit.cards["BITPIX"]])
    file.seek(unit.start)
    rows = np.frombuffer(file.read(width * height * kind.itemsize), kind).reshape(height, width)
    blank = number(unit.cards.get("BLANK", ""))
    if blank is not None and kind.kind != "f":
        rows = np.where(rows == blank, np.float32("nan"), rows)
    is_negative = (number(unit.cards.get("BSCALE", "1")) or 1) < 0
    return -rows.astype(np.float32)[::-1] if is_negative else rows[::-1]


def _first_image(file: BinaryIO) -> Unit | None:
    return next((unit for unit in _units(file) if unit.is_image), None)


def _units(file: BinaryIO) -> Iterator[Unit]:
    """The units whose headers have arrived."""
    position = 0
    for _ in range(MAX_UNITS):
        file.seek(position)
        if (cards := _cards(file)) is None:
            return
        start = file.tell()
        groups = int(cards.get("GCOUNT", 1)) * (int(cards.get("PCOUNT", 0)) + _values(cards))
        unit = Unit(cards, start, start + abs(int(cards["BITPIX"])) // 8 * groups)
        yield unit
        position = _padded(unit.end)


def _cards(file: BinaryIO) -> dict[str, str] | None:
    """The header that begins here; `None` if there is none, or it has not arrived."""
    cards: dict[str, str] = {}
    for number_of_block in range(MAX_BLOCKS):
        block = file.read(BLOCK_BYTES).decode("latin-1")
        if len(block) < BLOCK_BYTES:
            return None
        if not number_of_block and not block.startswith(("SIMPLE  =", "XTENSION=")):
            return None
        for at in range(0, BLOCK_BYTES, CARD_BYTES):
            card = block[at : at + CARD_BYTES]
            if card.rstrip() == "END":
                is_valid = cards.get("BITPIX") in TYPES and all(n >= 0 for n in _shape(cards))
                return cards if is_valid else None
            if match := CARD.match(card):
                text = match[3] if match[2] is None else match[2].replace("''", "'").rstrip()
                cards.setdefault(match[1], text)
    return None


def _shape(cards: dict[str, str]) -> tuple[int, ...]:
    count = min(int(cards.get("NAXIS", 0)), 999)
    return tuple(int(cards.get(f"NAXIS{axis}", 0)) for axis in range(count, 0, -1))


def _values(cards: dict[str, str]) -> int:
    return prod(_shape(cards)) if _shape(cards) else 0


def _padded(position: int) -> int:
    return -(-position // BLOCK_BYTES) * BLOCK_BYTES
