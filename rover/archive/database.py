"""The database file of the archive, or a database in memory."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from rover.archive.reader import Reader, has_archive
from rover.archive.store import Store
from rover.connect import connect_to_read, is_unwritable
from rover.damage import Damage, damage_of
from rover.write_lock import WriteLock, write_lock_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAL_BYTES = 4 * 2**20
"""Size of the write-ahead log when it begins again, as the log sets it for its own connection."""


class RecordedArchive:
    """The archive of a recorded mission, which is only read.

    Args:
        db: a connection with a read transaction, which stays open.
        damage: of its file.

    Raises:
        sqlite3.Error: the database cannot be read.
    """

    def __init__(self, db: sqlite3.Connection, damage: Damage | None = None) -> None:
        if has_archive(db):
            self._reader = Reader(db, damage or Damage())
        else:  # nothing was archived so far
            memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            self._reader = Store(memory)

    def store(self) -> Reader:
        """The archive, for reading."""
        return self._reader

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """See `ArchiveDatabase.reader`."""
        yield self._reader

    def close(self) -> None:
        """Do nothing: the owner of the connection closes it."""


class ArchiveDatabase:
    """The database of the archive, opened when it is needed.

    Args:
        path: of a file that another part creates; `None` for a database in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = WriteLock() if path is None else write_lock_of(path)
        self._damage = Damage() if path is None else damage_of(path)
        self._inode = 0
        self._db: sqlite3.Connection | None = None
        self._store: Store | None = None

    def store(self) -> Store:
        """The store.

        Raises:
            OSError: the file does not exist.
            sqlite3.Error: it cannot be used.
        """
        inode = 0 if self._path is None else self._path.stat().st_ino
        if self._store is None or inode != self._inode:  # a damaged file is replaced
            self.close()
            self._db = sqlite3.connect(
                self._path or ":memory:", isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a database in memory
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA wal_autocheckpoint = 0")  # the log does it
            self._db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES:d}")
            self._store, self._inode = Store(self._db, lock=self._lock, damage=self._damage), inode
        return self._store

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """The archive, for reading, even if the disk is full or read-only.

        Raises:
            OSError: the file does not exist.
            sqlite3.Error: it cannot be read.
        """
        try:
            store: Reader = self.store()
        except sqlite3.Error as exc:
            if self._path is None or not is_unwritable(exc):
                raise
            self.close()
        else:
            yield store
            return
        with closing(connect_to_read(self._path)) as db:
            yield Reader(db, self._damage)

    def truncate(self) -> None:
        """Let the file end after its last page: a transaction that removes pages leaves it longer.

        Raises:
            OSError: the file does not exist.
            sqlite3.Error: it cannot be written.
        """
        if self._path is None or self._db is None or self._store is None:
            return
        if self._path.stat().st_size > self._store.file_bytes():
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def close(self) -> None:
        """Close the database; one in memory stays."""
        if self._db is not None and self._path is not None:
            self._db.close()
            self._db = self._store = None
