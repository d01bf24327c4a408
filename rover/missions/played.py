"""Reads the samples, events and images of a recorded mission by time; calls block."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from math import nan
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from rover.errors import LogDamaged, NotAMission
from rover.images.arrivals import STREAM as ARRIVALS
from rover.images.kept import Kept
from rover.missions.camera_files import camera_file
from rover.missions.files import PIECE_BYTES
from rover.missions.images import IMAGE
from rover.missions.snapshot import Snapshot, connect_read_only
from rover.schema import FILE_NAME
from rover.simulated_spans import saved_spans, was_simulated
from rover.telemetry.event_log import MAX_EVENTS
from rover.telemetry.records import STREAM
from sources.base import Event, Image, Parameter, Sample, Severity, SourceError
from sources.values.ranges import OptionError
from sources.values.times import parse_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rover.telemetry.past import Past
    from sources.base import Kind, SourceKind, Value

MAX_SNAPSHOT_S = 30.0
"""Seconds after which a snapshot of a data folder is closed: a server that writes to the folder
cannot reuse the space of its write-ahead log meanwhile."""


KINDS: Mapping[frozenset[str], Kind] = {
    frozenset("f"): "number",
    frozenset("fi"): "number",
    frozenset("i"): "integer",
    frozenset("I"): "integer",
    frozenset("iI"): "integer",
    frozenset("b"): "boolean",
    frozenset("s"): "text",
}
"""Kinds of parameters by the letters of their values (`rover.archive.points.KINDS`)."""


@dataclass(frozen=True, slots=True)
class PlayedImage:
    """An image of a recorded mission.

    Attributes:
        t: POSIX seconds of its arrival.
        camera: the name of the camera.
        image: as it was recorded.
        file: its path, absolute or relative to the data folder.
    """

    t: float
    camera: str
    image: Image
    file: str


class PlayedMission:
    """A range of time of a recorded mission.

    Args:
        path: of a file of `rover record`, a data folder, or its `mission.db`.
        since: a time; empty for the beginning of the record.
        until: a time; empty for the end of the record when it is opened.

    Attributes:
        path: of the file or of the data folder.
        begin: POSIX seconds.
        end: POSIX seconds, exclusive.
        parameters: the dictionary at the end, and the other parameters with values of one type.
        images: those whose bytes are there, in order of time.
        events: the newest events, in order of time.

    Raises:
        SourceError: it cannot be read, or has nothing in this range.
    """

    def __init__(self, path: Path, since: str, until: str) -> None:
        self.path = path = path.parent if path.name == FILE_NAME else path
        self._snapshot: Snapshot | None = None
        self._opened_at = 0.0
        try:
            with Snapshot(path) as mission:
                images, events = _images_of(mission), _events_of(mission)
                self._simulated = saved_spans(mission.contents.index.values, time())
                history = mission.history()
                self.parameters = _dictionary(mission.parameters, history.kinds())
                oldest, newest = history.ends()
                first = min([oldest, *(one.t for one in images[:1])])
                last = max([newest, *(one.t for one in images[-1:])])
        except (NotAMission, LogDamaged) as exc:
            raise SourceError(str(exc)) from exc
        self.begin = _time("since", since) if since else first
        self.end = _time("until", until) if until else last + 1e-3
        if not self.begin < self.end or self.end <= first or self.begin > last:
            raise SourceError(f"{path}: has no samples and no images in this range of time")
        self.images = [one for one in images if self.begin <= one.t < self.end]
        self.events = [one for one in events if self.begin <= one.t < self.end]

    def was_simulated(self, kind: SourceKind, name: str = "") -> bool:
        """Whether a source was simulated at some time of the range; see `was_simulated`."""
        return was_simulated(self._simulated, kind, name, self.begin, self.end)

    def samples(self, since: float) -> list[Sample]:
        """Some samples from a time on, in order of time; empty at the end.

        Samples of one time are returned together.

        Raises:
            SourceError: they cannot be read.
        """
        try:
            history = self._history()
            table = next(history.tables(since, self.end), None)
            if table is None:
                return []
            columns = table.as_columns(history.integers)
        except (NotAMission, LogDamaged) as exc:
            self.close()
            raise SourceError(str(exc)) from exc
        times = columns.pop("t")
        del columns["late"]  # in order of time, none is
        return [Sample(t, _values(columns, row)) for row, t in enumerate(times)]

    def _history(self) -> Past:
        if self._snapshot is None:
            self._snapshot, self._opened_at = Snapshot(self.path), monotonic()
            self._read = self._snapshot.history()
        return self._read

    def release(self, pause_s: float) -> None:
        """Close the snapshot of a data folder, unless it is new and soon needed again.

        Args:
            pause_s: seconds until the next call of `samples`.
        """
        if self.path.is_dir() and monotonic() - self._opened_at + pause_s > MAX_SNAPSHOT_S:
            self.close()

    def close(self) -> None:
        """Close the snapshot; `samples` opens another one."""
        if self._snapshot is not None:
            self._snapshot.db.close()
            self._snapshot = None

    def piece(self, image: PlayedImage, start: int) -> bytes:
        """Bytes of an image from a position on, at most 1 MiB; empty at the end.

        Raises:
            SourceError: they cannot be read.
        """
        try:
            if self.path.is_dir():
                with (self.path / image.file).open("rb") as file:
                    file.seek(start)
                    return file.read(PIECE_BYTES)
            with closing(connect_read_only(self.path)) as db:
                query = "SELECT substr(data, ?) FROM files WHERE path = ? AND piece = ?"
                number, offset = divmod(start, PIECE_BYTES)
                row = db.execute(query, (offset + 1, image.file, number)).fetchone()
                return b"" if row is None else bytes(row[0])
        except (NotAMission, sqlite3.Error, OSError) as exc:
            raise SourceError(f"{image.file} of {self.path} cannot be read: {exc}") from exc


def _dictionary(
    recorded: Sequence[Parameter], kinds: Mapping[str, Mapping[str, str]]
) -> Sequence[Parameter]:
    declared = {one.name for one in recorded}
    others = []
    for name, parts in kinds.items():
        kind = KINDS.get(frozenset(parts.get("", ""))) if "" in parts else "vector"
        if parts and kind is not None and name not in declared:
            others.append(Parameter(name, kind=kind))
    return [*recorded, *others]


def _images_of(mission: Snapshot) -> list[PlayedImage]:
    found = []
    stored: set[str] = set()
    if not mission.is_folder:
        with suppress(sqlite3.Error):  # the file is not one that `rover record` wrote
            stored = {path for (path,) in mission.db.execute("SELECT DISTINCT path FROM files")}
    for key, text in mission.contents.index.values.items():
        file = f"images/{key.removeprefix(IMAGE)}"
        path = mission.path.parent / file if mission.is_folder else None
        if not key.startswith(IMAGE) or not (path.is_file() if path else file in stored):
            continue
        with suppress(LookupError, TypeError, ValueError):  # the record is damaged
            image = Kept.parse(text, path)[0].image
            t = image.taken_at if image.received_at is None else image.received_at
            if t is not None:
                camera = key.removeprefix(IMAGE).rpartition("/")[0]
                found.append(PlayedImage(t, camera, image, file))
    return sorted([*found, *_camera_files_of(mission)], key=lambda one: one.t)


def _camera_files_of(mission: Snapshot) -> Iterable[PlayedImage]:
    """The images that cameras still have in files, each as it arrived last."""
    found: dict[tuple[str, str], PlayedImage] = {}
    for record in mission.records(ARRIVALS) if mission.is_folder else ():
        if (file := camera_file(record)) is not None:
            camera, image = file.arrival.camera, replace(file.arrival.image, path=file.path)
            found.pop((camera, image.id), None)
            if file.exists():
                played = PlayedImage(record.at, camera, image, str(file.path))
                found[camera, image.id] = played
    return found.values()


def _events_of(mission: Snapshot) -> list[Event]:
    found = []
    for record in mission.records(STREAM):
        if record.kind == "event":
            with suppress(LookupError, TypeError, ValueError):  # the record is damaged
                fields = json.loads(record.data)
                t = record.at if record.t is None else record.t
                severity = Severity(fields["severity"])
                found.append(Event(t, severity, fields["name"], fields["message"]))
    return sorted(found[-MAX_EVENTS:], key=lambda one: one.t)


def _values(columns: Mapping[str, Sequence[Any]], row: int) -> dict[str, Value]:
    """The values of a row as they were measured: JSON has no NaN for a vector's components."""
    values: dict[str, Value] = {}
    for name, column in columns.items():
        value = column[row]
        if isinstance(value, dict):
            values[name] = {part: nan if one is None else one for part, one in value.items()}
        elif value is not None:
            values[name] = value
    return values


def _time(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        if (found := parse_datetime(text)) is not None:
            return found
    reason = "must be a time such as 2026-11-22T07:00:00Z, or seconds since 1970"
    raise OptionError(name, text, reason)


def at_speed(parameter: Parameter, speed: float) -> Parameter:
    """A parameter whose samples arrive faster.

    Args:
        parameter: as it was recorded.
        speed: recorded seconds per second.
    """
    limits = replace(parameter.limits, min_duration_s=parameter.limits.min_duration_s / speed)
    period_s = None if parameter.period_s is None else parameter.period_s / speed
    return replace(parameter, period_s=period_s, limits=limits)
