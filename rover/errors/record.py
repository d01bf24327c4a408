"""Errors about the record of a mission: its log, archive, files, imports and alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.errors.base import RoverError

if TYPE_CHECKING:
    from pathlib import Path


class UnknownAlarm(RoverError):
    """No alarm that is active or unacknowledged has that id."""

    def __init__(self, alarm_id: str) -> None:
        self.alarm_id = alarm_id
        super().__init__(
            f"no alarm has the id {alarm_id[:80]!r}, or it has ended and was acknowledged; "
            "GET /alarms lists them"
        )


class LogDamaged(RoverError):
    """Recorded events cannot be read."""


class MissionRecorded(RoverError):
    """A recorded mission does not change."""

    def __init__(self) -> None:
        super().__init__("this mission is recorded; it can be viewed, but not changed")


class FolderInUse(RoverError):
    """A server uses the data folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is in use by a server; stop it, or import into the server with --url"
        )


class ImportFailed(RoverError):
    """A file cannot be imported."""

    def __init__(self, path: Path, place: str, reason: str) -> None:
        super().__init__(": ".join(filter(None, (str(path), place, reason))))


class ReaderMissing(RoverError):
    """The library that reads the format of a file is not installed."""

    def __init__(self, path: Path, module: str) -> None:
        extra = {"mcap": "mcap", "mcap_ros2": "rosbag", "pyarrow": "parquet"}
        name = extra.get(module.partition(".")[0], "rosbag")
        super().__init__(f"{path}: cannot be read here; install `cosmic-rover[{name}]`")


class NotAMission(RoverError):
    """A file or folder is not a mission that can be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
