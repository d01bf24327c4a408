"""The images in a folder, and the changes since the last scan.

The first bytes of a file, not its name, decide whether it is an image. Hidden and temporary names
(`.x`, `x~`, `x.part`, `x.tmp` …), subfolders and symlinks are skipped. Only files that changed are
opened, so scanning an unchanged folder costs one `stat` per name.

A file is complete when it ends as its format requires (PNG, JPEG, WebP, BMP), or when it has not
changed for `settle_s`, or when it is a minute old at the first scan. So if a writer pauses for
longer, or at an apparent end, its file counts as complete. If the writer then continues, the image
counts as replaced. A file that is renamed into the folder when it is finished has no such problem.

Two changes cannot be detected: a file rewritten with the same length within one tick of the file
system's clock; and a file rewritten between two scans that is now longer, and has the same last
kilobyte at its old end.

All functions block, and run in a worker thread.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO

from sources.base import Image
from sources.directory.signature import Signature
from sources.values.image_header import has_end, read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

TAIL_BYTES = 1024
"""Bytes at the end of an arriving file that are compared at the next scan."""

MAX_ID_LENGTH = 200
"""Maximum number of characters of an image id."""

FINISHED_AGE_S = 60.0
"""Seconds since the last change after which a file is complete at the first scan."""

MAX_TIME_S = 253_402_300_800
"""POSIX seconds of the year 10000, the first time that RFC 3339 cannot express."""

TEMPORARY = ("~", ".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".swp")
"""Endings of the names of unfinished files."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was at the last scan.

    Attributes:
        signature: of the file then.
        unchanged_since: by the folder's clock.
        image: the image in the file; `None` if it is not an image.
        problem: why it is not an image.
        tail: the last bytes of an arriving image; they stay in place while it only grows.
    """

    signature: Signature
    unchanged_since: float
    image: Image | None = None
    problem: str = ""
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class Scan:
    """The folder as it was at one scan.

    Attributes:
        files: by file name.
        images: newest first by time of change, then by name.
        new: names of images that are new, or were replaced, since the scan before.
        skipped: names of files that are not images, and why, if the scan before did not list them.
    """

    files: Mapping[str, FileState]
    images: Sequence[Image] = ()
    new: Sequence[str] = ()
    skipped: Sequence[tuple[str, str]] = ()


EMPTY = Scan({})


class Folder:
    """A folder on disk.

    Args:
        path: of the folder; resolved again at each scan.
        settle_s: a file that has not changed for this many seconds is complete.
        clock: seconds, monotonic.
    """

    def __init__(self, path: Path, settle_s: float, clock: Callable[[], float]) -> None:
        self.path = path
        self._settle_s = settle_s
        self._clock = clock

    def scan(self, before: Scan) -> Scan:
        """Scan the folder, and compare it with the scan `before`; returns that if nothing changed.

        Raises:
            OSError: the folder cannot be listed.
        """
        files: dict[str, FileState] = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                if is_temporary(entry.name):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # deleted after it was listed
                    continue
                if stat.S_ISREG(status.st_mode):
                    known = before.files.get(entry.name)
                    files[entry.name] = self._state(entry.name, Signature.of(status), known)
        return _compare(files, before)

    def signature(self, name: str) -> Signature | None:
        """The signature of the file with that name now; `None` if there is none."""
        try:
            status = os.lstat(self.path / name)
        except OSError:
            return None
        return Signature.of(status) if stat.S_ISREG(status.st_mode) else None

    def open(self, name: str) -> BinaryIO:
        """Open the file with that name, without following a symlink or waiting for a pipe.

        Raises:
            OSError: the name is not of a regular file, or the file cannot be read.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.fdopen(os.open(self.path / name, flags), "rb")
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OSError(0, "not a regular file")
        return file

    def _state(self, name: str, signature: Signature, before: FileState | None) -> FileState:
        now = self._clock()
        if before is not None and before.signature == signature:
            image = before.image
            if image is None or image.complete or now - before.unchanged_since < self._settle_s:
                return before
            return replace(before, image=self._completed(image), tail=b"")
        if problem := problem_of_name(name):
            return FileState(signature, now, problem=problem)
        try:
            with self.open(name) as file:
                return self._inspect(name, file, before, now)
        except OSError as exc:
            return FileState(signature, now, problem=exc.strerror or str(exc))

    def _inspect(
        self, name: str, file: BinaryIO, before: FileState | None, now: float
    ) -> FileState:
        status = os.fstat(file.fileno())
        signature = Signature.of(status)
        header = read_header(file)
        if header is None:
            return FileState(signature, now, problem="not an image of a known format")
        image = Image(
            name,
            header.content_type,
            received=status.st_size,
            revision=_grown_revision(before, file, signature)
            or sha256(repr(tuple(signature)).encode()).hexdigest()[:16],
            received_at=status.st_mtime if 0 <= status.st_mtime < MAX_TIME_S else None,
            width=header.width,
            height=header.height,
        )
        old = before is None and time.time() - status.st_mtime > max(FINISHED_AGE_S, self._settle_s)
        if old or has_end(file, header.content_type):
            return FileState(signature, now, self._completed(image))
        file.seek(max(status.st_size - TAIL_BYTES, 0))
        return FileState(signature, now, image, tail=file.read(min(TAIL_BYTES, status.st_size)))

    def _completed(self, image: Image) -> Image:
        return replace(image, complete=True, size=image.received, path=self.path / image.id)


def is_temporary(name: str) -> bool:
    """Whether programs give such names to unfinished or hidden files."""
    return name.startswith(".") or name.lower().endswith(TEMPORARY)


def problem_of_name(name: str) -> str:
    """Why no image can have that name as its id; empty if one can. `name` may be any string."""
    if not name or "/" in name or "\0" in name or is_temporary(name):
        return "not the name of an image"
    if len(name) > MAX_ID_LENGTH:
        return f"its name is longer than {MAX_ID_LENGTH} characters"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8, and cannot be part of a URL"
    return ""


def _grown_revision(before: FileState | None, file: BinaryIO, signature: Signature) -> str:
    """The revision before, if the file has only grown since; else empty."""
    if before is None or before.image is None or before.image.complete:
        return ""
    shrunk = signature.size < before.signature.size
    if shrunk or not signature.is_same_file(before.signature):
        return ""
    file.seek(before.signature.size - len(before.tail))
    return before.image.revision if file.read(len(before.tail)) == before.tail else ""


def _compare(files: dict[str, FileState], before: Scan) -> Scan:
    known = before.files
    changed = [name for name, state in files.items() if known.get(name) is not state]
    if not changed and len(files) == len(known):
        return before

    def newness(name: str) -> tuple[int, str]:
        return files[name].signature.mtime_ns, name

    images = [
        image for name in sorted(files, key=newness, reverse=True) if (image := files[name].image)
    ]
    new: list[str] = []
    skipped: list[tuple[str, str]] = []
    for name in sorted(changed, key=newness):
        state, last = files[name], known.get(name)
        if state.image is None:
            if last is None or last.problem != state.problem:
                skipped.append((name, state.problem))
        elif last is None or last.image is None or last.image.revision != state.image.revision:
            new.append(name)
    return Scan(files, images, new, skipped)
