"""What waits for its transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rover.logs.codec import encode
from rover.schema import MAX_OFFSET, OFFSET_BITS, SAMPLE_KINDS

if TYPE_CHECKING:
    from rover.logs.codec import Row

PACK_BYTES = 4200
"""Maximum size of a pack of more than one sample, with `HEAD_BYTES`. Its records fit into a page of
4 KiB, so that a damaged page hides no more than that."""

HEAD_BYTES = 200
"""Size of a waiting pack without its records."""

Trim = tuple[int, frozenset[str] | None]
"""The id of a stream, and the kinds of records to delete; `None` for all."""


class Hole(NamedTuple):
    """Offsets of one stream that were not recorded.

    Attributes:
        stream: the id of the stream.
        first: its first offset.
        last: its last offset.
        since: POSIX seconds of the first.
        until: POSIX seconds of the last.
        reason: why.
    """

    stream: int
    first: int
    last: int
    since: float
    until: float
    reason: str


@dataclass(slots=True)
class Pack:
    """Consecutive samples of one stream, or one other record.

    Attributes:
        stream: the id of the stream.
        first: id of the oldest record.
        last: id of the newest.
        since: server time of the oldest.
        until: server time of the newest.
        row: the other record; `None` for samples.
        records: the encoded records.
        size: approximate size in bytes.
    """

    stream: int
    first: int
    last: int
    since: float
    until: float
    row: Row | None
    records: list[bytes]
    size: int


@dataclass(slots=True)
class Batch:
    """What one transaction writes.

    Attributes:
        deleted: ids of streams to delete, before everything else.
        begun: streams and epochs that have begun: id, key, epoch, its first offset, and the offset
            of the stream's newest record.
        packs: the records, in the order in which they were appended.
        items: values by key; `None` to delete.
        holes: offsets that were dropped, by the id of the stream.
        trims: by stream and kinds, the first offset that stays.
        size: approximate bytes of the records.
    """

    deleted: set[int] = field(default_factory=set)
    begun: list[tuple[int, str, str, int, int]] = field(default_factory=list)
    packs: list[Pack] = field(default_factory=list)
    items: dict[str, str | None] = field(default_factory=dict)
    holes: dict[int, Hole] = field(default_factory=dict)
    trims: dict[Trim, int] = field(default_factory=dict)
    size: int = 0

    def __bool__(self) -> bool:
        return bool(
            self.packs or self.items or self.begun or self.trims or self.deleted or self.holes
        )

    def append(self, row: Row) -> bytes:
        """Add a record; returns it encoded.

        It is packed now, while it is in the cache of the core: later, that takes four times as
        long.
        """
        id_, at, _, kind, _ = row
        record = encode(row)
        stream, is_sample, size = id_ >> OFFSET_BITS, kind in SAMPLE_KINDS, len(record)
        if is_sample and self.packs:
            pack = self.packs[-1]
            if pack.stream == stream and pack.row is None and pack.size + size <= PACK_BYTES:
                pack.records.append(record)
                pack.last, pack.until = id_, at
                pack.size += size
                self.size += size
                return record
        size += HEAD_BYTES if is_sample else HEAD_BYTES + size
        self.packs.append(
            Pack(stream, id_, id_, at, at, None if is_sample else row, [record], size)
        )
        self.size += size
        return record

    def delete(self, stream: int) -> None:
        """Delete a stream, and what waits for it."""
        self.deleted.add(stream)
        self.begun = [one for one in self.begun if one[0] != stream]
        self.packs = [pack for pack in self.packs if pack.stream != stream]
        self.size = sum(pack.size for pack in self.packs)
        self.trims = {trim: before for trim, before in self.trims.items() if trim[0] != stream}
        self.holes.pop(stream, None)

    def extend(self, later: Batch) -> None:
        """Add what was appended after this batch, which could not be written."""
        for stream in later.deleted:
            self.delete(stream)
        self.begun += later.begun
        self.packs += later.packs
        self.items |= later.items
        self.trims |= later.trims
        self.size += later.size
        for hole in later.holes.values():
            self._add_hole(hole)

    def drop_oldest(self, max_bytes: int, reason: str) -> int:
        """Drop older halves of the records until they have at most `max_bytes`.

        Returns:
            The number of dropped records. The holes have their offsets.
        """
        dropped = 0
        while self.size > max_bytes:
            half = (len(self.packs) + 1) // 2
            for pack in self.packs[:half]:
                first, last = pack.first & MAX_OFFSET, pack.last & MAX_OFFSET
                self._add_hole(Hole(pack.stream, first, last, pack.since, pack.until, reason))
                self.size -= pack.size
                dropped += len(pack.records)
            del self.packs[:half]
        return dropped

    def _add_hole(self, hole: Hole) -> None:
        known = self.holes.get(hole.stream, hole)
        self.holes[hole.stream] = known._replace(
            first=min(known.first, hole.first),
            last=max(known.last, hole.last),
            since=min(known.since, hole.since),
            until=max(known.until, hole.until),
        )
