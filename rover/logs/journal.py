"""A file in memory that outlives the process: records until their transaction.

A transaction costs 20 to 100 µs, so there are only a few in a second. A record must not wait for
the next one, and must survive `kill -9` before anybody sees it. So it is first copied into this
file, which is mapped into memory: that costs about a microsecond and no system call, and the kernel
keeps the pages when the process ends. A power cut may lose them.

A damaged record ends its segment.

The file has two segments. While a transaction writes the records of one, new records go to the
other one.
"""

from __future__ import annotations

import mmap
import os
import struct
from math import inf, isfinite
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from rover.logs.codec import CHECKSUM, decode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from rover.logs.codec import Row

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

ALIVE = struct.Struct("=d")
"""POSIX seconds at which the run was alive. It follows `TRANSACTIONS`."""

ALIVE_AT = HEADER.size + TRANSACTIONS.size

MAGIC = b"ROVERJ3\n"

MAGIC_2 = b"ROVERJ2\n"
"""Of older files: the checksums of records include the run, and `ALIVE` is 0."""


class Found(NamedTuple):
    """What a journal holds.

    Attributes:
        rows: its records up to a damaged one, of both segments, in the order of their ids.
        is_complete: whether nothing is damaged.
        lost: from when to when in POSIX seconds a damaged segment may have had records before those
            of the other one.
    """

    rows: list[Row]
    is_complete: bool
    lost: Sequence[tuple[float, float]] = ()


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

    def append(self, record: bytes) -> bool:
        """Store an encoded record; returns `False` if it does not fit."""
        used = self._used[self._active]
        end = used + len(record)
        if end > SEGMENT_BYTES:
            return False
        start = HEADER_BYTES + self._active * SEGMENT_BYTES
        self._map[start + used : start + end] = record
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

    def note_alive(self, at: float) -> None:
        """Note that the run is alive at a time in POSIX seconds, and that nothing is missing."""
        ALIVE.pack_into(self._map, ALIVE_AT, at)

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
        if run.decode("ascii") not in runs or magic not in (MAGIC, MAGIC_2):
            return None
        record_seed = crc32(run) if magic == MAGIC_2 else 0
        first, second = (
            _read_segment(content, segment, crc32(run), record_seed) for segment in (0, 1)
        )
        rows = sorted(first.rows + second.rows, key=itemgetter(0))
        lost = (*_lost(first, second), *_lost(second, first))
        return Found(rows, first.is_complete and second.is_complete, lost)
    except (OSError, ValueError, struct.error):
        return None


class Noted(NamedTuple):
    """What a run has noted in its journal.

    Attributes:
        transactions: number of transactions that it has committed; 0 if it is unknown.
        alive_at: POSIX seconds at which it was alive, and the file or the journal had all its
            records; 0 if it is unknown.
        run: its id; empty if it is unknown.
    """

    transactions: int = 0
    alive_at: float = 0.0
    run: str = ""


def read_notes(path: Path) -> Noted:
    """What the last run has noted, also if it has left no records."""
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
        _, run, *_ = HEADER.unpack_from(header)
        (transactions,) = TRANSACTIONS.unpack_from(header, HEADER.size)
        (alive_at,) = ALIVE.unpack_from(header, ALIVE_AT)
    except (OSError, struct.error):
        return Noted()
    is_known = header.startswith(MAGIC) and isfinite(alive_at)
    return Noted(transactions, alive_at if is_known else 0.0, run.decode("ascii", "replace"))


def _used_checksum(used: int, seed: int) -> int:
    return crc32(CHECKSUM.pack(used), seed)


def _read_segment(content: bytes, segment: int, seed: int, record_seed: int) -> Found:
    """The records of a segment, up to a damaged one."""
    used, checksum = USED.unpack_from(content, USED_AT + USED.size * segment)
    if used > SEGMENT_BYTES or checksum != _used_checksum(used, seed):
        return Found([], is_complete=False)
    start = HEADER_BYTES + segment * SEGMENT_BYTES
    rows: list[Row] = []
    for row in decode(content, start, start + used, record_seed):
        if row is None:
            return Found(rows, is_complete=False)
        rows.append(row)
    return Found(rows, is_complete=True)


def _lost(segment: Found, other: Found) -> Iterator[tuple[float, float]]:
    """From when to when a damaged segment may have had records before those of another one."""
    since = segment.rows[-1][1] if segment.rows else -inf
    later = [at for _, at, *_ in other.rows if at > since]
    if later and not segment.is_complete:
        yield since, min(later)
