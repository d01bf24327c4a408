"""The values of all parameters, in an SQLite database: adding and limiting them."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rover.archive.levels import LEVELS, prepare
from rover.archive.parameters import Stored, merged_kinds
from rover.archive.reader import Reader, has_archive
from rover.damage import Damage
from rover.retention import EARLIEST
from rover.schema import ARCHIVE
from rover.write_lock import WriteLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from sqlite3 import Connection

    from rover.archive.levels import Piece
    from rover.archive.points import Points

Item = TypeVar("Item")

TRANSACTION_S = 0.001
"""Approximate maximum length of a transaction in seconds. Other connections wait for its end."""

DROP_AT_ONCE = 8
"""Number of chunks that are deleted in one transaction."""

SHARED_BYTES = 64 * 2**20
"""Maximum size of a database up to which half of it is for the archive, whatever else is in it."""

RETURNED_PAGES = 64
"""Maximum number of free pages that are returned to the file system in one transaction: more than
the deletion of chunks frees."""

NOTHING = Stored(0, 0, {})
"""The row of a new parameter."""


class _Addition(NamedTuple):
    """New points of one parameter.

    Attributes:
        name: of the parameter.
        kinds: of all its values.
        late: the points that belong into complete chunks; `None` without any.
        pieces: the chunks that the others become.
    """

    name: str
    kinds: Mapping[str, str]
    late: Points | None
    pieces: list[Piece]


class Store(Reader):
    """Stores and reads the values of all parameters.

    Args:
        db: an SQLite database with automatic commits (`isolation_level=None`). Tables that do not
            exist are created.
        lock: held during each transaction, if other threads of this process write to the database.
        damage: of its file.

    Attributes:
        has_deleted: whether `limit` has deleted chunks.
    """

    def __init__(
        self, db: Connection, *, lock: WriteLock | None = None, damage: Damage | None = None
    ) -> None:
        self.has_deleted = False
        self._db = db
        self._lock = lock or WriteLock()
        if not has_archive(db):
            with self._lock.hold():
                db.executescript(ARCHIVE)
        super().__init__(db, damage or Damage())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction. If it fails, its changes are undone."""
        with self._lock.hold():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._chunks.share_no_times()
                self._chunks.forget()
                self._reload()
                raise

    def reserve(self, names: Iterable[str]) -> None:
        """Add new parameters without values, so that they have this order."""
        with self._transaction():
            for name in names:
                if name not in self._stored:
                    self._stored[name] = Stored(self._parameters.add(name), 0, {})
                    self._parameters.update(name, self._stored[name])

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
        additions = [self._addition(name, points) for name, points in batch.items()]
        prepare([piece for one in additions for piece in one.pieces], 0)
        self._in_transactions(additions, lambda one: self._add(one, stored, offset))
        self._chunks.share_no_times()
        changed = {p.parameter: None for one in additions for p in one.pieces if not p.is_open}
        for level in range(1, LEVELS):
            pieces = self._levels.pieces_above(level, changed)
            prepare(pieces, level)
            self._in_transactions(pieces, partial(self._levels.append, level, stored=stored))
            changed = {piece.parameter: None for piece in pieces if not piece.is_open}

    def _addition(self, name: str, points: Points) -> _Addition:
        known = self._stored.get(name, NOTHING)
        late = self._levels.late(known.id, points)
        newer = points[late:] if late else points
        pieces = self._levels.pieces(known.id, 0, newer)
        kinds = merged_kinds(known.kinds, points.kinds())
        return _Addition(name, kinds, points[:late] if late else None, pieces)

    def _add(self, addition: _Addition, stored: float, offset: int) -> None:
        name, kinds, late, pieces = addition
        before = self._stored.get(name)
        parameter = self._parameters.add(name) if before is None else before.id
        newest = max(offset, self.archived(name))
        self._stored[name] = Stored(parameter, newest, kinds)
        self._parameters.update(name, self._stored[name])
        if late is not None:
            self._levels.insert(parameter, 0, late, stored)
        for piece in pieces:
            piece.parameter = parameter
            self._levels.append(0, piece, stored=stored)

    def _in_transactions(self, items: Iterable[Item], store: Callable[[Item], None]) -> None:
        """Store each of the items, in transactions of about `TRANSACTION_S`."""
        waiting = deque(items)
        while waiting:
            with self._transaction():
                until = monotonic() + TRANSACTION_S
                while waiting and monotonic() < until:
                    store(waiting.popleft())

    def limit(self, max_bytes: float, stored_after: float, duration_s: float = inf) -> bool:
        """Delete the chunks that have not changed for the longest time, and return their space.

        Args:
            max_bytes: of the whole database.
            stored_after: POSIX seconds; chunks that have not changed since are deleted too, if
                their age is known.
            duration_s: seconds after which it returns, although there may be more to delete.

        Returns:
            Whether nothing is left to delete.
        """
        end = monotonic() + duration_s
        while chunks := self._beyond(max_bytes, stored_after):
            if monotonic() >= end:
                return False
            with self._transaction():
                for chunk in chunks:
                    self._chunks.delete(chunk)
            self._levels.forget_chunks(chunks)
            self.has_deleted = True
            self._return_pages()
        # pages of deleted records of the log, even if no chunk is deleted
        while self._chunks.file_bytes() > max_bytes and self._return_pages():
            if monotonic() >= end:
                return False
        return True

    def file_bytes(self) -> int:
        """The size of all pages, free ones included."""
        return self._chunks.file_bytes()

    def _return_pages(self) -> bool:
        """Return some free pages to the file system; returns whether there were any.

        A file that another program wrote may keep them for its own use.
        """
        free = self._chunks.free_pages()
        if free:
            # a script, because a cursor would take one page only
            with self._lock.hold():
                self._db.executescript(f"PRAGMA incremental_vacuum({RETURNED_PAGES:d})")
        return self._chunks.free_pages() < free

    def _beyond(self, max_bytes: float, stored_after: float) -> Sequence[int]:
        """Some chunks that are too old, or the oldest if the database is too large."""
        old = self._chunks.unchanged_since(stored_after, DROP_AT_ONCE, EARLIEST)
        if old or self._chunks.page_bytes() <= max_bytes:
            return old
        if max_bytes > SHARED_BYTES:
            return self._chunks.unchanged_since(inf, DROP_AT_ONCE)
        if self._chunks.data_bytes() <= max_bytes / 2:
            return []  # the log needs the rest, and deletes its records itself
        return self._chunks.unchanged_since(inf, 1)
