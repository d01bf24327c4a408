"""Whether a PNG, JPEG, GIF, WebP, TIFF or BMP is complete.

Only a few parts of a file are read, unless its end must be searched for. Nothing is decoded.

Source: PNG (W3C, 5.3); JPEG (ITU-T T.81, B.1); GIF89a, 15 and 27; WebP (RFC 9649, 2.4); TIFF 6.0,
section 2 and 8; BMP (BITMAPINFOHEADER).
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

PNG_END = bytes.fromhex("00000000 49454e44 ae426082")
JPEG_END = b"\xff\xd9"
GIF_END = b"\x3b"

MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""A marker in the compressed data of a JPEG that is not a restart marker (B.1.1.2)."""

TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value of a TIFF, by its type."""

MAX_PARTS = 100_000
"""Maximum number of parts of a file that are followed: segments, chunks, blocks or directories."""

MAX_TABLE_BYTES = 8 * 2**20
"""Maximum bytes of one table of a TIFF."""

SEARCH_BYTES = 2**20
"""Bytes that are searched at a time."""


def png(file: BinaryIO, length: int, search: bool) -> bool:
    """Whether its `IEND` is there."""
    if _last(file, length, len(PNG_END)) == PNG_END:
        return True
    position = 8
    for _ in range(MAX_PARTS if search else 0):
        file.seek(position)
        head = file.read(8)
        position += 12 + int.from_bytes(head[:4], "big")
        if position > length or head[4:] == b"IEND":
            return position <= length
    return False


def jpeg(file: BinaryIO, length: int, search: bool) -> bool:
    """Whether its end marker follows its pixels."""
    if not search and _last(file, length, len(JPEG_END)) != JPEG_END:
        return False
    start = _scan_start(file)
    if start is None:
        return False
    if _last(file, length, len(JPEG_END)) == JPEG_END:
        return start <= length - len(JPEG_END)
    return _has_end_after(file, start)


def _has_end_after(file: BinaryIO, position: int) -> bool:
    """Whether a JPEG's end follows its compressed data, which begins at `position`."""
    for _ in range(MAX_PARTS):
        marker = _next_marker(file, position)
        if marker is None:
            return False
        position, code = marker
        if code == 0xD9:
            return True
        file.seek(position)  # of the tables of the next scan
        position += struct.unpack(">H", file.read(2))[0]
    return False


def _next_marker(file: BinaryIO, position: int) -> tuple[int, int] | None:
    """The position after the next marker in compressed data, and its code."""
    while True:
        file.seek(position)
        data = file.read(SEARCH_BYTES)
        if found := MARKER.search(data):
            return position + found.end(), found[0][1]
        if len(data) < 2:
            return None
        position += len(data) - 1  # a marker may begin with the last byte


def _scan_start(file: BinaryIO) -> int | None:
    """The position of the compressed data of a JPEG; `None` if it has not arrived."""
    position: int = 2
    for _ in range(MAX_PARTS):
        file.seek(position)
        mark, code = struct.unpack("BB", file.read(2))
        if mark != 0xFF or code == 0xD9:
            return None
        if code == 0xFF:  # fill
            position += 1
        elif code == 0x01 or 0xD0 <= code <= 0xD8:  # has no length
            position += 2
        else:
            position += 2 + struct.unpack(">H", file.read(2))[0]
            if code == 0xDA:
                return position
    return None


def gif(file: BinaryIO, length: int, search: bool) -> bool:
    """Whether its trailer is there."""
    if not search and _last(file, length, 1) != GIF_END:
        return False
    file.seek(10)
    (flags,) = struct.unpack("B", file.read(1))
    file.seek(13 + _color_table_bytes(flags))
    for _ in range(MAX_PARTS):
        kind = file.read(1)
        if kind == GIF_END:
            return True
        if kind == b"\x21":  # an extension
            file.seek(1, 1)
        elif kind == b"\x2c":  # an image
            (flags,) = struct.unpack("8xB", file.read(9))
            file.seek(_color_table_bytes(flags) + 1, 1)
        else:
            return False
        _skip_sub_blocks(file)
    return False


def _color_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_sub_blocks(file: BinaryIO) -> None:
    while size := file.read(1):
        if size == b"\0":
            return
        file.seek(size[0], 1)
    raise struct.error("truncated")


def webp(file: BinaryIO, length: int, search: bool) -> bool:
    """Whether it has the size in its header."""
    file.seek(4)
    (size,) = struct.unpack("<I", file.read(4))
    end = 8 + size + size % 2
    return size > 0 and (end == length or (search and end < length))


def bmp(file: BinaryIO, length: int, search: bool) -> bool:
    """Whether it has the size in its header."""
    file.seek(2)
    size, pixels, header = struct.unpack("<I4xII", file.read(16))
    if size == length or (search and 0 < size < length):
        return True
    if header < 40:  # some programs write no size; then that of uncompressed pixels counts
        return False
    width, height, bits, compression = struct.unpack("<ii2xHI", file.read(16))
    row = (abs(width) * bits + 31) // 32 * 4
    return compression in (0, 3) and row > 0 and pixels + row * abs(height) == length


def tiff(file: BinaryIO, length: int, search: bool) -> bool:
    """Whether all directories and their pixels are there."""
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    file.seek(4)
    (directory,) = struct.unpack(f"{order}I", file.read(4))
    seen: set[int] = set()
    while directory and directory not in seen and len(seen) < MAX_PARTS:
        seen.add(directory)
        file.seek(directory)
        (count,) = struct.unpack(f"{order}H", file.read(2))
        entries = file.read(12 * count)
        (directory,) = struct.unpack(f"{order}I", file.read(4))
        if not _has_pixels(file, order, entries, length):
            return False
    return bool(seen) and not directory


def _has_pixels(file: BinaryIO, order: str, entries: bytes, length: int) -> bool:
    """Whether the strips or tiles of a TIFF's directory are in the file."""
    tables: dict[int, tuple[int, ...]] = {}
    for offset in range(0, len(entries), 12):
        tag, kind, count, at = struct.unpack_from(f"{order}HHII", entries, offset)
        size = TIFF_BYTES.get(kind, 0) * count
        if size > 4 and at + size > length:
            return False
        if tag in (273, 279, 324, 325) and kind in (3, 4):
            if size > MAX_TABLE_BYTES:
                return False
            table = entries[offset + 8 : offset + 8 + size]
            if size > 4:
                file.seek(at)
                table = file.read(size)
            tables[tag] = struct.unpack(f"{order}{count}{'H' if kind == 3 else 'I'}", table)
    starts = tables.get(273) or tables.get(324)
    sizes = tables.get(279) or tables.get(325)
    if starts is None or sizes is None or len(starts) != len(sizes):
        return False
    return all(
        start and size and start + size <= length for start, size in zip(starts, sizes, strict=True)
    )


def _last(file: BinaryIO, length: int, count: int) -> bytes:
    file.seek(max(length - count, 0))
    return file.read(count)
