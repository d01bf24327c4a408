"""A file in memory that outlives the process: records until their transaction.

A transaction costs 20 to 100 µs, so there are only a few in a second. A record must not wait for
the next one, and must survive `kill -9` before anybody sees it. So it is first copied into this
file, which is mapped into memory: that costs about a microsecond and no system call, and the kernel
keeps the pages when the process ends. A power cut may lose them.

Each record has a checksum: a damaged one ends its segment.

The file has two segments. While a transaction writes the records of one, new records go to the
other one.
"""

from __future__ import annotations

import mmap
import os
import struct
from math import isnan, nan
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

SEGMENT_BYTES = 4 * 2**20
"""Size of a segment: at 1,000 samples of 400 bytes a second, it lasts 10 s."""

HEADER = struct.Struct("=8s16sQQ")
"""Magic, run, and `USED` of both segments. The transactions follow."""

HEADER_BYTES = 4096

USED = struct.Struct("=II")
"""Number of used bytes of a segment, and its checksum."""

USED_AT = 24
"""Position of `USED` of the first segment."""

TRANSACTIONS = struct.Struct("=Q")
"""Number of transactions of the run that have left the journal. It follows `HEADER`."""

MAGIC = b"ROVERJ2\n"

MAGIC_WITHOUT_CHECKSUMS = b"ROVERJ1\n"
"""Of older files: numbers of used bytes have 64 bits, and records have no checksum."""

ROW = struct.Struct("=qddBI")
"""Id, server time, own time, length of the kind, and length of the data."""

CHECKSUM = struct.Struct("=I")
"""CRC-32 of the run, the `ROW`, the kind and the data. It follows `ROW`."""

Row = tuple[int, float, float | None, str, str]
"""Id, server time, own time, kind and data of a record."""


class Found(NamedTuple):
    """What a journal holds.

    Attributes:
        rows: its records up to a damaged one, of both segments.
        is_complete: whether nothing is damaged.
    """

    rows: list[Row]
    is_complete: bool


class Journal:
    """The records that are not in the database yet.

    Args:
        path: of the file; created if it does not exist.
        run: the id of this run: 16 letters and digits.

    Raises:
        OSError: for example, the disk is full.
    """

    def __init__(self, path: Path, run: str) -> None:
        size = HEADER_BYTES + 2 * SEGMENT_BYTES
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):  # else a full disk would end the process (SIGBUS)
                os.posix_fallocate(descriptor, 0, size)
            else:
                os.ftruncate(descriptor, size)
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        HEADER.pack_into(self._map, 0, MAGIC, run.encode("ascii"), 0, 0)
        self.note_transactions(0)
        self._seed = crc32(run.encode("ascii"))
        self._used = [0, 0]
        for segment in (0, 1):
            self._set_used(segment, 0)
        self._active = 0

    def append(self, row: Row) -> bool:
        """Store a record; returns `False` if it does not fit."""
        id_, at, t, kind, data = row
        kind_bytes, data_bytes = kind.encode(), data.encode()
        head = ROW.pack(id_, at, nan if t is None else t, len(kind_bytes), len(data_bytes))
        text = kind_bytes + data_bytes
        content = head + CHECKSUM.pack(crc32(text, crc32(head, self._seed))) + text
        used = self._used[self._active]
        end = used + len(content)
        if end > SEGMENT_BYTES:
            return False
        start = HEADER_BYTES + self._active * SEGMENT_BYTES
        self._map[start + used : start + end] = content
        self._set_used(self._active, end)  # last: a record counts only when it is complete
        return True

    def seal(self) -> None:
        """Let further records go to the other segment, if that is empty. Call it with a batch."""
        if not self._used[1 - self._active]:
            self._active = 1 - self._active

    def clear_sealed(self) -> None:
        """Forget the records before the last `seal`: they are in the database."""
        self._set_used(1 - self._active, 0)

    def note_transactions(self, count: int) -> None:
        """Note the number of committed transactions: a file that has fewer has lost some."""
        TRANSACTIONS.pack_into(self._map, HEADER.size, count)

    def _set_used(self, segment: int, used: int) -> None:
        self._used[segment] = used
        place = USED_AT + USED.size * segment
        USED.pack_into(self._map, place, used, _used_checksum(used, self._seed))

    def close(self) -> None:
        """Close the file."""
        self._map.close()


def read_journal(path: Path, runs: Collection[str]) -> Found | None:
    """What one of these runs left; `None` if the file is not of one of them."""
    try:
        content = path.read_bytes()
        magic, run, *_ = HEADER.unpack_from(content)
        if run.decode("ascii") not in runs:
            return None
        if magic == MAGIC_WITHOUT_CHECKSUMS:
            return _found_without_checksums(content)
        if magic != MAGIC:
            return None
        rows: list[Row] = []
        complete = [_read_segment(content, segment, crc32(run), rows) for segment in (0, 1)]
        return Found(rows, all(complete))
    except (OSError, ValueError, struct.error):
        return None


def noted_transactions(path: Path) -> int:
    """The number of transactions that the run of a journal has committed; 0 if it is unknown."""
    try:
        with path.open("rb") as file:
            found: int = TRANSACTIONS.unpack_from(file.read(HEADER_BYTES), HEADER.size)[0]
    except (OSError, struct.error):
        return 0
    return found


def _used_checksum(used: int, seed: int) -> int:
    return crc32(CHECKSUM.pack(used), seed)


def _read_segment(content: bytes, segment: int, seed: int, rows: list[Row]) -> bool:
    """Add the records of a segment, up to a damaged one; returns whether none is damaged."""
    used, checksum = USED.unpack_from(content, USED_AT + USED.size * segment)
    if used > SEGMENT_BYTES or checksum != _used_checksum(used, seed):
        return False
    position = HEADER_BYTES + segment * SEGMENT_BYTES
    end = position + used
    while position < end:
        head = content[position : position + ROW.size]
        text_at = position + ROW.size + CHECKSUM.size
        if text_at > end:
            return False
        *fields, kind_length, data_length = ROW.unpack(head)
        (checksum,) = CHECKSUM.unpack_from(content, position + ROW.size)
        position = text_at + kind_length + data_length
        text = content[text_at:position]
        if position > end or checksum != crc32(text, crc32(head, seed)):
            return False
        rows.append(_row(fields, text, kind_length))
    return True


def _row(fields: list[Any], text: bytes, kind_length: int) -> Row:
    id_, at, t = fields
    kind, data = text[:kind_length].decode(), text[kind_length:].decode()
    return id_, at, None if isnan(t) else t, kind, data


def _found_without_checksums(content: bytes) -> Found:
    """What a journal of an older version holds.

    Raises:
        ValueError: it is damaged.
        struct.error: the same.
    """
    rows: list[Row] = []
    for segment, used in enumerate(HEADER.unpack_from(content)[2:]):
        position = HEADER_BYTES + segment * SEGMENT_BYTES
        end = position + used
        while position < end:
            *fields, kind_length, data_length = ROW.unpack_from(content, position)
            start = position + ROW.size
            position = start + kind_length + data_length
            rows.append(_row(fields, content[start:position], kind_length))
    return Found(rows, is_complete=True)
