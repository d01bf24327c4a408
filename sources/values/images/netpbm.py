"""PBM, PGM and PPM with binary pixels.

Source: pbm(5), pgm(5), ppm(5) of Netpbm.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

MAX_HEADER_BYTES = 4096

SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
HEADER = re.compile(
    rb"P(?:(?P<bits>4)|[56])" + SPACE + rb"(\d{1,9})" + SPACE + rb"(\d{1,9})"
    rb"(?(bits)|" + SPACE + rb"(\d{1,5}))\s"
)

CHANNELS = {b"P5": 1, b"P6": 3}


def matches(start: bytes, magic: bytes) -> bool:
    """Whether a file begins as an image with this magic number."""
    return start[:2] == magic and start[2:3].isspace() and start[2:].lstrip()[:1] in b"#0123456789"


def size(_: bytes, file: BinaryIO) -> tuple[int, int] | None:
    """Width and height; `None` if the header has not arrived."""
    match = _header(file)
    return None if match is None else (int(match[2]), int(match[3]))


def is_whole(file: BinaryIO, length: int, search: bool) -> bool:
    """Whether all pixels of the first image are there."""
    match = _header(file)
    if match is None:
        return False
    width, height = int(match[2]), int(match[3])
    if match["bits"]:
        row = (width + 7) // 8
    else:
        row = width * CHANNELS[match[0][:2]] * (1 if int(match[4]) < 256 else 2)
    end = match.end() + row * height
    return row * height > 0 and (end == length or (search and end < length))


def _header(file: BinaryIO) -> re.Match[bytes] | None:
    file.seek(0)
    return HEADER.match(file.read(MAX_HEADER_BYTES))
