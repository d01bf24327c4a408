"""A mission as it is at one moment, read from a data folder or from a recorded file.

A server may write to the data folder at the same time: one read transaction gives all reads the
same content, and the server does not wait for it.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from rover.archive.database import RecordedArchive
from rover.connect import connect
from rover.damage import Damage
from rover.errors import NotAMission
from rover.logs.base import Record
from rover.logs.contents import contents_of, is_damage
from rover.logs.journal import read_journal
from rover.logs.mission_file import JOURNAL_NAME
from rover.logs.reading import id_range, note_truncation, records_of
from rover.missions.files import StoredFiles, pieces_of_file
from rover.schema import APPLICATION_ID, FILE_NAME, MAX_OFFSET, MIGRATIONS
from rover.telemetry.past import Past
from rover.telemetry.records import STREAM, samples, saved_dictionary
from rover.telemetry.series import series_by_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rover.logs.codec import Row
    from rover.logs.contents import Contents
    from sources.base import Parameter, Sample


class Snapshot:
    """A mission at the moment when it is opened. Use it as a context manager, in one thread.

    Args:
        path: of a data folder, or of a file that `rover record` wrote.

    Attributes:
        path: of the SQLite file.
        db: a connection with a read transaction.
        contents: its streams and values.
        damage: its unreadable parts, which are left out.

    Raises:
        NotAMission: there is no mission, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.is_folder = path.is_dir()
        self.path = path / FILE_NAME if self.is_folder else path
        self._journal: list[Row] = []
        self.damage = Damage(self.path)
        if not self.path.is_file():
            raise NotAMission(self.path, "does not exist")
        self.db = connect_read_only(self.path)
        self._files: StoredFiles | None = None
        try:
            note_truncation(self.path, self.damage)
            if self.is_folder:
                self._read_journal(path / JOURNAL_NAME)
            self.db.execute("BEGIN")
            self.contents: Contents = contents_of(self.db, self.damage)
        except (sqlite3.Error, UnicodeError, OSError) as exc:
            self.db.close()
            raise NotAMission(self.path, _reason(exc, self.path)) from exc

    def _read_journal(self, path: Path) -> None:
        """Read the records that the server has not moved to the database.

        It may move them while the journal is read. So the journal is read before the transaction
        begins, which then has what was moved.
        """
        query = "SELECT value FROM meta WHERE key IN ('run', 'previous') AND value <> ''"
        runs = [run for (run,) in self.db.execute(query)]
        with suppress(UnicodeError):  # it was overwritten while it was read
            if (found := read_journal(path, runs)) is not None:
                self._journal = found.rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    @property
    def parameters(self) -> list[Parameter]:
        """The dictionary at the end."""
        return saved_dictionary(self.contents.index.values)

    def history(self) -> Past:
        """The values by time. Use it while this snapshot is open.

        Raises:
            NotAMission: the database cannot be read.
        """
        history = Past(self.parameters, self._archive())
        history.read_names()
        for record, sample in self.samples():
            late = record.kind == "late"
            history.add(sample, late=late, offset=record.offset, at=record.at)
        return history

    def _archive(self) -> RecordedArchive:
        try:
            return RecordedArchive(self.db, self.damage)
        except (sqlite3.Error, ValueError, TypeError) as exc:
            reason = f"its list of parameters cannot be read: {_reason(exc, self.path)}"
            raise NotAMission(self.path, reason) from exc

    def records(self, key: str) -> Iterator[Record]:
        """The records of a stream that are readable, in the order of their offsets.

        Raises:
            NotAMission: they cannot be read.
        """
        if key not in self.contents.index.streams:
            return
        id_, until = self.contents.ids[key], self.contents.index.streams[key].last
        newest = 0
        try:
            for record in records_of(self.db, self.damage, key, id_, until=until):
                newest = record.offset
                if record.data:
                    yield record
        except sqlite3.Error as exc:
            raise NotAMission(self.path, str(exc)) from exc
        first, last = id_range(id_)
        for row in self._journal:
            if first + newest < row[0] <= last:
                yield _record(row)

    def file(self, name: str) -> Iterator[bytes] | None:
        """The bytes of an accepted command file or an image; `None` if it cannot be read.

        Args:
            name: its path relative to the data folder.
        """
        if self.is_folder:
            return pieces_of_file(self.path.parent / name)
        if self._files is None:
            self._files = StoredFiles(self.db, self.damage)
        return self._files.pieces(name)

    def samples(self) -> Iterator[tuple[Record, Sample]]:
        """The samples that are not completely in the archive, in the order of their arrival.

        Raises:
            NotAMission: they cannot be read.
        """
        archived = self._archive().store().archived
        for record, sample in samples(self.records(STREAM)):
            series = (series_by_time(name, sample.t, record.at) for name in sample.values)
            if any(record.offset > archived(one) for one in series):
                yield record, sample


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection to the file of a mission. It writes nothing.

    Raises:
        NotAMission: it is not a mission, or cannot be read.
    """
    is_live = path.with_name(f"{path.name}-wal").exists()
    # without a write-ahead log, the connection needs no file beside the database
    db = connect(path, "ro" if is_live else "ro&immutable=1")
    try:
        found = db.execute("PRAGMA application_id").fetchone()[0]
        version: int = db.execute("PRAGMA user_version").fetchone()[0]
        if found != APPLICATION_ID:
            raise NotAMission(path, "is not a mission")
        if version > len(MIGRATIONS):
            raise NotAMission(path, "was written by a newer version of Cosmic Rover")
    except sqlite3.Error as exc:
        db.close()
        raise NotAMission(path, _reason(exc, path)) from exc
    except BaseException:
        db.close()
        raise
    return db


def _reason(error: Exception, path: Path) -> str:
    """Why a file cannot be read, and what may help."""
    if not is_damage(error):
        return str(error)
    return f'{error}; open a backup, or try `sqlite3 {path} ".recover" | sqlite3 rescued.rover`'


def _record(row: Row) -> Record:
    id_, at, t, kind, data = row
    return Record(id_ & MAX_OFFSET, at, kind, data, t)
