"""`mission.db` with its journal and its lock: opening, recovering and setting aside.

All functions block. The log calls them in its writer thread.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from errno import EBADF, EBUSY
from time import strftime
from typing import TYPE_CHECKING, NamedTuple

from rover.damage import damage_of
from rover.logs.contents import contents_read_only, is_damage, set_aside
from rover.logs.folder import DataFolder
from rover.logs.journal import Journal
from rover.logs.recovery import batch_of, left_by_last_run, runs_of
from rover.schema import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rover.logs.base import Index
    from rover.logs.batch import Batch, Trim
    from rover.logs.codec import Row
    from rover.logs.contents import Contents
    from rover.logs.database import Database
    from rover.logs.gaps import RecordingGap
    from rover.logs.recovery import Left

logger = logging.getLogger("rover.log")

JOURNAL_NAME = "mission.journal"


class Opened(NamedTuple):
    """A file that was opened at the start.

    Attributes:
        contents: what it holds.
        may_lack: whether clients may have newer events than it.
        failure: why nothing can be written; empty if it can.
        alive_at: POSIX seconds up to which the last run recorded everything; 0 if it is unknown.
        gaps: times in the last run of which records are lost.
    """

    contents: Contents
    may_lack: bool
    failure: str
    alive_at: float
    gaps: Sequence[RecordingGap]


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
        unstored: records of the last run's journal that the file lacks, while it cannot be written.
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
        self.unstored: Sequence[Row] = ()
        self._alive_at = 0.0  # of the last run
        self._lacks_journal = False  # until the next transaction
        self._journal_path = data_dir / JOURNAL_NAME
        self._open_database = open_database
        self._boot = boot
        self._run = ""  # the run that wrote last into the file of this index
        self._closed = False

    def open(self) -> Opened:
        """Open the file, store what a killed process left in the journal, and begin a run.

        A damaged file is set aside. If the disk cannot be written, `write` tries it again, and the
        journal stays as it is until then.

        Raises:
            SettingError: a newer version of this program wrote the file.
        """
        failure = ""
        try:
            contents = self._open_or_set_aside()
        except (sqlite3.Error, OSError) as exc:
            failure = f"{self.path} cannot be opened: {exc}"
            contents = contents_read_only(self.path)  # so that the epochs go on
        self._run = contents.meta.get("run", "")
        left = left_by_last_run(self._journal_path, contents, self._boot())
        self.unstored, self._alive_at = left.rows, left.alive_at
        may_lack = self._may_lack(contents.meta, left)
        if self.database is not None:
            try:
                self._begin_run(self.database)
            except (sqlite3.Error, OSError) as exc:
                failure = f"{self.path} cannot be written: {exc}"
        return Opened(contents, may_lack, failure, left.alive_at, left.gaps)

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
        try:
            database = self.database or self._open_again(batch, index, ids)
            unfinished = database.write(batch)
        except FileNotFoundError:
            self._close_database()
            raise
        except (sqlite3.Error, UnicodeDecodeError) as exc:
            if is_damage(exc):
                self.set_aside_damaged(str(exc))
            raise
        if self._lacks_journal:
            self._lacks_journal = False
            with suppress(sqlite3.Error, OSError):
                self._open_journal(database)
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

    def _may_lack(self, meta: Mapping[str, str], left: Left) -> bool:
        """Whether clients may have newer events than the file."""
        if not meta:
            if self.folder.last_run():
                logger.warning(
                    "%s is empty or new; what the last run recorded is not in it", self.path
                )
            return False
        if self.folder.last_run() not in runs_of(meta):
            logger.warning(
                "%s is not of the last run; it was probably restored from a backup", self.path
            )
            return True
        if meta.get("clean") == "yes":
            return False
        boot = self._boot()
        is_journaled = meta.get("journal") == "yes"
        if boot and boot == meta.get("boot") and (left.is_complete or not is_journaled):
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
        runs = (self._run, self.folder.run)
        if contents.meta.get("run", "") not in runs or not contents.meta:
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
        """Store what the last run left, and note this run in the file.

        Args:
            database: the file.
            is_late: whether the log was in use before this call. Then a journal would lack the
                records before, so it is opened after the first transaction.

        Raises:
            sqlite3.Error: the file cannot be written; it is closed.
            OSError: the same.
        """
        run = self.folder.run
        previous = "" if self._run == run else self._run
        try:
            if self.unstored:
                database.write(batch_of(self.unstored))
                self.unstored = ()
            database.set_meta(
                run=run,
                previous=previous,
                boot=self._boot(),
                clean="",
                journal="" if self.journal is None else "yes",
                transactions="0",
            )
            database.transactions = 0
            if self.journal is not None:
                self.journal.note_transactions(0)
            self._run = run
            self._lacks_journal = is_late and self.journal is None
            if self.journal is None and not is_late:
                self._open_journal(database)
            self.folder.begin_run()
        except (sqlite3.Error, OSError):
            self._close_database()
            raise

    def _open_journal(self, database: Database) -> None:
        database.set_meta(journal="yes")  # first: the journal has no records without it
        try:
            journal = Journal(self._journal_path, self._run)
        except OSError as exc:
            database.set_meta(journal="")
            logger.warning("each event waits for a transaction: no %s: %s", self._journal_path, exc)
            return
        journal.note_alive(self._alive_at)
        self.journal = journal
