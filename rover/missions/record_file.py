"""The file of a record while it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.logs.rows import (
    INSERT_EPOCH,
    INSERT_ITEM,
    INSERT_STREAM,
    epoch_row,
    insert_of,
    item_row,
    row_of,
    stream_row,
)
from rover.logs.runs import KEY as SET_BACK
from rover.missions.files import FILES_SCHEMA, add_file
from rover.schema import OFFSET_BITS, migrate
from rover.wire import dumps

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rover.logs.base import Record
    from rover.missions.snapshot import Snapshot

MANIFEST_SCHEMA = "CREATE TABLE manifest (key TEXT PRIMARY KEY, value TEXT NOT NULL);"


class RecordFile:
    """A new `mission.db` with two more tables: `manifest` and `files`.

    Args:
        db: an empty database.
        on_progress: called with the bytes of the file so far.

    Attributes:
        db: the same.
    """

    def __init__(self, db: sqlite3.Connection, on_progress: Callable[[int], None]) -> None:
        self.db = db
        self._on_progress = on_progress
        # a file that is not complete is deleted, so it needs no way back
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        migrate(db, 0)
        db.executescript(MANIFEST_SCHEMA + FILES_SCHEMA)

    def report(self) -> None:
        """Report the size of the file."""
        pages, size = (
            self.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
        )
        self._on_progress(pages * size)

    def put(self, key: str, value: str | None) -> None:
        """Add a value of the log; none if it is `None`."""
        if value is not None:
            self.db.execute(INSERT_ITEM, item_row(key, value))

    def copy_stream(
        self, mission: Snapshot, key: str, records: Iterable[Record], epoch: str = ""
    ) -> int:
        """Copy records of a stream; returns their number.

        Args:
            mission: has the stream.
            key: of the stream.
            records: in the order of their offsets, which they keep.
            epoch: of all of them, instead of the epochs that they had.
        """
        ids, index = mission.contents.ids, mission.contents.index
        id_ = ids[key] if key in ids else max(ids.values(), default=0) + 1
        count = last = 0
        insert = insert_of(1)
        for one in records:
            last = one.offset
            row = id_ << OFFSET_BITS | one.offset, one.at, one.t, one.kind, one.data
            self.db.execute(insert, row_of(row))
            count += 1
            if count % 1000 == 0:
                self.report()
        if count:
            self.db.execute(INSERT_STREAM, stream_row(id_, key, last))
            epochs = [(epoch, 1)] if epoch else index.streams[key].epochs
            rows = [epoch_row(id_, first, epoch) for epoch, first in epochs]
            self.db.executemany(INSERT_EPOCH, rows)
            self.put(SET_BACK + key, index.values.get(SET_BACK + key))
        return count

    def add_file(self, name: str, pieces: Iterator[bytes] | None) -> bool:
        """Add a file as `files.add_file` does, and report the size."""
        added = add_file(self.db, name, pieces)
        self.report()
        return added

    def write_manifest(self, manifest: Mapping[str, object]) -> None:
        """Describe the record."""
        rows = [(key, dumps(value)) for key, value in manifest.items()]
        self.db.executemany("INSERT INTO manifest VALUES (?, ?)", rows)
