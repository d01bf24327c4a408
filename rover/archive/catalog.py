"""Which chunks there are, by parameter, level and time."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from rover.damage import Damaged, Lost, is_unreadable, readable_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rover.damage import Damage

COLUMNS = "id, parameter, first, last, points, open"
"""The columns of `Chunk`, which an index has without the data."""

CREATE_CATALOG = """
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY, parameter INTEGER, first REAL, last REAL, points INTEGER, open INTEGER,
    level INTEGER
);
CREATE INDEX chunk_by_time ON chunk (parameter, level, first);
"""

MAX_ID = 2**62

INSERT = "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A row without its data.

    Attributes:
        id: of the row.
        parameter: its id.
        first: time of the first point, POSIX seconds.
        last: time of the last point, POSIX seconds.
        points: their number.
        is_open: whether newer points may be added.
    """

    id: int
    parameter: int
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


class Catalog:
    """Finds chunks by an index of their table.

    If a page of the index is damaged, a temporary database replaces it. That has the chunks on the
    readable pages of the table.

    Args:
        db: the database. The caller begins and commits the transactions.
        damage: of its file.
    """

    def __init__(self, db: sqlite3.Connection, damage: Damage) -> None:
        self._db = db
        self._damage = damage
        self._catalog: sqlite3.Connection | None = None  # replaces the damaged index

    def newest(self, parameter: int, level: int) -> Chunk | None:
        """The newest chunk of a level."""
        return self._one("ORDER BY first DESC, id DESC LIMIT 1", parameter, level)

    def before(self, parameter: int, level: int, chunk: Chunk) -> Chunk | None:
        """The chunk before another one."""
        sql = "AND first <= ? AND id != ? ORDER BY first DESC, id DESC LIMIT 1"
        return self._one(sql, parameter, level, chunk.first, chunk.id)

    def oldest(self, parameter: int, level: int) -> Chunk | None:
        """The oldest chunk of a level."""
        return self._one("ORDER BY first, id LIMIT 1", parameter, level)

    def between(self, parameter: int, level: int, since: float, until: float) -> list[Chunk]:
        """The chunks that may overlap a time range, in order of time; also the one before it.

        Args:
            parameter: its id.
            level: of the chunks.
            since: POSIX seconds.
            until: POSIX seconds, exclusive.
        """
        before = self._one(
            "AND first <= ? ORDER BY first DESC, id DESC LIMIT 1", parameter, level, since
        )
        start = since if before is None else before.first
        sql = "AND first >= ? AND first < ? ORDER BY first, id"
        return self._all(sql, parameter, level, start, until)

    def start_after(self, parameter: int, since: float, count: int) -> float | None:
        """The time at which the n-th chunk of level 0 after a time begins."""
        found = self._one(
            "AND first > ? ORDER BY first LIMIT 1 OFFSET ?", parameter, 0, since, count - 1
        )
        return None if found is None else found.first

    def complete_after(self, parameter: int, level: int, since: float) -> list[Chunk]:
        """The complete chunks that begin at a time or later."""
        sql = "AND first >= ? AND NOT open ORDER BY first, id"
        return self._all(sql, parameter, level, since)

    def _one(self, condition: str, *values: float) -> Chunk | None:
        found = self._all(condition, *values)
        return found[0] if found else None

    def _all(self, condition: str, *values: float) -> list[Chunk]:
        try:
            return self._select(condition, values)
        except sqlite3.DatabaseError as exc:
            if self._catalog is not None or not is_unreadable(exc):
                raise
        self._read_table()
        return self._select(condition, values)

    def _select(self, condition: str, values: Sequence[float]) -> list[Chunk]:
        query = f"SELECT {COLUMNS} FROM chunk WHERE parameter = ? AND level = ? {condition}"  # noqa: S608
        return [_chunk(row) for row in (self._catalog or self._db).execute(query, values)]

    def _read_table(self) -> None:
        """Read the table of chunks around damaged pages."""

        def select(
            low: int, high: int, _: bool, limit: int, newest: bool
        ) -> Iterable[tuple[int, ...]]:
            query = f"SELECT {COLUMNS}, level FROM chunk NOT INDEXED WHERE id > ? AND id <= ? "  # noqa: S608
            order = "ORDER BY id DESC LIMIT ?" if newest else "ORDER BY id LIMIT ?"
            return self._db.execute(query + order, (low, high, limit))

        catalog = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        catalog.executescript(CREATE_CATALOG)
        for row in readable_rows(select, 0, MAX_ID):
            if isinstance(row, Lost):
                self._damage.note(Damaged("archive", f"chunks from number {row.first}"))
            else:
                catalog.execute(INSERT, row)
        self._catalog = catalog

    def forget(self) -> None:
        """Read the index again: a transaction has failed."""
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None

    def _note_saved(self, chunk: Chunk, level: int) -> None:
        if self._catalog is not None:
            self._catalog.execute(INSERT, (*astuple(chunk), level))

    def _note_deleted(self, chunk: int) -> None:
        if self._catalog is not None:
            self._catalog.execute("DELETE FROM chunk WHERE id = ?", (chunk,))


def _chunk(row: tuple[int, int, float, float, int, int]) -> Chunk:
    id_, parameter, first, last, points, is_open = row
    return Chunk(id_, parameter, first, last, points, bool(is_open))
