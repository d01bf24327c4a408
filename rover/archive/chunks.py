"""Chunks of points as rows of an SQLite database."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from sqlite3 import DatabaseError
from typing import TYPE_CHECKING

from rover.archive.catalog import Catalog, Chunk
from rover.archive.codec import unpack
from rover.archive.packed import Packed, pack_points, unpack_points
from rover.checksum import checksum, is_intact, sum_column
from rover.damage import Damaged, is_unreadable
from rover.wire import iso_or_text

if TYPE_CHECKING:
    from sqlite3 import Connection

    from rover.archive.points import Points
    from rover.damage import Damage


DATA = (
    "parameter, level, first, last, points, open, stored, "
    "ifnull(own_times, times.data), CAST(parts AS BLOB), late, chunk.data"
)

INSERT = (
    "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?, ?, ?) RETURNING id"
)


class Chunks(Catalog):
    """The table of chunks.

    Args:
        db: the database. The caller begins and commits the transactions.
        damage: of its file.
    """

    def __init__(self, db: Connection, damage: Damage) -> None:
        super().__init__(db, damage)
        self._select_data = (
            f"SELECT {DATA}, {sum_column(db, 'chunk')} FROM chunk "  # noqa: S608
            "LEFT JOIN times ON times.id = chunk.times WHERE chunk.id = ?"
        )
        self._times: dict[bytes, int] = {}  # the row of compressed times

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
        return self.file_bytes() - self.free_pages() * self._pragma("page_size")

    def file_bytes(self) -> int:
        """The size of all pages, free ones included."""
        return self._pragma("page_count") * self._pragma("page_size")

    def free_pages(self) -> int:
        """Number of pages that are not in use."""
        return self._pragma("freelist_count")

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def load(self, chunk: Chunk) -> Points | None:
        """The points of a chunk; `None` if they are damaged, which is noted."""
        try:
            return self._load(chunk)
        except (ValueError, TypeError, LookupError):  # the file is damaged
            pass
        except DatabaseError as exc:
            if not is_unreadable(exc):
                raise
        name = self._name_of(chunk.parameter)
        content = f"{chunk.points} values from {iso_or_text(chunk.first)}"
        self._damage.note(Damaged(name, content, chunk.first, chunk.last))
        return None

    def _name_of(self, parameter: int) -> str:
        with suppress(DatabaseError):
            query = "SELECT name FROM parameter WHERE id = ?"
            if found := self._db.execute(query, (parameter,)).fetchone():
                return str(found[0])
        return "an unknown parameter"

    def _load(self, chunk: Chunk) -> Points:
        row = self._db.execute(self._select_data, (chunk.id,)).fetchone()
        parameter, level, first, last, points, is_open, stored, *content, sum_ = row
        packed = Packed(*content)
        if Chunk(chunk.id, parameter, first, last, points, bool(is_open)) != chunk:
            raise ValueError("damaged data: the index has another chunk")
        if not is_intact(
            sum_, parameter, level, first, last, points, is_open, stored, *packed.sums()
        ):
            raise ValueError("damaged data: the checksum differs")
        t = unpack(packed.times)
        if (len(t), t[0], t[-1]) != (points, first, last):
            raise ValueError("damaged data: these are other times")
        return unpack_points(t, packed)

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
        facts = parameter, level, first, last, len(points), int(is_open), float(stored)
        shared = self._shared_times(packed.times) if level == 0 else None
        row = self._db.execute(
            INSERT,
            (
                replaced,
                *facts,
                shared,
                None if level == 0 else packed.times,
                packed.parts,
                packed.late,
                packed.data,
                checksum(*facts, *packed.sums()),
            ),
        ).fetchone()
        chunk = Chunk(row[0], parameter, first, last, len(points), is_open)
        self._note_saved(chunk, level)
        return chunk

    def delete(self, chunk: int) -> None:
        """Delete a chunk."""
        self._note_deleted(chunk)
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
