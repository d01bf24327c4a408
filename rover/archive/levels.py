"""Where the points of a parameter go: chunks of limited sizes, at several levels of detail.

Level 0 has all values, in chunks of 1,024 to 2,048. When some chunks are complete, their extremes
go to level 1, which has about a sixteenth of the points, and from there to level 2, and so on. So a
level lacks the newest points; a reader takes those from the level below.

The chunks of a level do not overlap. A late value goes into the chunk of its time.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from math import inf, nextafter
from typing import TYPE_CHECKING

import numpy as np

from rover.archive.packed import pack_points
from rover.archive.points import joined
from rover.archive.reduce import are_spikes, reduced, reduced_all

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from rover.archive.catalog import Chunk
    from rover.archive.chunks import Chunks
    from rover.archive.packed import Packed
    from rover.archive.points import Points

CHUNK = 1024
"""Number of points of a complete chunk. Late values make it larger, up to twice as large."""

MAX_CHUNK_BYTES = 2**20
"""Size of texts from which a chunk is complete, however few they are."""

LEVELS = 6
"""Number of levels. The last has one point for about a million values."""

CHUNKS_AT_ONCE = 8
"""Number of complete chunks whose extremes go to the next level together, because that rewrites a
chunk of that level."""


@dataclass(slots=True)
class Piece:
    """Points that become one chunk.

    Attributes:
        parameter: its id; 0 for a new parameter.
        points: at least one.
        replaced: id of the chunk that it replaces; `None` if it is new.
        is_open: whether newer points may be added.
        packed: the compressed points, once `prepare` has made them.
        extremes: the points that go to the next level, once `prepare` has chosen them.
    """

    parameter: int
    points: Points
    replaced: int | None
    is_open: bool
    packed: Packed | None = None
    extremes: Points | None = None


def prepare(pieces: Sequence[Piece], level: int) -> None:
    """Compress and reduce pieces of several parameters together, which is faster.

    It takes most of the time of storing them, and needs no transaction.
    """
    packed = pack_points([piece.points for piece in pieces])
    for piece, found in zip(pieces, packed, strict=True):
        piece.packed = found
    complete = [piece for piece in pieces if not piece.is_open]
    if level + 1 < LEVELS:
        extremes = reduced_all([piece.points for piece in complete])
        for piece, points in zip(complete, extremes, strict=True):
            piece.extremes = points


class Levels:
    """The chunks of all parameters.

    Args:
        chunks: the table of chunks. The caller begins and commits the transactions, and calls
            `forget` after one that fails.
    """

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._newest: dict[tuple[int, int], Chunk | None] = {}  # by parameter and level
        # extremes for a level, by parameter and level; read again if they are missing
        self._pending: dict[tuple[int, int], list[Points]] = {}

    def forget(self) -> None:
        """Read the chunks again: they have changed."""
        self._newest.clear()
        self._pending.clear()

    def forget_chunks(self, ids: Collection[int]) -> None:
        """Forget chunks that were deleted. Their extremes may still go to the next level."""
        self._newest = {
            key: chunk
            for key, chunk in self._newest.items()
            if chunk is None or chunk.id not in ids
        }

    def newest(self, parameter: int, level: int) -> Chunk | None:
        """The newest chunk of a level."""
        key = parameter, level
        if key not in self._newest:
            self._newest[key] = self._chunks.newest(*key)
        return self._newest[key]

    def late(self, parameter: int, points: Points) -> int:
        """The number of points that are older than the end of the newest complete chunk."""
        newest = self.newest(parameter, 0)
        if newest is not None and newest.is_open:  # it takes all values since the one before
            newest = self._chunks.before(parameter, 0, newest)
        return 0 if newest is None else int(np.searchsorted(points.t, newest.last))

    def pieces(self, parameter: int, level: int, points: Points) -> list[Piece]:
        """The chunks that points become, which are newer than all complete chunks of a level."""
        newest = self.newest(parameter, level)
        replaced = None
        if newest is not None and newest.is_open and len(points):
            before = self._chunks.load(newest)
            if before is not None:  # else it is damaged, and stays
                points, replaced = before.then(points), newest.id
        pieces = []
        for piece in _pieces(points):
            is_open = len(piece) < CHUNK and piece.object_bytes() < MAX_CHUNK_BYTES
            pieces.append(Piece(parameter, piece, replaced, is_open))
            replaced = None
        return pieces

    def append(self, level: int, piece: Piece, *, stored: float) -> None:
        """Store what `pieces` returned and `prepare` compressed."""
        parameter, points = piece.parameter, piece.points
        self._newest[parameter, level] = self._chunks.save(
            parameter,
            level,
            points,
            stored,
            is_open=piece.is_open,
            replaced=piece.replaced,
            packed=piece.packed,
        )
        if piece.extremes is not None and (parameter, level + 1) in self._pending:
            self._pending[parameter, level + 1].append(piece.extremes)

    def pieces_above(self, level: int, parameters: Iterable[int]) -> list[Piece]:
        """The chunks that the extremes of complete chunks become.

        Args:
            level: of these chunks, at least 1.
            parameters: ids of those that have new complete chunks on the level below.
        """
        found = []
        for parameter in parameters:
            above = parameter, level
            if above not in self._pending:
                self._pending[above] = self._missing(*above)
            if len(self._pending[above]) >= CHUNKS_AT_ONCE:
                extremes = joined(self._pending.pop(above))
                found += self.pieces(*above, extremes) if extremes is not None else []
                self._pending[above] = []
        return found

    def _missing(self, parameter: int, level: int) -> list[Points]:
        """The extremes of the complete chunks of the level below that a level lacks."""
        newest = self.newest(parameter, level)
        since = -inf if newest is None else nextafter(newest.last, inf)
        chunks = self._chunks.complete_after(parameter, level - 1, since)
        found = (self._chunks.load(chunk) for chunk in chunks)
        return [reduced(points) for points in found if points is not None]

    def insert(self, parameter: int, level: int, points: Points, stored: float) -> None:
        """Add points to the complete chunks of their times."""
        since, until = float(points.t[0]), nextafter(float(points.t[-1]), inf)
        chunks = self._chunks.between(parameter, level, since, until)
        if not chunks and (oldest := self._chunks.oldest(parameter, level)) is not None:
            chunks = [oldest]
        starts = [chunk.first for chunk in chunks]
        target = np.array([max(0, bisect_right(starts, t) - 1) for t in points.t.tolist()])
        for index in np.unique(target).tolist():
            self._insert_into(parameter, level, chunks[index], points[target == index], stored)

    def _insert_into(
        self, parameter: int, level: int, chunk: Chunk, points: Points, stored: float
    ) -> None:
        before = self._chunks.load(chunk)
        if before is None:  # it is damaged, and stays
            self._chunks.save(parameter, level, points, stored)
            self._newest.pop((parameter, level), None)
            return
        merged = before.then(points)
        count = 1 if len(merged) <= 2 * CHUNK else -(-len(merged) // CHUNK)
        edges = np.linspace(0, len(merged), count + 1).astype(int).tolist()
        replaced: int | None = chunk.id
        is_open = chunk.is_open and count == 1
        for start, end in pairwise(edges):
            piece = merged[start:end]
            self._chunks.save(parameter, level, piece, stored, is_open=is_open, replaced=replaced)
            replaced = None
        self._newest.pop((parameter, level), None)
        if level + 1 == LEVELS:
            return
        self._pending.pop((parameter, level + 1), None)
        newest = self.newest(parameter, level + 1)
        if newest is not None and chunk.first <= newest.last:  # its extremes went to that level
            extremes = points[are_spikes(points, before)] if count == 1 else reduced(merged)
            if len(extremes):
                self.insert(parameter, level + 1, extremes, stored)


def _pieces(points: Points) -> Iterator[Points]:
    """Chunks of points: all are complete, but the last one may not be.

    Points of the same time are not divided, up to a number.
    """
    start = 0
    while start < len(points):
        end = start + CHUNK
        if end < len(points):
            same = int(np.searchsorted(points.t, points.t[end - 1], side="right"))
            end = min(same, start + 2 * CHUNK)
        yield points[start:end]
        start = end
