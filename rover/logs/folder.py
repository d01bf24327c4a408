"""The data folder of a mission: one process uses it at a time, and others wait for their turn."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from errno import EDQUOT, EIO, ENOSPC, EROFS
from pathlib import Path
from typing import TYPE_CHECKING

from rover.errors import SettingError
from rover.schema import FILE_NAME

if TYPE_CHECKING:
    from typing import IO

FOLDER_MODE = 0o700
FILE_MODE = 0o600

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class DataFolder:
    """The lock of a data folder.

    Its file holds the id of the last run. A `mission.db` of another run was restored from a backup,
    so its newest events may be older than those that clients have.

    Args:
        path: of the folder; created if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = secrets.token_hex(8)
        self._lock_file = path / "mission.lock"
        self._lock: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Take the lock; returns whether no other process has it.

        While a folder with a mission cannot be written, the lock is one for reading, or none.

        Raises:
            SettingError: the folder is not writable.
        """
        try:
            self.path.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            lock = self._open_lock()
        except OSError as exc:
            if not (may_end(exc) and (self.path / FILE_NAME).is_file()):
                reason = f"must be a writable folder: {exc.strerror}"
                raise SettingError("ROVER_DATA_DIR", self.path, reason) from exc
            try:
                lock = self._lock_file.open("rb")
            except FileNotFoundError:
                return True  # and nobody else can create it
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True

    def keep(self) -> bool:
        """Take the lock again if its file was deleted; returns whether no other process has it.

        Raises:
            SettingError: the folder is not writable.
        """
        if self._lock is not None:
            if not self._lock.writable():
                try:
                    self._open_lock().close()
                except OSError:
                    return True  # a write fails, too
                self.release()
                return self.acquire()
            with suppress(FileNotFoundError):
                file = self._lock_file.stat()
                if os.path.samestat(file, os.fstat(self._lock.fileno())):
                    return True
            self.release()
        return self.acquire()

    def _open_lock(self) -> IO[bytes]:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        return os.fdopen(os.open(self._lock_file, flags, FILE_MODE), "a+b")

    def release(self) -> None:
        """Release the lock. The end of the process releases it too."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def last_run(self) -> str:
        """The id of the run before; empty if there was none."""
        if self._lock is None:
            return ""
        self._lock.seek(0)
        return self._lock.read(64).decode("ascii", "replace")

    def begin_run(self) -> None:
        """Store the id of this run.

        Raises:
            OSError: for example, the disk is full.
        """
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.write(self.run.encode())
            self._lock.flush()
            os.fsync(self._lock.fileno())


def may_end(error: OSError) -> bool:
    """Whether writing may succeed later, although nobody changes the settings.

    A file system becomes read-only when its disk fails, or full. But only a person changes the
    owner or the mode of a folder.
    """
    return error.errno in (EROFS, ENOSPC, EDQUOT, EIO)


def boot_id() -> str:
    """An id of the running system, which changes at each start of the machine; empty if unknown."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""
