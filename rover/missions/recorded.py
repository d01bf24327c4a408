"""A recorded mission that is served: its log, its dictionary, its cameras and its files."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rover.damage import damage_of
from rover.errors import NotAMission
from rover.logs.recorded import RecordedLog
from rover.missions.files import StoredFiles
from rover.missions.images import IMAGE
from rover.missions.snapshot import Snapshot, connect_read_only
from rover.simulated_spans import saved_spans
from rover.telemetry.recorder import SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sources.base import Parameter


class RecordedMission:
    """The mission in a file of `rover record`. The file must not change while it is served.

    Args:
        path: of the file.

    Attributes:
        path: of the file.
        manifest: of the file, as JSON: when it was recorded, for example.
        parameters: the dictionary.
        cameras: the names of the cameras that it has images of.
        simulated: when which sources were simulated.
        ended_at: POSIX seconds of its end; `None` if it is unknown.

    Raises:
        NotAMission: the file does not exist, is not a mission, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._damage = damage_of(path)
        if path.is_dir():
            raise NotAMission(path, "is a folder; write a file with rover record, and open that")
        with Snapshot(path) as mission:
            self.parameters: Sequence[Parameter] = mission.parameters
            items = mission.contents.index.values
            self.simulated = saved_spans(items)
            names = [key.removeprefix(IMAGE) for key in items if key.startswith(IMAGE)]
            self.cameras = sorted({name.rpartition("/")[0] for name in names})
            self.manifest: dict[str, Any] = {}
            with suppress(sqlite3.Error, ValueError):  # not written by `rover record`
                rows = mission.db.execute("SELECT key, value FROM manifest")
                self.manifest = {key: json.loads(value) for key, value in rows}
            self.ended_at = _end_of(self.manifest, items.get(SNAPSHOT))

    def log(self) -> RecordedLog:
        """A log that reads the file.

        Raises:
            NotAMission: the file cannot be read any more.
        """
        db = connect_read_only(self.path)
        db.execute("BEGIN")
        return RecordedLog(self.path, db, self.manifest, self.ended_at)

    def extract(self, folder: Path) -> None:
        """Write the command files and the images that are readable into a data folder.

        Raises:
            NotAMission: the file is damaged.
            OSError: the disk is full, for example.
        """
        if not self.manifest:
            return
        try:
            with closing(connect_read_only(self.path)) as db:
                StoredFiles(db, self._damage).extract(folder)
        except (sqlite3.Error, ValueError) as exc:
            raise NotAMission(self.path, str(exc)) from exc


def _end_of(manifest: Mapping[str, Any], newest: str | None) -> float | None:
    """The end of the recorded time range if the mission had reached it, else the newest value's.

    Args:
        manifest: of the file.
        newest: the saved newest values.
    """
    with suppress(ValueError, LookupError, TypeError):
        until, created = (datetime.fromisoformat(manifest[name]) for name in ("until", "created"))
        if until <= created:
            return until.timestamp()
    with suppress(ValueError, LookupError, TypeError, AttributeError):
        values = json.loads(newest or "{}")["values"].values()
        return max(float(one["received_at"]) for one in values)
    return None
