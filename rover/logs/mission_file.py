"""`mission.db` with its journal and its lock: opening, recovering and setting aside.

All functions block. The log calls them in its writer thread.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from dataclasses import replace
from errno import EBADF, EBUSY
from time import strftime
from typing import TYPE_CHECKING, NamedTuple

from rover.damage import damage_of
from rover.logs.batch import Batch
from rover.logs.contents import contents_read_only, is_damage, set_aside
from rover.logs.folder import DataFolder
from rover.logs.journal import Journal, read_journal, read_notes
from rover.schema import FILE_NAME, MAX_OFFSET, OFFSET_BITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from rover.logs.base import Index
    from rover.logs.batch import Trim
    from rover.logs.codec import Row
    from rover.logs.contents import Contents
    from rover.logs.database import Database

logger = logging.getLogger("rover.log")

JOURNAL_NAME = "mission.journal"


class Opened(NamedTuple):
    """A file that was opened at the start.

    Attributes:
        contents: what it holds.
        may_lack: whether clients may have newer events than it.
        failure: why nothing can be written; empty if it can.
        alive_at: POSIX seconds at which the last run was alive; 0 if it is unknown.
    """

    contents: Contents
    may_lack: bool
    failure: str
    alive_at: float


class MissionFile:
    """The files of a log.

    Args:
        data_dir: the data folder.
        open_database: opens the file.
        boot: the id of the running system.

    Attributes:
        path: of `mission.db`.
        folder: the lock of the data folder.
        database: the open file; `None` while it cannot be used.
        journal: the journal of this run; `None` if there is none.
        set_aside: the new name of a file that could not be used; `None` if there is none.
        damage: what cannot be read of the file.
        is_new: whether this run has begun another file, without the records of the one before.
    """

    def __init__(
        self,
        data_dir: Path,
        open_database: Callable[[Path], Database],
        boot: Callable[[], str],
    ) -> None:
        self.path = data_dir / FILE_NAME
        self.folder = DataFolder(data_dir)
        self.database: Database | None = None
        self.journal: Journal | None = None
        self.set_aside: Path | None = None
        self.damage = damage_of(self.path)
        self.is_new = False
        self._journal_path = data_dir / JOURNAL_NAME
        self._open_database = open_database
        self._boot = boot
        self._run = ""  # the run that wrote last into the file of this index
        self._closed = False

    def open(self) -> Opened:
        """Open the file, store what a killed process left in the journal, and begin a run.

        A damaged file is set aside. If the disk cannot be written, `write` tries it again.

        Raises:
            SettingError: a newer version of this program wrote the file.
        """
        failure = ""
        try:
            contents = self._recover(self._open_or_set_aside())
        except (sqlite3.Error, OSError) as exc:
            failure = f"{self.path} cannot be opened: {exc}"
            contents = contents_read_only(self.path)  # so that the epochs go on
        self._run = contents.meta.get("run", "")
        alive_at = read_notes(self._journal_path).alive_at  # before this run notes its own
        may_lack = self._may_lack(contents.meta)
        if self.database is not None:
            try:
                self._begin_run(self.database)
            except (sqlite3.Error, OSError) as exc:
                failure = f"{self.path} cannot be written: {exc}"
        return Opened(contents, may_lack, failure, alive_at)

    def write(self, batch: Batch, index: Index, ids: Mapping[str, int]) -> set[Trim]:
        """Write a batch; open the file again first if an error has closed it.

        Args:
            batch: what to write.
            index: written into a new file.
            ids: of the streams.

        Returns:
            The trims that are not finished.

        Raises:
            sqlite3.Error: nothing of it was written. A damaged file was set aside.
            OSError: the same; `FileNotFoundError` if the file was deleted or replaced.
        """
        database = self.database or self._open_again(batch, index, ids)
        try:
            unfinished = database.write(batch)
        except FileNotFoundError:
            self._close_database()
            raise
        except (sqlite3.Error, UnicodeDecodeError) as exc:
            if is_damage(exc):
                self.set_aside_damaged(str(exc))
            raise
        if self.journal is not None:
            self.journal.note_transactions(database.transactions)
        return unfinished

    def close(self, *, clean: bool) -> None:
        """Close the files, and release the folder.

        Args:
            clean: whether everything is written.
        """
        self._closed = True
        if self.database is not None and clean:
            with suppress(sqlite3.Error, OSError):
                self.database.set_meta(clean="yes")
        self._close_database()
        if self.journal is not None:
            self.journal.close()
            self.journal = None
        self.folder.release()

    def _close_database(self) -> None:
        if self.database is not None:
            with suppress(sqlite3.Error, OSError):
                self.database.close()
            self.database = None

    def set_aside_damaged(self, reason: str) -> None:
        """Close the file, and rename it; the next `write` begins another one."""
        self._close_database()
        with suppress(OSError):
            self._set_aside("damaged", f"damaged ({reason})")

    def _set_aside(self, suffix: str, reason: str) -> None:
        """Rename the file: it may still contain most of the mission."""
        self.damage.clear()
        self.set_aside = set_aside(self.path, strftime(f"{suffix}-%Y%m%d-%H%M%S"))
        logger.error("%s is %s; it is kept as %s", self.path, reason, self.set_aside)

    def _open_or_set_aside(self) -> Contents:
        try:
            self.database = self._open_database(self.path)
            return self.database.contents()
        except Exception as exc:  # a damaged file causes errors of many types
            if not is_damage(exc):
                self._close_database()
                raise
            self.set_aside_damaged(str(exc))
        self.database = self._open_database(self.path)
        return self.database.contents()

    def _recover(self, contents: Contents) -> Contents:
        """Store what the last run left in the journal; returns the contents after that."""
        meta = contents.meta
        if self.database is None or not meta or meta.get("clean") == "yes":
            return contents
        found = read_journal(self._journal_path, _runs(meta))
        if found is None or meta.get("boot") != self._boot():
            return contents
        count = meta.get("transactions", "")
        noted = read_notes(self._journal_path).transactions
        has_all = (int(count) if count.isdecimal() else 0) >= noted
        self.database.write(_missing(contents, found.rows))
        if not found.is_complete:
            logger.error("%s is damaged; what follows the damage is lost", self._journal_path)
        elif has_all:  # else its write-ahead log was damaged or deleted
            meta["journal"] = "stored"
        return replace(self.database.contents(), meta=meta, unsure=contents.unsure)

    def _may_lack(self, meta: Mapping[str, str]) -> bool:
        """Whether clients may have newer events than the file."""
        if not meta:
            if self.folder.last_run():
                logger.warning(
                    "%s is empty or new; what the last run recorded is not in it", self.path
                )
            return False
        if self.folder.last_run() not in _runs(meta):
            logger.warning(
                "%s is not of the last run; it was probably restored from a backup", self.path
            )
            return True
        if meta.get("clean") == "yes":
            return False
        boot = self._boot()
        if boot and boot == meta.get("boot") and meta.get("journal") != "yes":
            return False
        logger.warning("the newest telemetry of the last run may be lost")
        return True

    def _open_again(self, batch: Batch, index: Index, ids: Mapping[str, int]) -> Database:
        """Open the file after an outage, and write the index again if the file is a new one."""
        if self._closed:
            raise OSError(EBADF, "the log is closed")  # a late write must not take the lock again
        if not self.folder.keep():
            raise OSError(EBUSY, "its folder was replaced, and another process uses it")
        contents = self._open_or_set_aside()
        if contents.meta.get("run", "") != self._run or not contents.meta:
            if contents.index.streams:  # nothing is known about it
                self._close_database()
                self._set_aside("replaced", "of another run")
                self.database = self._open_database(self.path)
            self.is_new = True
            batch.begun[:0] = [
                (ids[key], key, epoch, first, stream.last)
                for key, stream in list(index.streams.items())
                for epoch, first in stream.epochs
            ]
            batch.items = {**index.values, **batch.items}
        assert self.database is not None  # noqa: S101 # just opened
        self._begin_run(self.database, is_late=True)
        return self.database

    def _begin_run(self, database: Database, *, is_late: bool = False) -> None:
        """Note this run in the file.

        Args:
            database: the file.
            is_late: whether the log was in use before this call. Then it gets no journal, which
                would lack the records before.

        Raises:
            sqlite3.Error: the file cannot be written; it is closed.
            OSError: the same.
        """
        run, previous = self.folder.run, "" if is_late else self._run
        has_journal = self.journal is not None or not is_late
        try:
            database.set_meta(
                run=run,
                previous=previous,
                boot=self._boot(),
                clean="",
                journal="yes" if has_journal else "",
                transactions="0",
            )
            database.transactions = 0
            if self.journal is not None:
                self.journal.note_transactions(0)
            self._run = run
            if has_journal and self.journal is None:
                self._open_journal(database)
            self.folder.begin_run()
        except (sqlite3.Error, OSError):
            self._close_database()
            raise

    def _open_journal(self, database: Database) -> None:
        try:
            self.journal = Journal(self._journal_path, self._run)
        except OSError as exc:
            database.set_meta(journal="")
            logger.warning("each event waits for a transaction: no %s: %s", self._journal_path, exc)


def _missing(contents: Contents, rows: Iterable[Row]) -> Batch:
    """The records of a journal that a file lacks."""
    stored = {contents.ids[key]: stream.last for key, stream in contents.index.streams.items()}
    batch = Batch()
    for row in rows:
        if row[0] & MAX_OFFSET > stored.get(row[0] >> OFFSET_BITS, MAX_OFFSET):
            batch.append(row)
    return batch


def _runs(meta: Mapping[str, str]) -> tuple[str, ...]:
    """The last run, and the one before it, which counts if the last one ended at its start."""
    return tuple(run for key in ("run", "previous") if (run := meta.get(key)))
