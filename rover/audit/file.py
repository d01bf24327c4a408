"""The files of the audit log: `audit.jsonl`, and rotated ones. All functions block."""

from __future__ import annotations

import fcntl
import os
import stat
from errno import EINVAL, ENOSPC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[int, bytes], int]

NAME = "audit.jsonl"
FILE_MODE = 0o600


class AuditFile:
    """Appends lines to `audit.jsonl`. Several processes may append at the same time.

    A full file is renamed to `audit.jsonl.1`, an older one to `audit.jsonl.2`, and so on. The
    oldest is deleted.

    Args:
        folder: of the files; it must exist when lines are appended.
        max_bytes: size limit of a file.
        max_files: maximum number of files, at least 1.
        write: `os.write`; a test may pass another function.

    Attributes:
        path: of the file that is appended to.
    """

    def __init__(
        self, folder: Path, max_bytes: int, max_files: int, *, write: Write = os.write
    ) -> None:
        self.path = folder / NAME
        self._lock = folder / "audit.lock"
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._write = write

    def append(self, lines: bytes) -> None:
        """Append complete lines: either all or none.

        Each call opens the file again, so that it may be deleted or replaced at any time.

        Args:
            lines: one or more, each with a line end. They are not distributed over two files.

        Raises:
            OSError: for example, the disk is full, or the folder was deleted.
        """
        lock = _open(self._lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
            if self._size() + len(lines) > self._max_bytes:
                self._rotate()
            self._append(lines)
        finally:
            os.close(lock)

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def _rotate(self) -> None:
        older = [self.path.with_name(f"{NAME}.{n}") for n in range(1, self._max_files)]
        paths = [self.path, *older]
        paths[-1].unlink(missing_ok=True)
        for newer, path in zip(paths[-2::-1], paths[:0:-1], strict=True):
            if newer.exists():
                newer.replace(path)

    def _append(self, lines: bytes) -> None:
        file = _open(self.path)
        try:
            end = os.fstat(file).st_size
            if end and os.pread(file, 1, end - 1) != b"\n":  # a crash left a part of a line
                lines = b"\n" + lines
            try:
                if self._write(file, lines) != len(lines):
                    raise OSError(ENOSPC, os.strerror(ENOSPC))  # the rest did not fit
            except OSError:
                os.ftruncate(file, end)
                raise
        finally:
            os.close(file)


def _open(path: Path) -> int:
    """A file to append to and to read; created if it does not exist.

    Raises:
        OSError: it cannot be opened, or it is not a regular file.
    """
    # O_NONBLOCK: opening a named pipe would wait for its reader
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(path, flags, FILE_MODE)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(EINVAL, "not a regular file")
    return file
