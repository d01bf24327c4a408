"""Records as bytes, as the journal and packs have them.

Each record has a checksum. A damaged length of a record also hides those after it.
"""

from __future__ import annotations

import struct
from math import isnan, nan
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = struct.Struct("<qddBI")
"""Id, server time, own time, length of the kind, and length of the data."""

CHECKSUM = struct.Struct("<I")
"""CRC-32 of the `HEAD`, the kind and the data. It follows `HEAD`."""

TEXT_AT = HEAD.size + CHECKSUM.size
"""Position of the kind, which the data follow."""

Row = tuple[int, float, float | None, str, str]
"""Id, server time, own time, kind and data of a record."""


def encode(row: Row) -> bytes:
    """The bytes of a record."""
    id_, at, t, kind, data = row
    kind_bytes, data_bytes = kind.encode(), data.encode()
    head = HEAD.pack(id_, at, nan if t is None else t, len(kind_bytes), len(data_bytes))
    text = kind_bytes + data_bytes
    return head + CHECKSUM.pack(crc32(text, crc32(head))) + text


def decode(content: bytes, start: int, end: int, seed: int = 0) -> Iterator[Row | None]:
    """The records between two positions; `None` in the place of damaged ones.

    Args:
        content: has the records.
        start: of the first record.
        end: of the last record.
        seed: of the checksums.
    """
    while start < end:
        text_at = start + TEXT_AT
        if text_at > end:
            yield None
            return
        head = content[start : start + HEAD.size]
        id_, at, t, kind_length, data_length = HEAD.unpack(head)
        data_at = text_at + kind_length
        (checksum,) = CHECKSUM.unpack_from(content, start + HEAD.size)
        start = data_at + data_length
        if start > end:
            yield None
            return
        if checksum == crc32(content[text_at:start], crc32(head, seed)):
            kind, data = content[text_at:data_at].decode(), content[data_at:start].decode()
            yield id_, at, None if isnan(t) else t, kind, data
        else:
            yield None
