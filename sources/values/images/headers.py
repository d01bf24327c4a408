"""The size in pixels of PNG, JPEG, GIF, WebP, TIFF and BMP.

Only headers are read and nothing is decoded, so a hostile file costs a few small reads whatever
size it claims. (Pillow warns about or refuses large images when it opens them, and reads a whole
WebP.)

Source: PNG (W3C, 5.3 and 11.2.2); JPEG (ITU-T T.81, B.1); GIF89a, 18; WebP (RFC 9649, 2.3);
TIFF 6.0, section 2; BMP (BITMAPINFOHEADER).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

    Size = tuple[int, int] | None

MAX_SEGMENTS = 1000
"""Maximum number of JPEG segments that are searched for the frame header; a few are usual."""


def png(start: bytes, _: BinaryIO) -> Size:
    """Width and height in its `IHDR`; `None` if they are not there."""
    width, height = struct.unpack_from(">II", start[:24], 16)
    return width, height


def gif(start: bytes, _: BinaryIO) -> Size:
    """Width and height in its screen; `None` if they are not there."""
    width, height = struct.unpack_from("<HH", start, 6)
    return width, height


def bmp(start: bytes, _: BinaryIO) -> Size:
    """Width and height in its header; `None` if they are not there."""
    old = int.from_bytes(start[14:18], "little") == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", start, 18)
    return width, abs(height)  # negative for rows from top to bottom


def webp(start: bytes, _: BinaryIO) -> Size:
    """Width and height in its first chunk; `None` if they are not there."""
    kind = start[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", start, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", start, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X" and len(start) >= 30:
        return (
            int.from_bytes(start[24:27], "little") + 1,
            int.from_bytes(start[27:30], "little") + 1,
        )
    return None


def jpeg(_: bytes, file: BinaryIO) -> Size:
    """Width and height in its frame header; `None` if they are not there."""
    position = 2
    for _segment in range(MAX_SEGMENTS):
        file.seek(position)
        head = file.read(9)
        mark, code = struct.unpack_from("BB", head)
        if mark != 0xFF or code in (0xD9, 0xDA):  # not a segment, or the image data
            return None
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", head, 5)
            return width, height
        if code == 0xFF:  # fill
            position += 1
        elif code == 0x01 or 0xD0 <= code <= 0xD8:  # has no length
            position += 2
        else:
            position += 2 + struct.unpack_from(">H", head, 2)[0]
    return None


def tiff(start: bytes, file: BinaryIO) -> Size:
    """Width and height in its first directory; `None` if they are not there."""
    order = "<" if start[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(f"{order}I", start, 4)
    file.seek(directory)
    (count,) = struct.unpack(f"{order}H", file.read(2))
    found: dict[int, int] = {}
    entries = file.read(12 * count)
    for offset in range(0, len(entries) - 11, 12):
        tag, kind = struct.unpack_from(f"{order}HH", entries, offset)
        if tag in (256, 257) and kind in (3, 4):
            form = "H" if kind == 3 else "I"
            (found[tag],) = struct.unpack_from(order + form, entries, offset + 8)
    return (found[256], found[257]) if len(found) == 2 else None
