"""Chunks of points as rows of an SQLite database."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from rover.archive.codec import unpack
from rover.archive.packed import Packed, pack_points, unpack_points
from rover.wire import iso_or_text

if TYPE_CHECKING:
    from sqlite3 import Connection

    import numpy as np
    from numpy.typing import NDArray

    from rover.archive.points import Points

logger = logging.getLogger("rover.telemetry")

SELECT = "SELECT id, first, last, points, open FROM chunk WHERE parameter = ? AND level = ?"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A row without its data.

    Attributes:
        id: of the row.
        first: time of the first point, POSIX seconds.
        last: time of the last point, POSIX seconds.
        points: their number.
        is_open: whether newer points may be added.
    """

    id: int
    first: float
    last: float
    points: int
    is_open: bool

    def points_between(self, since: float, until: float) -> int:
        """The number of points in a time range, if they are evenly spaced."""
        duration_s = self.last - self.first
        if duration_s <= 0:
            return self.points
        return int(self.points * (min(until, self.last) - max(since, self.first)) / duration_s)


class Chunks:
    """The table of chunks.

    Args:
        db: the database. The caller begins and commits the transactions.
    """

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._times: dict[bytes, int] = {}  # the row of compressed times
        self._damaged = 0  # number of damaged chunks that were read

    def data_bytes(self) -> int:
        """Bytes of all values and times; reads all chunks."""
        count = 0
        for table, size in (
            ("chunk", "length(data) + ifnull(length(own_times), 0)"),
            ("times", "length(data)"),
        ):
            query = f"SELECT ifnull(sum({size}), 0) FROM {table}"  # noqa: S608
            count += self._db.execute(query).fetchone()[0]
        return count

    def page_bytes(self) -> int:
        """The size of the pages that are in use, those of other tables included."""
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def newest(self, parameter: int, level: int) -> Chunk | None:
        """The newest chunk of a level."""
        return self._one(f"{SELECT} ORDER BY first DESC, id DESC LIMIT 1", parameter, level)

    def before(self, parameter: int, level: int, chunk: Chunk) -> Chunk | None:
        """The chunk before another one."""
        sql = f"{SELECT} AND first <= ? AND id != ? ORDER BY first DESC, id DESC LIMIT 1"
        return self._one(sql, parameter, level, chunk.first, chunk.id)

    def oldest(self, parameter: int, level: int) -> Chunk | None:
        """The oldest chunk of a level."""
        return self._one(f"{SELECT} ORDER BY first, id LIMIT 1", parameter, level)

    def between(self, parameter: int, level: int, since: float, until: float) -> list[Chunk]:
        """The chunks that may overlap a time range, in order of time; also the one before it.

        Args:
            parameter: its id.
            level: of the chunks.
            since: POSIX seconds.
            until: POSIX seconds, exclusive.
        """
        before = self._one(
            f"{SELECT} AND first <= ? ORDER BY first DESC, id DESC LIMIT 1", parameter, level, since
        )
        start = since if before is None else before.first
        sql = f"{SELECT} AND first >= ? AND first < ? ORDER BY first, id"
        return [_chunk(row) for row in self._db.execute(sql, (parameter, level, start, until))]

    def start_after(self, parameter: int, since: float, count: int) -> float | None:
        """The time at which the n-th chunk of level 0 after a time begins."""
        row = self._db.execute(
            "SELECT first FROM chunk WHERE parameter = ? AND level = 0 AND first > ?"
            " ORDER BY first LIMIT 1 OFFSET ?",
            (parameter, since, count - 1),
        ).fetchone()
        return row and float(row[0])

    def complete_after(self, parameter: int, level: int, since: float) -> list[Chunk]:
        """The complete chunks that begin at a time or later."""
        sql = f"{SELECT} AND first >= ? AND NOT open ORDER BY first, id"
        return [_chunk(row) for row in self._db.execute(sql, (parameter, level, since))]

    def load(
        self, chunk: Chunk, times: dict[int, NDArray[np.float64]] | None = None
    ) -> Points | None:
        """The points of a chunk; `None` if they are damaged, which is logged.

        Args:
            chunk: the chunk.
            times: those that earlier calls have read, to share them.
        """
        try:
            return self._load(chunk, times)
        except (ValueError, TypeError, LookupError) as exc:  # the file is damaged
            self._damaged += 1
            if self._damaged.bit_count() == 1:  # the 1st, 2nd, 4th, 8th … only
                since, until = iso_or_text(chunk.first), iso_or_text(chunk.last)
                logger.error(
                    "%d values of %s to %s are damaged (%d): %r",
                    chunk.points,
                    since,
                    until,
                    self._damaged,
                    exc,
                )
            return None

    def _load(self, chunk: Chunk, times: dict[int, NDArray[np.float64]] | None) -> Points:
        shared, own, parts, late, data = self._db.execute(
            "SELECT times, own_times, parts, late, data FROM chunk WHERE id = ?", (chunk.id,)
        ).fetchone()
        if shared is None:
            t = unpack(own)
        elif times is None or shared not in times:
            row = self._db.execute("SELECT data FROM times WHERE id = ?", (shared,)).fetchone()
            t = unpack(row[0])
            if times is not None:
                times[shared] = t
        else:
            t = times[shared]
        if (len(t), t[0], t[-1]) != (chunk.points, chunk.first, chunk.last):
            raise ValueError("damaged data: these are other times")
        return unpack_points(t, parts, late, data)

    def save(
        self,
        parameter: int,
        level: int,
        points: Points,
        stored: float,
        *,
        is_open: bool = False,
        replaced: int | None = None,
        packed: Packed | None = None,
    ) -> Chunk:
        """Store a chunk.

        Args:
            parameter: its id.
            level: of the chunk.
            points: its points.
            stored: POSIX seconds of now.
            is_open: whether newer points may be added.
            replaced: id of the chunk that it replaces.
            packed: the points, if they are compressed already.
        """
        if replaced is not None:
            self.delete(replaced)
        if packed is None:
            (packed,) = pack_points([points])
        first, last = float(points.t[0]), float(points.t[-1])
        row = self._db.execute(
            "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                replaced,
                parameter,
                level,
                first,
                last,
                len(points),
                is_open,
                stored,
                self._shared_times(packed.times) if level == 0 else None,
                None if level == 0 else packed.times,
                packed.parts,
                packed.late,
                packed.data,
            ),
        ).fetchone()
        return Chunk(row[0], first, last, len(points), is_open)

    def delete(self, chunk: int) -> None:
        """Delete a chunk."""
        sql = "DELETE FROM chunk WHERE id = ? RETURNING times"
        (times,) = self._db.execute(sql, (chunk,)).fetchone()
        if times is None:
            return
        shared = self._db.execute("SELECT 1 FROM chunk WHERE times = ? LIMIT 1", (times,))
        if shared.fetchone() is None:
            self._db.execute("DELETE FROM times WHERE id = ?", (times,))
            self._times = {key: row for key, row in self._times.items() if row != times}

    def newest_stored(self) -> float:
        """The time of the newest change of any chunk; -infinite without one."""
        (stored,) = self._db.execute("SELECT max(stored) FROM chunk").fetchone()
        return -inf if stored is None else float(stored)

    def unchanged_since(self, stored: float, limit: int, earliest: float = -inf) -> list[int]:
        """The ids of chunks that have not changed since a time, the oldest change first.

        Of chunks that changed at the same time, those with the oldest values come first.

        Args:
            stored: POSIX seconds.
            limit: maximum number of chunks.
            earliest: leave out the chunks that changed before this time.
        """
        order = "ORDER BY stored, first, id LIMIT ?"
        sql = f"SELECT id FROM chunk WHERE stored >= ? AND stored < ? {order}"  # noqa: S608
        return [row[0] for row in self._db.execute(sql, (earliest, stored, limit))]

    def share_no_times(self) -> None:
        """Let later chunks share no times with earlier ones."""
        self._times.clear()

    def _shared_times(self, packed: bytes) -> int:
        if (row := self._times.get(packed)) is None:
            sql = "INSERT INTO times (data) VALUES (?) RETURNING id"
            row = self._times[packed] = self._db.execute(sql, (packed,)).fetchone()[0]
        return row

    def _one(self, sql: str, *values: object) -> Chunk | None:
        row = self._db.execute(sql, values).fetchone()
        return None if row is None else _chunk(row)


def _chunk(row: tuple[int, float, float, int, int]) -> Chunk:
    id_, first, last, points, is_open = row
    return Chunk(id_, first, last, points, bool(is_open))
