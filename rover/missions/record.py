"""Writes a part of a mission into one file, which `rover open` serves.

All samples of the file are in its archive. Memory does not depend on the length of the mission.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from math import inf
from time import time
from typing import TYPE_CHECKING, Any

from rover import __version__
from rover.commands.records import PREFIX as UPLOAD
from rover.comms.records import PREFIX as COMMS
from rover.images.arrivals import STREAM as ARRIVALS
from rover.logs.gaps import KEY as GAPS
from rover.logs.gaps import saved_gaps
from rover.missions.camera_files import without_path
from rover.missions.images import ImageWriter
from rover.missions.record_file import RecordFile
from rover.missions.telemetry import TelemetryWriter
from rover.simulated_spans import KEY as SIMULATED
from rover.simulated_spans import saved_spans
from rover.telemetry.series_reader import bounds
from rover.wire import dumps, iso

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rover.missions.snapshot import Snapshot
    from sources.bucket import BucketStore


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
        file = RecordFile(db, on_progress)
        writer = _Writer(mission, file, since, until, images_bytes, image_store)
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
        file.write_manifest(manifest)
    return manifest


class _Writer:
    """Copies the parts of a mission.

    Args:
        mission: the mission.
        file: the new file.
        since: POSIX seconds.
        until: POSIX seconds, exclusive.
        images_bytes: maximum bytes of images in the store and in files of cameras.
        image_store: has copies of images.

    Attributes:
        images: copies the images.
    """

    def __init__(
        self,
        mission: Snapshot,
        file: RecordFile,
        since: float | None,
        until: float | None,
        images_bytes: float,
        image_store: BucketStore | None,
    ) -> None:
        self._mission = mission
        self._file = file
        self._begin, self._end = bounds(since, until)
        self._items = mission.contents.index.values
        self.images = ImageWriter(mission, file, self._is_inside, images_bytes, image_store)

    def write(self) -> dict[str, int]:
        """Copy everything; returns the number of values, events and so on."""
        telemetry = TelemetryWriter(self._mission, self._file, self._begin, self._end)
        counts = {"values": telemetry.write_values()}
        self._file.db.execute("BEGIN")
        counts["events"] = telemetry.write_events()
        counts["messages"] = self._write_messages()
        counts["uploads"], counts["commands"] = self._write_uploads()
        counts["images"] = self._write_images()
        self._write_holes()
        self._write_simulated()
        self._file.db.execute("COMMIT")
        return counts

    def _is_inside(self, t: float | None) -> bool:
        return t is not None and self._begin <= t < self._end

    def _write_holes(self) -> None:
        """Copy the notes of times in which nothing was recorded."""
        holes = self._mission.db.execute(
            "SELECT * FROM holes WHERE until >= ? AND since < ?", (self._begin, self._end)
        )
        self._file.db.executemany("INSERT INTO holes VALUES (?, ?, ?, ?, ?, ?)", holes)
        gaps = saved_gaps(self._items)
        if inside := [one for one in gaps if one.since < self._end and one.until > self._begin]:
            self._file.put(GAPS, dumps(inside))

    def _write_simulated(self) -> None:
        """Copy the spans of the range in which sources were simulated."""
        inside = {
            key: [one for one in spans if one[0] < self._end and (one[1] or inf) > self._begin]
            for key, spans in saved_spans(self._items, time()).items()
        }
        if any(inside.values()):
            self._file.put(SIMULATED, dumps({key: spans for key, spans in inside.items() if spans}))

    def _keys(self, prefix: str) -> list[str]:
        return [key for key in self._mission.contents.ids if key.startswith(prefix)]

    def _write_messages(self) -> int:
        """Copy messages, joins and leaves; returns the number of messages."""
        messages = 0
        for key in self._keys(COMMS):
            chosen = [one for one in self._mission.records(key) if self._is_inside(one.at)]
            messages += sum(one.kind == "message" for one in chosen)
            self._file.copy_stream(self._mission, key, chosen)
        return messages

    def _write_uploads(self) -> tuple[int, int]:
        """Copy the uploads that began in the time range; returns their number and that of files."""
        uploads = files = 0
        for key in self._keys(UPLOAD):
            records = list(self._mission.records(key))
            if not records or not self._is_inside(records[0].at) or key not in self._items:
                continue
            self._file.copy_stream(self._mission, key, records)
            self._file.put(key, self._items[key])
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
        self._file.copy_stream(self._mission, ARRIVALS, map(without_path, arrivals))
        return self.images.write(arrivals)

    def _add_file(self, name: str) -> bool:
        return self._file.add_file(name, self._mission.file(name))
