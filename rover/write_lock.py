"""A lock for the writers of one SQLite file in this process: the log and the archive.

SQLite has one writer at a time. Others try again at intervals of up to 0.1 s, and fail after a
time-out: "database is locked". A thread that writes one transaction after another leaves them no
chance for seconds, although each transaction is short. With this lock, they wait for one at most.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Condition, Lock
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class WriteLock:
    """Held by one thread at a time. The log precedes the archive."""

    def __init__(self) -> None:
        self._turn = Condition()
        self._is_held = False
        self._preceding = 0  # number of threads that wait and precede others

    @contextmanager
    def hold(self, *, precede: bool = False) -> Iterator[None]:
        """Hold the lock for the duration of the block.

        Args:
            precede: wait only for the thread that holds it, and not for others that wait.
        """
        with self._turn:
            self._preceding += precede
            try:
                self._turn.wait_for(
                    lambda: not (self._is_held or (self._preceding and not precede))
                )
            finally:
                self._preceding -= precede
            self._is_held = True
        try:
            yield
        finally:
            with self._turn:
                self._is_held = False
                self._turn.notify_all()


_locks: WeakValueDictionary[Path, WriteLock] = WeakValueDictionary()
_locks_lock = Lock()


def write_lock_of(path: Path) -> WriteLock:
    """The lock of a file. It is the same one for all that use the file at the same time."""
    with _locks_lock:
        return _locks.setdefault(path.absolute(), WriteLock())
