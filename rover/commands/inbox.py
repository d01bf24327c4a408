"""Command files on disk: those that are being received or checked, and the accepted ones.

    <data_dir>/incoming/<id>       being received or checked; deleted afterwards
    <data_dir>/commands/<sha256>   accepted and complete, also after a power failure

Both folders are on one file system, so that accepting a file is one rename. All functions block.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from rover.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

    Fsync = Callable[[int], None]


FOLDER_MODE = 0o700
FILE_MODE = 0o600
"""Other users of the machine have no access. `make_private` changes existing folders."""


class Inbox:
    """The folders of command files.

    Args:
        data_dir: contains the folders; created if it does not exist.
        fsync: `os.fsync`; a test may pass another function.
    """

    def __init__(self, data_dir: Path, fsync: Fsync = os.fsync) -> None:
        self.incoming = data_dir / "incoming"
        self.accepted = data_dir / "commands"
        self._data_dir = data_dir
        self._fsync = fsync

    @contextmanager
    def open(self) -> Iterator[None]:
        """Create the folders, and delete incoming files that a crash has left.

        Several processes may share the folders: only a process that is alone deletes files.

        Raises:
            SettingError: the folder is not writable.
        """
        try:
            self._data_dir.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            self.incoming.mkdir(FOLDER_MODE, exist_ok=True)
            self.accepted.mkdir(FOLDER_MODE, exist_ok=True)
            _sync(self._data_dir, self._fsync)
            flags = os.O_WRONLY | os.O_CREAT
            lock = os.fdopen(os.open(self._data_dir / "incoming.lock", flags, FILE_MODE), "wb")
        except OSError as exc:
            reason = f"must be a writable folder: {exc.strerror}"
            raise SettingError("ROVER_DATA_DIR", self._data_dir, reason) from exc
        with lock:
            self._delete_leftovers(lock)
            yield

    def create(self, name: str) -> CommandFile:
        """A new, empty incoming file.

        Raises:
            OSError: the file cannot be created.
        """
        return CommandFile(self.incoming / name, self.accepted, self._fsync)

    def _delete_leftovers(self, lock: IO[bytes]) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # another process is receiving these files
        else:
            for leftover in self.incoming.iterdir():
                leftover.unlink()
        fcntl.flock(lock, fcntl.LOCK_SH)


class CommandFile:
    """An incoming file, hashed while it is written. End it with `store` or `discard`."""

    def __init__(self, path: Path, accepted: Path, fsync: Fsync) -> None:
        self.path = path
        self._accepted = accepted
        self._fsync = fsync
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        # with a buffer, `close` could fail: disk full
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._digest = sha256()

    @property
    def sha256(self) -> str:
        """SHA-256 of the written bytes, in lower-case hex."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append to the file. The bytes are visible to other readers of `path` afterwards.

        Raises:
            OSError: for example, the disk is full.
        """
        self._digest.update(data)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def store(self) -> Path:
        """Move the file to the accepted files, named by its SHA-256. It survives a power failure.

        Files with the same content are stored once.

        Raises:
            OSError: the file may not survive a power failure.
        """
        self._fsync(self._file.fileno())
        self._file.close()
        stored = self.path.replace(self._accepted / self.sha256)
        _sync(self._accepted, self._fsync)
        return stored

    def discard(self) -> None:
        """Delete the file, unless it was stored. It may be called more than once."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def _sync(folder: Path, fsync: Fsync) -> None:
    """Write the folder's entries to disk: a rename survives a power failure only after that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fsync(descriptor)
    finally:
        os.close(descriptor)
