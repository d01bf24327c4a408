"""The values of all parameters, in an SQLite database: adding, reading and limiting them."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from functools import partial
from math import inf, nextafter
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rover.archive.chunks import Chunks
from rover.archive.levels import LEVELS, Levels, prepare
from rover.archive.parameters import Parameters, Stored
from rover.archive.points import joined
from rover.archive.reduce import reduced
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
"""Maximum number of free pages that are returned to the file system after each of these
transactions: more than one frees."""

HAS_TABLES = "SELECT 1 FROM sqlite_schema WHERE name = 'chunk'"

NOTHING = Stored(0, 0, {})
"""What is stored of a new parameter."""


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


class Store:
    """Stores and reads the values of all parameters.

    Args:
        db: an SQLite database with automatic commits (`isolation_level=None`).
        create: whether to create tables that do not exist.
        lock: held during each transaction, if other threads of this process write to the database.
        damage: of its file.
    """

    def __init__(
        self,
        db: Connection,
        *,
        create: bool = True,
        lock: WriteLock | None = None,
        damage: Damage | None = None,
    ) -> None:
        self._db = db
        self._lock = lock or WriteLock()
        if create and not db.execute(HAS_TABLES).fetchone():
            with self._lock.hold():
                db.executescript(ARCHIVE)
        damage = damage or Damage()
        self._parameters = Parameters(db, damage)
        self._chunks = Chunks(db, damage)
        self._stored: dict[str, Stored] = {}  # by name
        self._levels = Levels(self._chunks)
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
        self._stored = self._parameters.all()
        self._levels.forget()

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
        kinds = known.with_kinds(points.kinds())
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
                points = self._chunks.load(chunk)
                if points is not None and len(points := points.between(since, until)):
                    yield points
            if (newest := self._levels.newest(parameter, level)) is not None:
                since = max(since, nextafter(newest.last, inf))
            level -= 1

    def has_values(self, name: str, since: float, until: float) -> bool:
        """Whether a parameter has readable values in a time range.

        Args:
            name: of the parameter.
            since: POSIX seconds.
            until: POSIX seconds, exclusive.
        """
        if name not in self._stored:
            return False
        parameter = self._stored[name].id
        start = self._chunks.start_after(parameter, nextafter(since, -inf), 1)
        if start is not None and start < until:
            return True
        chunks = self._chunks.between(parameter, 0, since, nextafter(since, inf))
        found = (self._chunks.load(chunk) for chunk in chunks)
        return any(points is not None and len(points.between(since, until)) for points in found)

    def newest_before(self, name: str, until: float) -> Points | None:
        """The points of the chunk with the newest value before a time; `None` if there is none."""
        if name not in self._stored:
            return None
        chunks = self._chunks.between(self._stored[name].id, 0, nextafter(until, -inf), until)
        found = (self._chunks.load(chunk) for chunk in chunks)
        pieces = (points.between(-inf, until) for points in found if points is not None)
        return joined([points for points in pieces if len(points)])

    def first(self) -> float:
        """The time of the oldest point of all parameters; infinite without any."""
        oldest = (self._chunks.oldest(stored.id, 0) for stored in self._stored.values())
        return min((chunk.first for chunk in oldest if chunk is not None), default=inf)

    def last(self) -> float:
        """The time of the newest point of all parameters; -infinite without any."""
        newest = (self._chunks.newest(stored.id, 0) for stored in self._stored.values())
        return max((chunk.last for chunk in newest if chunk is not None), default=-inf)

    def load(
        self,
        name: str,
        since: float,
        until: float,
        enough: int,
        max_object_bytes: float,
    ) -> tuple[list[Points], bool]:
        """Pieces of a time range, in order of time, and whether they have all of its points.

        Args:
            name: of the parameter.
            since: POSIX seconds.
            until: POSIX seconds, exclusive.
            enough: number of points from which a higher level is read.
            max_object_bytes: size of the texts from which only the changes are kept.
        """
        level = self.level_for(name, since, until, enough)
        pieces: list[Points] = []
        is_complete = level == 0
        object_bytes = 0
        for points in self.read(name, since, until, level):
            pieces.append(points)
            object_bytes += points.object_bytes()
            if object_bytes > max_object_bytes and (whole := joined(pieces)) is not None:
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
            # a script, because a cursor would take one page only
            with self._lock.hold():
                self._db.executescript(f"PRAGMA incremental_vacuum({RETURNED_PAGES:d})")
        return True

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
