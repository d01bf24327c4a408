"""The values of all parameters, and smaller copies of them for plots of long spans.

Level 0 has all values, in chunks of 1,024 to 2,048. When some chunks are complete, their extremes
go to level 1, which has about a sixteenth of the points, and from there to level 2, and so on. So a
level lacks the newest points; a reader takes those from the level below.

The chunks of a level do not overlap. A late value goes into the chunk of its time.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import contextmanager
from itertools import pairwise
from math import inf, nextafter
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from rover.archive.chunks import Chunk, Chunks, Stored
from rover.archive.points import joined
from rover.archive.reduce import reduced
from rover.retention import EARLIEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from sqlite3 import Connection

    from numpy.typing import NDArray

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

TRANSACTION_S = 0.001
"""Approximate maximum length of a transaction in seconds. Other connections wait for its end."""

DROP_AT_ONCE = 8
"""Number of chunks that are deleted in one transaction."""

MAX_OBJECT_BYTES = 8 * 2**20
"""Size of the texts of one parameter from which a query keeps only the changes."""

NEIGHBOURS = 8
"""Number of points on each side of a late value that decide whether it is a spike."""


NOTHING = Stored(0, 0, {})


class Store:
    """Stores and reads the values of all parameters.

    Args:
        db: an SQLite database with automatic commits (`isolation_level=None`).
        create: whether to create tables that do not exist.
    """

    def __init__(self, db: Connection, *, create: bool = True) -> None:
        self._db = db
        self._chunks = Chunks(db, create=create)
        self._stored: dict[str, Stored] = {}  # by name
        self._newest: dict[tuple[int, int], Chunk | None] = {}  # by parameter and level
        self._pending: dict[tuple[int, int], list[Points]] = {}  # extremes for that level
        self._reload()

    @property
    def names(self) -> list[str]:
        """The names of the parameters that it has, or has had, values of."""
        return list(self._stored)

    def archived(self, name: str) -> int:
        """The offset of the newest event whose value of a parameter is stored; 0 without one."""
        return self._stored[name].archived if name in self._stored else 0

    def kinds(self, name: str) -> Mapping[str, str]:
        """Letters of the types of a parameter's values, by component (`points.KINDS`)."""
        return self._stored[name].kinds if name in self._stored else {}

    def _reload(self) -> None:
        self._stored = self._chunks.parameters()
        self._forget()

    def _forget(self) -> None:
        self._newest.clear()
        self._pending.clear()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction. If it fails, its changes are undone."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._chunks.share_no_times()
            self._reload()
            raise

    def add(self, batch: Mapping[str, Points], stored: float, offset: int = 0) -> None:
        """Store points: those of each parameter completely, or not at all.

        Args:
            batch: by parameter.
            stored: POSIX seconds of now. If the clock was set back, the time of the newest chunk
                counts, so that chunks are deleted in the order in which they were stored.
            offset: of the newest event that they are from.

        Raises:
            sqlite3.Error: some are not stored; `archived` returns which.
        """
        stored = max(stored, self._chunks.newest_stored())
        waiting = list(batch.items())[::-1]
        while waiting:
            changed = {}
            with self._transaction():
                until = monotonic() + TRANSACTION_S
                while waiting and monotonic() < until:
                    name, points = waiting.pop()
                    before = self._stored.get(name, NOTHING)
                    newest = max(offset, before.archived)
                    kinds = before.with_kinds(points.kinds())
                    parameter = self._chunks.note(name, newest, kinds)
                    self._add(parameter, points, stored)
                    changed[name] = Stored(parameter, newest, kinds)
            self._stored |= changed
        self._chunks.share_no_times()

    def _add(self, parameter: int, points: Points, stored: float) -> None:
        newest = self._newest_chunk(parameter, 0)
        if newest is not None and newest.is_open:  # it takes all values since the one before
            newest = self._chunks.before(parameter, 0, newest)
        start = -inf if newest is None else newest.last
        late = int(np.searchsorted(points.t, start))
        if late:
            self._insert(parameter, 0, points[:late], stored)
        if late < len(points):
            self._append(parameter, 0, points[late:], stored)

    def read(self, name: str, since: float, until: float, level: int = 0) -> Iterator[Points]:
        """The points of a time range in order of time, in pieces that are not empty.

        Args:
            name: of the parameter.
            since: POSIX seconds.
            until: POSIX seconds, exclusive.
            level: 0 for all values, at most `LEVELS` - 1.
        """
        if name not in self._stored:
            return
        parameter = self._stored[name].id
        while level >= 0 and since < until:
            for chunk in self._chunks.between(parameter, level, since, until):
                points = self._chunks.load(chunk.id).between(since, until)
                if len(points):
                    yield points
            if (newest := self._newest_chunk(parameter, level)) is not None:
                since = max(since, nextafter(newest.last, inf))
            level -= 1

    def newest_before(self, name: str, until: float) -> Points | None:
        """The points of the chunk with the newest value before a time; `None` if there is none."""
        if name not in self._stored:
            return None
        chunks = self._chunks.between(self._stored[name].id, 0, nextafter(until, -inf), until)
        pieces = (self._chunks.load(chunk.id).between(-inf, until) for chunk in chunks)
        return joined([points for points in pieces if len(points)])

    def first(self) -> float:
        """The time of the oldest point of all parameters; infinite without any."""
        oldest = (self._chunks.oldest(stored.id, 0) for stored in self._stored.values())
        return min((chunk.first for chunk in oldest if chunk is not None), default=inf)

    def load(self, name: str, since: float, until: float, enough: int) -> tuple[list[Points], bool]:
        """Pieces of a time range, in order of time, and whether they have all of its points.

        Args:
            name: of the parameter.
            since: POSIX seconds.
            until: POSIX seconds, exclusive.
            enough: number of points from which a higher level is read.
        """
        level = self.level_for(name, since, until, enough)
        pieces: list[Points] = []
        is_complete = level == 0
        object_bytes = 0
        for points in self.read(name, since, until, level):
            pieces.append(points)
            object_bytes += points.object_bytes()
            if object_bytes > MAX_OBJECT_BYTES and (whole := joined(pieces)) is not None:
                pieces, is_complete = [reduced(whole)], False
                object_bytes = pieces[0].object_bytes()
        return pieces, is_complete

    def level_for(self, name: str, since: float, until: float, points: int) -> int:
        """The highest level that has at least that number of points in a time range."""
        if name not in self._stored:
            return 0
        parameter = self._stored[name].id
        for level in range(LEVELS - 1, 0, -1):
            chunks = self._chunks.between(parameter, level, since, until)
            if sum(chunk.points_between(since, until) for chunk in chunks) >= points:
                return level
        return 0

    def window_end(self, names: Iterable[str], since: float, chunks: int) -> float:
        """The end of a time range that has about that number of chunks of each parameter.

        It is infinite if there are fewer.
        """
        stored = (self._stored[name].id for name in names if name in self._stored)
        starts = (self._chunks.start_after(parameter, since, chunks) for parameter in stored)
        return min((start for start in starts if start is not None), default=inf)

    def limit(self, max_bytes: float, stored_after: float) -> None:
        """Delete the chunks that have not changed for the longest time, and return their space.

        Args:
            max_bytes: of the whole database.
            stored_after: POSIX seconds; chunks that have not changed since are deleted too, if
                their age is known.
        """
        while chunks := self._chunks.unchanged_since(stored_after, DROP_AT_ONCE, EARLIEST):
            self._drop(chunks)
        while self._chunks.page_bytes() > max_bytes:
            if not (chunks := self._chunks.unchanged_since(inf, DROP_AT_ONCE)):
                break
            self._drop(chunks)

    def _drop(self, chunks: Sequence[int]) -> None:
        with self._transaction():
            for chunk in chunks:
                self._chunks.delete(chunk)
        self._forget()
        self._db.execute("PRAGMA incremental_vacuum").fetchall()

    def _append(self, parameter: int, level: int, points: Points, stored: float) -> None:
        """Add points that are newer than all complete chunks of a level."""
        newest = self._newest_chunk(parameter, level)
        replaced = None
        if newest is not None and newest.is_open:
            before = self._chunks.load(newest.id)
            if before.parts == points.parts:
                points, replaced = before.then(points), newest.id
        for piece in _pieces(points):
            is_open = len(piece) < CHUNK and piece.object_bytes() < MAX_CHUNK_BYTES
            self._newest[parameter, level] = self._chunks.save(
                parameter, level, piece, stored, is_open=is_open, replaced=replaced
            )
            replaced = None
            if not is_open and level + 1 < LEVELS:
                self._reduce(parameter, level, piece, stored)

    def _reduce(self, parameter: int, level: int, complete: Points, stored: float) -> None:
        """Add the extremes of a complete chunk to the next level, together with those of others."""
        above = parameter, level + 1
        if above in self._pending:
            self._pending[above].append(reduced(complete))
        else:  # also those that an earlier process has stored
            newest = self._newest_chunk(*above)
            since = -inf if newest is None else nextafter(newest.last, inf)
            chunks = self._chunks.complete_after(parameter, level, since)
            self._pending[above] = [reduced(self._chunks.load(chunk.id)) for chunk in chunks]
        if len(self._pending[above]) < CHUNKS_AT_ONCE:
            return
        first, *others = self._pending[above]
        self._pending[above] = []
        for other in others:
            if other.parts == first.parts:
                first = first.then(other)
            else:
                self._append(*above, first, stored)
                first = other
        self._append(*above, first, stored)

    def _insert(self, parameter: int, level: int, points: Points, stored: float) -> None:
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
        before = self._chunks.load(chunk.id)
        if before.parts != points.parts:
            self._chunks.save(parameter, level, points, stored)
            return
        merged = before.then(points)
        pieces = 1 if len(merged) <= 2 * CHUNK else -(-len(merged) // CHUNK)
        edges = np.linspace(0, len(merged), pieces + 1).astype(int).tolist()
        replaced: int | None = chunk.id
        is_open = chunk.is_open and pieces == 1
        for start, end in pairwise(edges):
            piece = merged[start:end]
            self._chunks.save(parameter, level, piece, stored, is_open=is_open, replaced=replaced)
            replaced = None
        self._newest.pop((parameter, level), None)
        if level + 1 == LEVELS:
            return
        self._pending.pop((parameter, level + 1), None)
        newest = self._newest_chunk(parameter, level + 1)
        if newest is not None and chunk.first <= newest.last:  # its extremes went to that level
            extremes = points[_are_spikes(points, before)] if pieces == 1 else reduced(merged)
            if len(extremes):
                self._insert(parameter, level + 1, extremes, stored)

    def _newest_chunk(self, parameter: int, level: int) -> Chunk | None:
        key = parameter, level
        if key not in self._newest:
            self._newest[key] = self._chunks.newest(*key)
        return self._newest[key]


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


def _are_spikes(points: Points, among: Points) -> NDArray[np.bool_]:
    """Whether each point is outside the range of its neighbours."""
    near = np.searchsorted(among.t, points.t)
    spikes = np.zeros(len(points), bool)
    for old, new in zip(among.columns, points.columns, strict=True):
        if object in (old.dtype, new.dtype):
            continue
        for row, value in enumerate(new.tolist()):
            around = old[max(0, near[row] - NEIGHBOURS) : near[row] + NEIGHBOURS]
            spikes[row] |= not around.min() <= value <= around.max()
    return spikes
