"""Writing `mission.db`. All functions block, and run in threads of their own."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from itertools import chain, islice
from typing import TYPE_CHECKING

from rover.connect import connect
from rover.damage import damage_of
from rover.errors import SettingError
from rover.logs.contents import Contents, contents_of
from rover.logs.reading import id_range, of_kinds
from rover.logs.rows import (
    INSERT_EPOCH,
    INSERT_ITEM,
    INSERT_STREAM,
    epoch_row,
    insert_of,
    item_row,
    rows_of,
    stream_row,
)
from rover.schema import APPLICATION_ID, MIGRATIONS, migrate
from rover.write_lock import write_lock_of

if TYPE_CHECKING:
    from pathlib import Path

    from rover.logs.batch import Batch, Trim

MAX_DELETED = 2_000
"""Maximum number of records that one transaction deletes: others wait for it."""

ROWS_AT_ONCE = 50
"""Maximum number of records of one statement: other threads run less often between them."""

CHECKPOINT_BYTES = 4 * 2**20
"""Size of the write-ahead log from which a thread of its own moves it to the file."""

FILE_MODE = 0o600

sync_data = getattr(os, "fdatasync", os.fsync)
"""Writes the data of a file, and of the rest only its size: the time of the last change costs an
entry in the journal of the file system. macOS has only `fsync`."""


class Database:
    """An open file. One thread writes to it.

    Args:
        path: of the file.
        max_pages: limits its size, in pages of 4 KiB; for tests.

    Raises:
        sqlite3.Error: the file cannot be opened or created, or is damaged.
        SettingError: a newer version of this program wrote it.

    Attributes:
        transactions: number of those that `write` has committed.
    """

    def __init__(self, path: Path, max_pages: int | None = None) -> None:
        self.path = path
        self._lock = write_lock_of(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
        self._inode = os.fstat(descriptor).st_ino
        os.close(descriptor)
        self.transactions = 0
        self._connection = connect(path)
        self._sync_descriptor = -1
        try:
            self._prepare(max_pages)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, max_pages: int | None) -> None:
        connection = self._connection
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # some systems set it, and then deleted pages are written once more
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # `checkpoint` does it
        # truncates the write-ahead log when it begins again, so that its size is its content
        connection.execute(f"PRAGMA journal_size_limit = {CHECKPOINT_BYTES:d}")
        if max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {max_pages:d}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if (version or tables) and application != APPLICATION_ID:
            raise sqlite3.DatabaseError("it is not a recorded mission")
        if version > len(MIGRATIONS):
            reason = f"holds a mission.db of format {version}, which needs a newer cosmic-rover"
            raise SettingError("ROVER_DATA_DIR", self.path.parent, reason)
        if version < len(MIGRATIONS):
            migrate(connection, version)

    def contents(self) -> Contents:
        """The streams and values. The time does not depend on the number of records.

        Raises:
            sqlite3.Error: the file is damaged.
        """
        return contents_of(self._connection, damage_of(self.path), is_written=True)

    def set_meta(self, **meta: str) -> None:
        """Write about this run; it survives a power cut.

        Raises:
            sqlite3.Error: it cannot be written.
        """
        sql = "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
        with self._lock.hold(precede=True):
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                self._connection.executemany(sql, meta.items())
        self.sync()

    def write(self, batch: Batch) -> set[Trim]:
        """Write a batch in one transaction.

        Returns:
            The trims that are not finished.

        Raises:
            sqlite3.Error: nothing of it was written.
            FileNotFoundError: the file was deleted or replaced.
        """
        if self.path.stat().st_ino != self._inode:
            raise FileNotFoundError
        connection = self._connection
        with self._lock.hold(precede=True):
            connection.execute("BEGIN IMMEDIATE")
            try:
                unfinished = self._write(batch) if batch else set()
                count = "UPDATE meta SET value = ? WHERE key = 'transactions'"
                connection.execute(count, (str(self.transactions + 1),))
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        self.transactions += 1
        return unfinished

    def _write(self, batch: Batch) -> set[Trim]:
        connection = self._connection
        for id_ in batch.deleted:
            connection.execute("DELETE FROM records WHERE id BETWEEN ? AND ?", id_range(id_))
            for table in ("epochs", "holes"):
                connection.execute(f"DELETE FROM {table} WHERE stream = ?", (id_,))  # noqa: S608
            connection.execute("DELETE FROM streams WHERE id = ?", (id_,))
        for id_, key, epoch, first, last in batch.begun:
            connection.execute(INSERT_STREAM, stream_row(id_, key, last))
            connection.execute("DELETE FROM epochs WHERE stream = ? AND first >= ?", (id_, first))
            connection.execute(INSERT_EPOCH, epoch_row(id_, first, epoch))
        rows = rows_of(batch.packs)
        while some := [*islice(rows, ROWS_AT_ONCE)]:
            connection.execute(insert_of(len(some)), [*chain.from_iterable(some)])
        for key, value in batch.items.items():
            if value is None:
                connection.execute("DELETE FROM items WHERE key = ?", (key,))
            else:
                connection.execute(INSERT_ITEM, item_row(key, value))
        if batch.holes:
            connection.executemany(
                "INSERT OR REPLACE INTO holes VALUES (?, ?, ?, ?, ?, ?)", batch.holes.values()
            )
        return {trim for trim, before in batch.trims.items() if self._trim(*trim, before)}

    def _trim(self, stream: int, kinds: frozenset[str] | None, before: int) -> bool:
        """Delete some records before an offset; returns whether some are left."""
        first, last = id_range(stream)
        (newest,) = self._connection.execute(
            "SELECT max(id) FROM records WHERE id BETWEEN ? AND ?", (first, last)
        ).fetchone()
        if newest is None:
            return False
        condition, chosen = of_kinds(kinds)
        end = min(first + before, newest)
        query = f"SELECT id FROM records WHERE id >= ? AND id < ?{condition} ORDER BY id"  # noqa: S608
        rest = self._connection.execute(
            f"{query} LIMIT 1 OFFSET {MAX_DELETED:d}", (first, end, *chosen)
        ).fetchone()
        self._connection.execute(
            f"DELETE FROM records WHERE id >= ? AND id < ?{condition}",  # noqa: S608
            (first, end if rest is None else rest[0], *chosen),
        )
        return rest is not None

    def sync(self) -> None:
        """Return when everything committed so far survives a power cut.

        SQLite itself does that only at a checkpoint, with `synchronous = NORMAL`.

        Raises:
            OSError: for example, the disk has failed.
        """
        if self._sync_descriptor < 0:
            self._sync_descriptor = os.open(f"{self.path}-wal", os.O_RDONLY)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)  # the names of new files survive only after this
            finally:
                os.close(folder)
        sync_data(self._sync_descriptor)

    @property
    def wal_bytes(self) -> int:
        """Bytes in the write-ahead log, which `checkpoint` moves to the file."""
        try:
            return os.stat(f"{self.path}-wal").st_size  # noqa: PTH116 # not a `Path`
        except OSError:
            return 0

    def checkpoint(self, *, exclusive: bool) -> None:
        """Move what is in the write-ahead log to the file.

        Args:
            exclusive: in the thread that writes, so that nothing is added meanwhile, and the log
                can begin at its start again. Otherwise with a connection of its own, for any
                thread.

        Raises:
            sqlite3.Error: for example, the disk is full.
        """
        if exclusive:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            return
        with closing(connect(self.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def close(self) -> None:
        """Close the file."""
        if self._sync_descriptor >= 0:
            os.close(self._sync_descriptor)
        self._connection.close()
