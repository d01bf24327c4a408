"""What waits for its transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rover.logs.codec import encode
from rover.schema import MAX_OFFSET, OFFSET_BITS, SAMPLE_KINDS

if TYPE_CHECKING:
    from rover.logs.codec import Row

WAITING_BYTES = 200
"""Size of a waiting record without its bytes."""

Waiting = tuple[int, float, bool, bytes]
"""Id, server time, whether it is a sample, and bytes of a record."""

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
class Batch:
    """What one transaction writes.

    Attributes:
        deleted: ids of streams to delete, before everything else.
        begun: streams and epochs that have begun: id, key, epoch, its first offset, and the offset
            of the stream's newest record.
        records: in the order in which they were appended.
        items: values by key; `None` to delete.
        holes: offsets that were dropped, by the id of the stream.
        trims: by stream and kinds, the first offset that stays.
        size: approximate bytes of the records.
    """

    deleted: set[int] = field(default_factory=set)
    begun: list[tuple[int, str, str, int, int]] = field(default_factory=list)
    records: list[Waiting] = field(default_factory=list)
    items: dict[str, str | None] = field(default_factory=dict)
    holes: dict[int, Hole] = field(default_factory=dict)
    trims: dict[Trim, int] = field(default_factory=dict)
    size: int = 0

    def __bool__(self) -> bool:
        return bool(
            self.records or self.items or self.begun or self.trims or self.deleted or self.holes
        )

    def append(self, row: Row) -> bytes:
        """Add a record; returns it encoded."""
        record = encode(row)
        self.records.append((row[0], row[1], row[3] in SAMPLE_KINDS, record))
        self.size += WAITING_BYTES + len(record)
        return record

    def delete(self, stream: int) -> None:
        """Delete a stream, and what waits for it."""
        self.deleted.add(stream)
        self.begun = [one for one in self.begun if one[0] != stream]
        self.records = [one for one in self.records if one[0] >> OFFSET_BITS != stream]
        self.size = sum(WAITING_BYTES + len(record) for *_, record in self.records)
        self.trims = {trim: before for trim, before in self.trims.items() if trim[0] != stream}
        self.holes.pop(stream, None)

    def extend(self, later: Batch) -> None:
        """Add what was appended after this batch, which could not be written."""
        for stream in later.deleted:
            self.delete(stream)
        self.begun += later.begun
        self.records += later.records
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
            half = (len(self.records) + 1) // 2
            for id_, at, _, record in self.records[:half]:
                stream, offset = id_ >> OFFSET_BITS, id_ & MAX_OFFSET
                self._add_hole(Hole(stream, offset, offset, at, at, reason))
                self.size -= WAITING_BYTES + len(record)
            del self.records[:half]
            dropped += half
        return dropped

    def _add_hole(self, hole: Hole) -> None:
        known = self.holes.get(hole.stream, hole)
        self.holes[hole.stream] = known._replace(
            first=min(known.first, hole.first),
            last=max(known.last, hole.last),
            since=min(known.since, hole.since),
            until=max(known.until, hole.until),
        )
