"""What waits for its transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rover.schema import MAX_OFFSET, OFFSET_BITS

if TYPE_CHECKING:
    from rover.logs.journal import Row

ROW_BYTES = 200
"""Size of a waiting record without its data."""

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
        rows: id, server time, own time, kind and data of records.
        items: values by key; `None` to delete.
        holes: offsets that were dropped, by the id of the stream.
        trims: by stream and kinds, the first offset that stays.
        size: approximate bytes of the records.
    """

    deleted: set[int] = field(default_factory=set)
    begun: list[tuple[int, str, str, int, int]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    items: dict[str, str | None] = field(default_factory=dict)
    holes: dict[int, Hole] = field(default_factory=dict)
    trims: dict[Trim, int] = field(default_factory=dict)
    size: int = 0

    def __bool__(self) -> bool:
        return bool(
            self.rows or self.items or self.begun or self.trims or self.deleted or self.holes
        )

    def append(self, row: Row) -> None:
        """Add a record."""
        self.rows.append(row)
        self.size += ROW_BYTES + len(row[4])

    def delete(self, stream: int) -> None:
        """Delete a stream, and what waits for it."""
        self.deleted.add(stream)
        self.begun = [one for one in self.begun if one[0] != stream]
        self.rows = [row for row in self.rows if row[0] >> OFFSET_BITS != stream]
        self.size = sum(ROW_BYTES + len(row[4]) for row in self.rows)
        self.trims = {trim: before for trim, before in self.trims.items() if trim[0] != stream}
        self.holes.pop(stream, None)

    def extend(self, later: Batch) -> None:
        """Add what was appended after this batch, which could not be written."""
        for stream in later.deleted:
            self.delete(stream)
        self.begun += later.begun
        self.rows += later.rows
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
            half = (len(self.rows) + 1) // 2
            for id_, at, _, _, data in self.rows[:half]:
                stream, offset = id_ >> OFFSET_BITS, id_ & MAX_OFFSET
                self._add_hole(Hole(stream, offset, offset, at, at, reason))
                self.size -= ROW_BYTES + len(data)
            del self.rows[:half]
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
