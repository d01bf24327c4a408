"""Writes a part of a mission into one file, which `rover open` serves.

The file is a `mission.db` with two more tables: `manifest`, what it has, and `files`, the accepted
command files and the images. Its samples are all in the archive. Memory does not depend on the
length of the mission.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from math import inf
from time import time
from typing import TYPE_CHECKING, Any

from rover import __version__
from rover.archive.database import RecordedArchive
from rover.archive.parameters import Parameters
from rover.archive.store import Store
from rover.commands.records import PREFIX as UPLOAD
from rover.comms.records import PREFIX as COMMS
from rover.events import new_epoch
from rover.images.arrivals import STREAM as ARRIVALS
from rover.logs.gaps import KEY as GAPS
from rover.logs.gaps import saved_gaps
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
from rover.missions.alarms import alarm_before
from rover.missions.camera_files import without_path
from rover.missions.files import FILES_SCHEMA, add_file
from rover.missions.images import ImageWriter
from rover.missions.latest import last_records, last_shown, saved_values
from rover.missions.ranges import windows_between
from rover.schema import OFFSET_BITS, SAMPLE_KINDS, migrate
from rover.simulated_spans import KEY as SIMULATED
from rover.simulated_spans import saved_spans
from rover.telemetry.alarms import KEY as ALARM
from rover.telemetry.past import Past
from rover.telemetry.recorder import SNAPSHOT
from rover.telemetry.records import DELETED, DICTIONARY, STREAM
from rover.telemetry.series import is_value
from rover.telemetry.shown import Newest, newest_shown
from rover.wire import dumps, iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from rover.logs.base import Record
    from rover.missions.snapshot import Snapshot
    from rover.telemetry.shown import Shown
    from sources.bucket import BucketStore

MANIFEST_SCHEMA = "CREATE TABLE manifest (key TEXT PRIMARY KEY, value TEXT NOT NULL);"


def record(
    mission: Snapshot,
    path: Path,
    since: float | None = None,
    until: float | None = None,
    *,
    name: str = "",
    images_bytes: float = inf,
    image_store: BucketStore | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Write a new file with a part of a mission; returns its manifest.

    Args:
        mission: it is read only.
        path: of the file, which must not exist.
        since: POSIX seconds, inclusive; `None` for all from the beginning.
        until: POSIX seconds, exclusive; `None` for all to the end.
        name: of the mission, for people.
        images_bytes: maximum bytes of images in the store and in files of cameras, newest first.
        image_store: has copies of images; `None` if none can be read.
        on_progress: called with the bytes of the file so far.

    Raises:
        NotAMission: the mission cannot be read.
        LogDamaged: the same.
        OSError: the file cannot be written.
        sqlite3.Error: the same.
    """
    path.touch(0o600, exist_ok=False)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        # a file that is not complete is deleted, so it needs no way back
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        migrate(db, 0)
        db.executescript(MANIFEST_SCHEMA + FILES_SCHEMA)
        writer = _Writer(mission, db, since, until, on_progress, images_bytes, image_store)
        counts = writer.write()
        manifest = {
            "name": name,
            "since": None if since is None else iso(since),
            "until": None if until is None else iso(until),
            "created": iso(time()),
            "version": __version__,
            "counts": counts,
            "left_out": writer.images.left_out,
        }
        db.executemany(
            "INSERT INTO manifest VALUES (?, ?)",
            [(key, json.dumps(value)) for key, value in manifest.items()],
        )
    return manifest


class _Writer:
    """Copies the parts of a mission.

    Args:
        mission: the mission.
        db: the new file.
        since: POSIX seconds.
        until: POSIX seconds, exclusive.
        on_progress: called with the bytes of the file so far.
        images_bytes: maximum bytes of images in the store and in files of cameras.
        image_store: has copies of images.

    Attributes:
        images: copies the images.
    """

    def __init__(
        self,
        mission: Snapshot,
        db: sqlite3.Connection,
        since: float | None,
        until: float | None,
        on_progress: Callable[[int], None],
        images_bytes: float,
        image_store: BucketStore | None,
    ) -> None:
        self._mission = mission
        self._db = db
        self._since, self._until = since, until
        self._begin = -inf if since is None else since
        self._end = inf if until is None else until
        self._on_progress = on_progress
        self._items = mission.contents.index.values
        self._newest: dict[str, Newest] = {}
        self._last: list[Shown] = []
        self.images = ImageWriter(
            mission, db, self._is_inside, images_bytes, image_store, self._report
        )

    def write(self) -> dict[str, int]:
        """Copy everything; returns the number of values, events and so on."""
        counts = {"values": self._write_values()}
        self._db.execute("BEGIN")
        counts["events"], last = self._write_telemetry_events()
        parameters = Parameters(self._db)
        for name, stored in parameters.all().items():
            parameters.update(name, stored._replace(archived=last))
        self._put(SNAPSHOT, saved_values(self._newest, last, self._items.get(SNAPSHOT)))
        counts["messages"] = self._write_messages()
        counts["uploads"], counts["commands"] = self._write_uploads()
        counts["images"] = self._write_images()
        self._write_holes()
        self._put(DICTIONARY, self._items.get(DICTIONARY))
        self._put(DELETED, self._items.get(DELETED))
        self._write_simulated()
        self._db.execute("COMMIT")
        return counts

    def _is_inside(self, t: float | None) -> bool:
        return t is not None and self._begin <= t < self._end

    def _report(self) -> None:
        pages, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
        )
        self._on_progress(pages * size)

    def _put(self, key: str, value: str | None) -> None:
        if value is not None:
            self._db.execute(INSERT_ITEM, item_row(key, value))

    def _write_values(self) -> int:
        """Copy the values that were measured or received in the time range; returns their number.

        A replay of the file shows those that were received outside of it at their own time.
        """
        store, count = Store(self._db), 0
        history = self._mission.history()
        store.reserve(history.kinds(self._since, self._until))
        for window in windows_between(history, self._since, self._until):
            store.add(window, time())
            count += sum(len(points) for name, points in window.items() if is_value(name))
            self._report()
        written = Past(self._mission.parameters, RecordedArchive(self._db))
        written.read_names()
        self._newest, self._last = newest_shown(written, inf), last_shown(written)
        return count

    def _write_holes(self) -> None:
        """Copy the notes of times in which nothing was recorded."""
        holes = self._mission.db.execute(
            "SELECT * FROM holes WHERE until >= ? AND since < ?", (self._begin, self._end)
        )
        self._db.executemany("INSERT INTO holes VALUES (?, ?, ?, ?, ?, ?)", holes)
        gaps = saved_gaps(self._items)
        if inside := [one for one in gaps if one.since < self._end and one.until > self._begin]:
            self._put(GAPS, dumps(inside))

    def _write_simulated(self) -> None:
        """Copy the spans of the range in which sources were simulated."""
        inside = {
            key: [one for one in spans if one[0] < self._end and (one[1] or inf) > self._begin]
            for key, spans in saved_spans(self._items, time()).items()
        }
        if any(inside.values()):
            self._put(SIMULATED, dumps({key: spans for key, spans in inside.items() if spans}))

    def _write_stream(self, key: str, records: Iterable[Record], epoch: str = "") -> int:
        """Copy records of a stream; returns their number.

        Args:
            key: of the stream.
            records: in the order of their offsets, which they keep.
            epoch: of all of them, instead of the epochs that they had.
        """
        ids = self._mission.contents.ids
        id_ = ids[key] if key in ids else max(ids.values(), default=0) + 1
        count = last = 0
        insert = insert_of(1)
        for one in records:
            last = one.offset
            row = id_ << OFFSET_BITS | one.offset, one.at, one.t, one.kind, one.data
            self._db.execute(insert, row_of(row))
            count += 1
            if count % 1000 == 0:
                self._report()
        if count:
            self._db.execute(INSERT_STREAM, stream_row(id_, key, last))
            epochs = [(epoch, 1)] if epoch else self._mission.contents.index.streams[key].epochs
            rows = [epoch_row(id_, first, epoch) for epoch, first in epochs]
            self._db.executemany(INSERT_EPOCH, rows)
            self._put(SET_BACK + key, self._items.get(SET_BACK + key))
        return count

    def _write_telemetry_events(self) -> tuple[int, int]:
        """Copy states, events, alarms and dictionaries, and the alarms as they are at the end.

        The last samples are events too, because clients begin with them.

        Returns:
            The number of events without these samples, and the offset of the newest.
        """
        before: dict[str, dict[str, Any]] = {}
        after: set[str] = set()

        def chosen() -> Iterable[Record]:
            for one in self._mission.records(STREAM):
                if one.kind in SAMPLE_KINDS:
                    continue
                if one.kind == "alarm":
                    with suppress(ValueError, LookupError, TypeError):
                        fields = json.loads(one.data)
                        if one.at < self._end:
                            before[fields["id"]] = fields
                        else:
                            after.add(fields["id"])
                if self._is_inside(one.at) or self._is_inside(one.t):
                    yield one

        last = 0

        def all_events() -> Iterator[Record]:
            nonlocal last
            for one in chosen():
                last = one.offset
                yield one
            for sample in last_records(self._last, last + 1):
                last = sample.offset
                yield sample

        # a new epoch: the ids of these samples were those of other events
        count = self._write_stream(STREAM, all_events(), new_epoch()) - len(self._last)
        for key, text in self._items.items():
            if key.startswith(ALARM):
                id_ = key.removeprefix(ALARM)
                saved = alarm_before(text, before.get(id_), self._end, has_changed=id_ in after)
                self._put(key, saved)
        return count, last

    def _keys(self, prefix: str) -> list[str]:
        return [key for key in self._mission.contents.ids if key.startswith(prefix)]

    def _write_messages(self) -> int:
        """Copy messages, joins and leaves; returns the number of messages."""
        messages = 0
        for key in self._keys(COMMS):
            chosen = [one for one in self._mission.records(key) if self._is_inside(one.at)]
            messages += sum(one.kind == "message" for one in chosen)
            self._write_stream(key, chosen)
        return messages

    def _write_uploads(self) -> tuple[int, int]:
        """Copy the uploads that began in the time range; returns their number and that of files."""
        uploads = files = 0
        for key in self._keys(UPLOAD):
            records = list(self._mission.records(key))
            if not records or not self._is_inside(records[0].at) or key not in self._items:
                continue
            self._write_stream(key, records)
            self._put(key, self._items[key])
            uploads += 1
            with suppress(ValueError, LookupError, TypeError):
                item = json.loads(self._items[key])
                digest = item["report"].get("sha256")
                if isinstance(digest, str):
                    files += self._add_file(f"commands/{digest}")
                if artifact := item.get("artifact"):
                    self._add_file(f"artifacts/{artifact['sha256']}")
        return uploads, files

    def _write_images(self) -> int:
        arrivals = [one for one in self._mission.records(ARRIVALS) if self._is_inside(one.at)]
        self._write_stream(ARRIVALS, map(without_path, arrivals))
        return self.images.write(arrivals)

    def _add_file(self, name: str) -> bool:
        added = add_file(self._db, name, self._mission.file(name))
        self._report()
        return added
