"""Command files on disk: those that are being received or checked, and the accepted ones.

    <data_dir>/incoming/<id>         being received or checked; deleted afterwards
    <data_dir>/incoming/<id>.check*  the copy that the validator reads; deleted after the check
    <data_dir>/incoming/<id>.artifact  a file that the validator compiled; deleted after the check
    <data_dir>/commands/<sha256>     accepted and complete, also after a power failure
    <data_dir>/artifacts/<sha256>    what the validator compiled from an accepted file

All folders are on one file system, so that accepting a file is one rename. All functions block.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING

from rover.errors import FileChanged, SettingError
from rover.logs.folder import may_end

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import IO

    Fsync = Callable[[int], None]


logger = logging.getLogger("rover.commands")

FOLDER_MODE = 0o700
FILE_MODE = 0o600
"""Other users of the machine have no access. `make_private` changes existing folders."""

READ_ONLY = 0o400

SUFFIX = re.compile(r"\.[A-Za-z0-9_-]{1,16}")
"""A suffix that the validator's copy keeps: programs choose the format of a file by it."""

ARTIFACT_MARK = ".artifact"
"""In the name of an artifact until it is complete."""

MAX_ARTIFACT_BYTES = 256 * 2**20
"""Maximum size of an artifact that is a file."""

COPY_MARK = ".check"
"""In the name of the validator's copy. Ids have no dot, so no other incoming file has this name."""


class Inbox:
    """The folders of command files.

    Args:
        data_dir: contains the folders; created if it does not exist.
        fsync: `os.fsync`; a test may pass another function.
    """

    def __init__(self, data_dir: Path, fsync: Fsync = os.fsync) -> None:
        self.incoming = data_dir / "incoming"
        self.accepted = data_dir / "commands"
        self.artifacts = data_dir / "artifacts"
        self._data_dir = data_dir
        self._fsync = fsync

    @contextmanager
    def open(self, keep: Collection[str] | None = None) -> Iterator[None]:
        """Create the folders, and delete incoming files that a crash has left.

        Several processes may share the folders: only a process that is alone deletes files.

        Args:
            keep: names of incoming files that are still needed; `None` to delete none.

        While a folder that exists cannot be written, uploads fail.

        Raises:
            SettingError: the folder is not writable.
        """
        try:
            self._create_folders()
            _sync(self._data_dir, self._fsync)
            flags = os.O_WRONLY | os.O_CREAT
            lock = os.fdopen(os.open(self._data_dir / "incoming.lock", flags, FILE_MODE), "wb")
        except OSError as exc:
            if may_end(exc) and self._data_dir.is_dir():
                logger.error(
                    "%s cannot be written (%s): uploads fail", self._data_dir, exc.strerror
                )
                yield
                return
            reason = f"must be a writable folder: {exc.strerror}"
            raise SettingError("ROVER_DATA_DIR", self._data_dir, reason) from exc
        with lock:
            self._delete_leftovers(lock, keep)
            yield

    def _create_folders(self) -> None:
        self._data_dir.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        for folder in (self.incoming, self.accepted, self.artifacts):
            folder.mkdir(FOLDER_MODE, exist_ok=True)

    def create(self, name: str) -> CommandFile:
        """A new, empty incoming file.

        Raises:
            OSError: the file cannot be created.
        """
        self._create_folders()  # someone may have deleted them since the start
        return CommandFile(self.incoming / name, self.accepted, self._fsync)

    def reopen(self, name: str) -> CommandFile:
        """An incoming file from before a restart, which more bytes can be appended to.

        Raises:
            OSError: it does not exist, or cannot be read.
        """
        return CommandFile(self.incoming / name, self.accepted, self._fsync, reopen=True)

    def recover(self, name: str, digest: str) -> bool:
        """Store an incoming file that was accepted before a crash; returns whether it is stored.

        Args:
            name: of the incoming file.
            digest: its SHA-256, in lower-case hex.

        Raises:
            OSError: it cannot be read or stored.
        """
        stored, incoming = self.accepted / digest, self.incoming / name
        if not stored.exists() and incoming.exists():
            if _digest_of(incoming) != digest:
                return False
            incoming.replace(stored)
        incoming.unlink(missing_ok=True)
        if not stored.exists():
            return False
        _sync(self.accepted, self._fsync)
        return True

    def remove(self, name: str) -> int:
        """Delete an incoming file from before a restart; returns its size, 0 if there is none."""
        path, size = self.incoming / name, 0
        with suppress(OSError):
            size = path.stat().st_size
            path.unlink()
        return size

    def store_artifact(self, content: bytes | Path) -> tuple[str, int]:
        """Store a compiled product; returns its SHA-256 and its size. It survives a power failure.

        Args:
            content: its bytes, or a file with them, which is not changed.

        Raises:
            OSError: for example, the disk is full.
        """
        descriptor, name = tempfile.mkstemp(ARTIFACT_MARK, dir=self.incoming)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, file, 2**20)
                size = file.tell()
                file.flush()
                self._fsync(file.fileno())
                file.seek(0)
                digest = file_digest(file, "sha256").hexdigest()
            Path(name).replace(self.artifacts / digest)
        except OSError:
            with suppress(OSError):
                Path(name).unlink(missing_ok=True)
            raise
        _sync(self.artifacts, self._fsync)
        return digest, size

    def check_stored(self, path: Path) -> int:
        """Check that a stored file has the bytes that its name says; returns their number.

        Raises:
            FileChanged: another program has changed it.
            OSError: it cannot be read.
        """
        if _digest_of(path) != path.name:
            raise FileChanged
        return path.stat().st_size

    def delete_artifact(self, digest: str) -> None:
        """Delete a stored artifact."""
        (self.artifacts / digest).unlink(missing_ok=True)

    def _delete_leftovers(self, lock: IO[bytes], keep: Collection[str] | None) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # another process is receiving these files
        else:
            if keep is not None:
                for leftover in self.incoming.iterdir():
                    if leftover.name not in keep:
                        _delete(leftover)
        fcntl.flock(lock, fcntl.LOCK_SH)


class CommandFile:
    """An incoming file, hashed while it is written. End it with `store` or `discard`.

    Attributes:
        path: of the file.
        size: number of written bytes.
        lines: number of lines, once the file is copied; the last one may lack its line end.
    """

    def __init__(self, path: Path, accepted: Path, fsync: Fsync, *, reopen: bool = False) -> None:
        self.path = path
        self.size = self.lines = 0
        self._accepted = accepted
        self._fsync = fsync
        self._digest = sha256()
        self._copy: Path | None = None
        self._artifact: Path | None = None
        if reopen:
            with path.open("rb") as file:
                while block := file.read(2**20):
                    self._count(block)
        flags = os.O_WRONLY | (os.O_APPEND if reopen else os.O_CREAT | os.O_EXCL)
        # with a buffer, `close` could fail: disk full
        self._file = os.fdopen(os.open(path, flags, FILE_MODE), "wb", buffering=0)

    @property
    def sha256(self) -> str:
        """SHA-256 of the written bytes, in lower-case hex."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append to the file. The bytes are visible to other readers of `path` afterwards.

        Raises:
            OSError: for example, the disk is full.
        """
        self._count(data)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _count(self, data: bytes) -> None:
        self.size += len(data)
        self._digest.update(data)

    def flush(self) -> None:
        """Write the file to disk: the bytes so far survive a power failure.

        Raises:
            OSError: they may not.
        """
        self._fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file, and keep it for `Inbox.reopen`."""
        self._file.close()

    def copy(self, name: str) -> Path:
        """A read-only copy for the validator, with the suffix of `name`.

        The file itself is out of its reach, also for a thread that outlives the check.

        Raises:
            OSError: for example, the disk is full.
        """
        suffix = SUFFIX.fullmatch("." + name.rpartition(".")[2]) if "." in name else None
        copy = self.path.with_name(self.path.name + COPY_MARK + (suffix[0] if suffix else ""))
        self._copy = copy
        descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READ_ONLY)
        line_ends, block = 0, b""
        with self.path.open("rb") as source, os.fdopen(descriptor, "wb") as target:
            while data := source.read(2**20):
                block = data
                line_ends += block.count(b"\n")
                target.write(block)
        self.lines = line_ends + (block[-1:] not in (b"", b"\n"))
        return copy

    def keep_artifact(self, path: Path) -> Path:
        """A copy of a file that the validator has compiled. It is deleted with this file.

        Raises:
            OSError: it is not a regular file, it is too large, or the disk is full.
        """
        copy = self.path.with_name(self.path.name + ARTIFACT_MARK)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO would block
        with os.fdopen(os.open(path, flags), "rb") as source:
            about = os.fstat(source.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            if about.st_size > MAX_ARTIFACT_BYTES:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            self._artifact = copy
            with copy.open("xb") as target:
                shutil.copyfileobj(source, target, 2**20)
        return copy

    def check_copy(self) -> None:
        """Check that the validator has not changed its copy, and delete the copy.

        Raises:
            FileChanged: it has.
        """
        copy, self._copy = self._copy, None
        if copy is None:
            return
        try:
            changed = _digest_of(copy) != self.sha256
        except OSError:  # it is not a file any more
            changed = True
        with suppress(OSError):
            _delete(copy)
        if changed:
            raise FileChanged

    def sync(self) -> None:
        """Write the file to disk, and check that it has the bytes that were received.

        Raises:
            FileChanged: another program has changed it.
            OSError: the file may not survive a power failure.
        """
        self._fsync(self._file.fileno())
        if _digest_of(self.path) != self.sha256:
            raise FileChanged

    def store(self) -> Path:
        """Move the file to the accepted files, named by its SHA-256. Call `sync` before.

        It survives a power failure. Files with the same content are stored once.

        Raises:
            OSError: the file may not survive a power failure.
        """
        self._file.close()
        self._delete_artifact()
        stored = self.path.replace(self._accepted / self.sha256)
        _sync(self._accepted, self._fsync)
        return stored

    def discard(self) -> None:
        """Delete the file, unless it was stored. It may be called more than once."""
        self._file.close()
        self.path.unlink(missing_ok=True)
        if self._copy is not None:
            _delete(self._copy)
        self._delete_artifact()

    def _delete_artifact(self) -> None:
        if self._artifact is not None:
            self._artifact.unlink(missing_ok=True)


def _digest_of(path: Path) -> str:
    """SHA-256 of a regular file, in lower-case hex.

    Raises:
        OSError: it cannot be read, or is not a regular file.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO would block
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return file_digest(file, "sha256").hexdigest()


def _delete(path: Path) -> None:
    """Delete a file, or what a validator has put in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(folder: Path, fsync: Fsync) -> None:
    """Write the folder's entries to disk: a rename survives a power failure only after that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fsync(descriptor)
    finally:
        os.close(descriptor)
