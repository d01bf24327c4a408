"""Command files on disk: those on their way in, and those that were accepted.

    <data_dir>/incoming/<id>       being received and checked; gone when that ends
    <data_dir>/commands/<sha256>   accepted: whole, and there even after the power fails

Both are on one file system, so that accepting a file is one rename. Everything here blocks.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from rover.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO


class Inbox:
    """The folders that command files arrive in.

    Args:
        data_dir: made when it is not there.
    """

    def __init__(self, data_dir: Path) -> None:
        self.incoming = data_dir / "incoming"
        self.accepted = data_dir / "commands"
        self._data_dir = data_dir

    @contextmanager
    def open(self) -> Iterator[None]:
        """Make the folders ready, without what a crash left behind.

        Several processes may share them: leftovers are removed by one that finds itself alone.

        Raises:
            SettingError: the folder cannot be written to.
        """
        try:
            self.incoming.mkdir(parents=True, exist_ok=True)
            self.accepted.mkdir(exist_ok=True)
            _sync(self._data_dir)
            lock = (self._data_dir / "incoming.lock").open("wb")
        except OSError as exc:
            reason = f"command files cannot be kept there: {exc.strerror}"
            raise SettingError("ROVER_DATA_DIR", self._data_dir, reason) from exc
        with lock:
            self._sweep(lock)
            yield

    def create(self, name: str) -> CommandFile:
        """A new file, empty and on its way.

        Raises:
            OSError: it cannot be made.
        """
        return CommandFile(self.incoming / name, self.accepted)

    def _sweep(self, lock: IO[bytes]) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # what lies there is being received by another process
        else:
            for leftover in self.incoming.iterdir():
                leftover.unlink()
        fcntl.flock(lock, fcntl.LOCK_SH)


class CommandFile:
    """A file on its way in, hashed as it is written. It ends in `keep` or `discard`."""

    def __init__(self, path: Path, accepted: Path) -> None:
        self.path = path
        self._accepted = accepted
        self._file = path.open("xb", buffering=0)  # or closing it could fail, on a full disk
        self._digest = sha256()

    @property
    def sha256(self) -> str:
        """Of what was written so far, in lower-case hex."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append to the file; whoever opens `path` afterwards sees it.

        Raises:
            OSError: such as a full disk.
        """
        self._digest.update(data)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def keep(self) -> Path:
        """Have the file on disk for good, under its SHA-256; the same content twice is one file.

        Raises:
            OSError: it is not there for good.
        """
        os.fsync(self._file.fileno())
        self._file.close()
        kept = self.path.replace(self._accepted / self.sha256)
        _sync(self._accepted)
        return kept

    def discard(self) -> None:
        """Leave nothing of the file behind, unless it was kept. May be called again."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Have the folder's entries on disk: a new name is not there for good before that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
