"""What is in a folder of images, and what changed since the last look.

What is an image is decided by its first bytes, not by its name. Hidden and temporary names
(`.x`, `x~`, `x.part`, `x.tmp` …), subfolders and symlinks are passed over. Only files that changed
are opened, so a look at a still folder costs a `stat` for each name.

When is a file complete? When it ends as its format says (PNG, JPEG, WebP, BMP), or when it has not
changed for `settle_s`, or when it is a minute old at first sight. So a writer that pauses for
longer, or at what looks like the end, is taken to have finished; when it goes on, the image
counts as replaced by a new one. Writers that rename a finished file into place are never misread.

What cannot be seen from outside: a file rewritten with the same length within one tick of the file
system's clock; and one rewritten between two looks that is longer now and happens to have the same
kilobyte where it ended before.

Everything here blocks, and runs in a worker thread.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from sources.base import Image
from sources.directory.header import has_end, read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

TAIL_BYTES = 1024
LONGEST_ID = 200
OLD_S = 60.0
LAST_TIME = 253_402_300_800
"""The year 10000, in POSIX seconds: where times that can be written down end."""

TEMPORARY = ("~", ".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".swp")


class Signature(NamedTuple):
    """Changes whenever a file does, or is another one."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """That of a file with this status."""
        return cls(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )

    def is_same_file(self, other: Signature) -> bool:
        """Whether both are of one file, whatever it held."""
        return self[:2] == other[:2]

    def is_same_content(self, other: Signature) -> bool:
        """Whether nothing was written in between; unlike `==`, a file may lose its name."""
        return self[:4] == other[:4]


@dataclass(frozen=True, slots=True)
class Look:
    """What the last look at a file found.

    Attributes:
        signature: of the file then.
        unchanged_since: by the folder's clock.
        image: the image; `None` if it is none.
        flaw: why it is none.
        tail: the last bytes of one still arriving, which stay in place while it only grows.
    """

    signature: Signature
    unchanged_since: float
    image: Image | None = None
    flaw: str = ""
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class Scan:
    """A look at the whole folder.

    Attributes:
        looks: by file name.
        images: newest first by time of change, then by name.
        begun: names of images that are new, or were replaced, since the scan before.
        passed_over: names that are no image, which is news since the scan before; and why.
    """

    looks: Mapping[str, Look]
    images: Sequence[Image] = ()
    begun: Sequence[str] = ()
    passed_over: Sequence[tuple[str, str]] = ()


NOTHING = Scan({})


class Folder:
    """A folder on disk.

    Args:
        path: of the folder; looked up anew at each scan.
        settle_s: a file that has not changed for so long is complete.
        clock: seconds, monotonic.
    """

    def __init__(self, path: Path, settle_s: float, clock: Callable[[], float]) -> None:
        self.path = path
        self._settle_s = settle_s
        self._clock = clock

    def scan(self, before: Scan) -> Scan:
        """What is there now, and what is news since the scan `before`; that one, if nothing is.

        Raises:
            OSError: the folder cannot be listed.
        """
        looks: dict[str, Look] = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                if is_temporary(entry.name):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # between listing and looking
                    continue
                if stat.S_ISREG(status.st_mode):
                    known = before.looks.get(entry.name)
                    looks[entry.name] = self._look(entry.name, Signature.of(status), known)
        return _compare(looks, before)

    def signature(self, name: str) -> Signature | None:
        """Of the file of that name now; `None` if there is none."""
        try:
            status = os.lstat(self.path / name)
        except OSError:
            return None
        return Signature.of(status) if stat.S_ISREG(status.st_mode) else None

    def open(self, name: str) -> BinaryIO:
        """The file of that name. No symlink is followed, and no pipe waited for.

        Raises:
            OSError: there is none, or it may not be read.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.fdopen(os.open(self.path / name, flags), "rb")
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OSError(0, "not a plain file")
        return file

    def _look(self, name: str, signature: Signature, before: Look | None) -> Look:
        now = self._clock()
        if before is not None and before.signature == signature:
            image = before.image
            if image is None or image.complete or now - before.unchanged_since < self._settle_s:
                return before
            return replace(before, image=self._completed(image), tail=b"")
        if flaw := flaw_of_name(name):
            return Look(signature, now, flaw=flaw)
        try:
            with self.open(name) as file:
                return self._inspect(name, file, before, now)
        except OSError as exc:
            return Look(signature, now, flaw=exc.strerror or str(exc))

    def _inspect(self, name: str, file: BinaryIO, before: Look | None, now: float) -> Look:
        status = os.fstat(file.fileno())
        signature = Signature.of(status)
        header = read_header(file)
        if header is None:
            return Look(signature, now, flaw="no image of a known format")
        image = Image(
            name,
            header.content_type,
            received=status.st_size,
            revision=_grown_revision(before, file, signature)
            or sha256(repr(tuple(signature)).encode()).hexdigest()[:16],
            received_at=status.st_mtime if 0 <= status.st_mtime < LAST_TIME else None,
            width=header.width,
            height=header.height,
        )
        old = before is None and time.time() - status.st_mtime > max(OLD_S, self._settle_s)
        if old or has_end(file, header.content_type):
            return Look(signature, now, self._completed(image))
        file.seek(max(status.st_size - TAIL_BYTES, 0))
        return Look(signature, now, image, tail=file.read(min(TAIL_BYTES, status.st_size)))

    def _completed(self, image: Image) -> Image:
        return replace(image, complete=True, size=image.received, path=self.path / image.id)


def is_temporary(name: str) -> bool:
    """Whether programs give such names to files that are not finished, or not to be seen."""
    return name.startswith(".") or name.lower().endswith(TEMPORARY)


def flaw_of_name(name: str) -> str:
    """Why no image can have that name as its id; empty if one can. Any string may be given."""
    if not name or "/" in name or "\0" in name or is_temporary(name):
        return "not the name of an image"
    if len(name) > LONGEST_ID:
        return f"its name is longer than {LONGEST_ID} characters"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8, and cannot stand in a URL"
    return ""


def _grown_revision(before: Look | None, file: BinaryIO, signature: Signature) -> str:
    """The revision that the file keeps, being what it was or more of the same; else empty."""
    if before is None or before.image is None or before.image.complete:
        return ""
    shrunk = signature.size < before.signature.size
    if shrunk or not signature.is_same_file(before.signature):
        return ""
    file.seek(before.signature.size - len(before.tail))
    return before.image.revision if file.read(len(before.tail)) == before.tail else ""


def _compare(looks: dict[str, Look], before: Scan) -> Scan:
    known = before.looks
    changed = [name for name, look in looks.items() if known.get(name) is not look]
    if not changed and len(looks) == len(known):
        return before

    def newness(name: str) -> tuple[int, str]:
        return looks[name].signature.mtime_ns, name

    images = [
        image for name in sorted(looks, key=newness, reverse=True) if (image := looks[name].image)
    ]
    begun: list[str] = []
    passed_over: list[tuple[str, str]] = []
    for name in sorted(changed, key=newness):
        look, last = looks[name], known.get(name)
        if look.image is None:
            if last is None or last.flaw != look.flaw:
                passed_over.append((name, look.flaw))
        elif last is None or last.image is None or last.image.revision != look.image.revision:
            begun.append(name)
    return Scan(looks, images, begun, passed_over)
