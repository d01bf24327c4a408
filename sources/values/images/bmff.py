"""AVIF and HEIC: images in the boxes of the ISO base media file format.

Source: ISO/IEC 14496-12, 4.2 and 8.11; ISO/IEC 23008-12, 6.5.3 (`ispe`), 6.5.9 (`clap`), 9.3
(`ipma`) and 10 (brands); AV1 Image
File Format 1.1, 8.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

AVIF = frozenset({b"avif", b"avis"})
HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})

MAX_BOXES = 10_000
"""Maximum number of boxes of a file, or of a box, that are followed."""

MAX_TABLE_BYTES = 2**20
"""Maximum bytes of one table of a file."""


def matches(start: bytes, brands: frozenset[bytes]) -> bool:
    """Whether one of the first brands of a file is one of these."""
    if start[4:8] != b"ftyp":
        return False
    known = {start[8:12], *(start[at : at + 4] for at in range(16, len(start), 4))}
    return bool(known & brands)


def size(_: bytes, file: BinaryIO) -> tuple[int, int] | None:
    """Width and height of the primary item, as it is cropped."""
    meta = _find(file, [b"meta"], 0, 2**62)
    if meta is None:
        return None
    start, end = meta[0] + 4, meta[1]
    number = _content(file, [b"pitm"], start, end)
    container = _find(file, [b"iprp", b"ipco"], start, end)
    wanted = _associated(
        _content(file, [b"iprp", b"ipma"], start, end),
        int.from_bytes(number[4 : 6 if number[:1] == b"\0" else 8], "big"),
    )
    if container is None:
        return None
    found: tuple[int, int] | None = None
    for index, (kind, inner, _end) in enumerate(_boxes(file, *container), 1):
        if index in wanted and kind in (b"ispe", b"clap"):
            file.seek(inner)
            if kind == b"ispe":
                found = struct.unpack(">4xII", file.read(12))
            else:
                width, by, height, by_2 = struct.unpack(">IIII", file.read(16))
                return width // max(by, 1), height // max(by_2, 1)
    return found


def is_whole(file: BinaryIO, length: int, search: bool) -> bool:
    """Whether all boxes are there, with those of the items and of their data."""
    kinds: set[bytes] = set()
    end = 0
    for kind, _, end in _boxes(file, 0, length):
        if end > length:
            return False
        kinds.add(kind)
    return {b"ftyp", b"meta", b"mdat"} <= kinds and (end == length or search)


def _associated(table: bytes, item: int) -> set[int]:
    """The numbers of the properties of an item, from an `ipma` box."""
    version, flags, count = struct.unpack_from(">B2xBI", table)
    at = 8
    for _ in range(count):
        (number, properties) = struct.unpack_from(">IB" if version else ">HB", table, at)
        at += 5 if version else 3
        form = ">H" if flags & 1 else ">B"
        step = struct.calcsize(form)
        if number == item:
            mask = 0x7FFF if flags & 1 else 0x7F
            places = range(at, at + properties * step, step)
            return {struct.unpack_from(form, table, place)[0] & mask for place in places}
        at += properties * step
    return set()


def _content(file: BinaryIO, path: list[bytes], start: int, end: int) -> bytes:
    place = _find(file, path, start, end)
    if place is None:
        return b""
    file.seek(place[0])
    return file.read(min(place[1] - place[0], MAX_TABLE_BYTES))


def _find(file: BinaryIO, path: list[bytes], start: int, end: int) -> tuple[int, int] | None:
    """Where the content of a box within boxes begins and ends."""
    for kind, inner, inner_end in _boxes(file, start, end):
        if kind == path[0]:
            return _find(file, path[1:], inner, inner_end) if path[1:] else (inner, inner_end)
    return None


def _boxes(file: BinaryIO, position: int, limit: int) -> Iterator[tuple[bytes, int, int]]:
    """The type of each box from `position`, and where its content begins and ends."""
    for _ in range(MAX_BOXES):
        file.seek(position)
        head = file.read(16)
        if len(head) < 8 or position >= limit:
            return
        length, kind = struct.unpack_from(">I4s", head)
        content = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", head, 8)
            content += 8
        if length < content - position or not kind.isascii():  # 0: up to the end of the file
            return
        position += length
        yield kind, content, position
