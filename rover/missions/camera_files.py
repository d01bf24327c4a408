"""The images of cameras that have files of their own, for a record of the mission."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from rover.images.arrivals import arrival_of
from rover.missions.files import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rover.images.arrivals import Arrival
    from rover.logs.base import Record


class CameraFile(NamedTuple):
    """A file of a camera.

    Attributes:
        arrival: the image, which was complete.
        path: of the file when the image was complete.
        at: POSIX seconds when that was recorded.
    """

    arrival: Arrival
    path: Path
    at: float

    def is_same(self, found: os.stat_result) -> bool:
        """Whether the file is as it was."""
        changed_at = max(found.st_mtime, found.st_ctime)
        is_same = found.st_size == self.arrival.image.size and changed_at <= self.at
        return is_same and S_ISREG(found.st_mode)

    def exists(self) -> bool:
        """Whether the file exists and is as it was."""
        with suppress(OSError, ValueError):
            return self.is_same(self.path.stat())
        return False

    def pieces(self) -> Iterator[bytes] | None:
        """The bytes of the file; `None` if it does not exist or was changed later."""
        with suppress(OSError, ValueError):
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
            if self.is_same(os.fstat(descriptor)):
                return pieces_of(os.fdopen(descriptor, "rb"))
            os.close(descriptor)
        return None


def camera_file(record: Record) -> CameraFile | None:
    """The file of a complete image that arrived; `None` if it has none."""
    with suppress(LookupError, TypeError, ValueError):
        path = json.loads(record.data)["path"]
        arrival = arrival_of(record)
        if arrival is not None and arrival.state == "complete":
            return CameraFile(arrival, Path(path), record.at)
    return None


def without_path(record: Record) -> Record:
    """The record of an arrival without the path on this machine."""
    with suppress(LookupError, TypeError, ValueError):
        fields = json.loads(record.data)
        del fields["path"]
        return record._replace(data=json.dumps(fields, separators=(",", ":"), ensure_ascii=False))
    return record
