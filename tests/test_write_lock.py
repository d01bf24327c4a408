"""One writer of a file at a time, and the log before the archive."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

from rover.logs.batch import Batch
from rover.logs.database import Database
from rover.telemetry.history import History
from rover.write_lock import WriteLock, write_lock_of
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ATTEMPT_S = 0.05
"""Seconds after which a thread that still waits is taken to wait for the lock."""


def started(call: Callable[[], object]) -> Thread:
    thread = Thread(target=call, daemon=True)
    thread.start()
    return thread


def test_a_thread_that_precedes_others_gets_the_lock_before_those_that_wait_longer() -> None:
    lock, order = WriteLock(), []
    waits = Event()

    def archive() -> None:
        waits.set()
        with lock.hold():
            order.append("archive")

    def log() -> None:
        with lock.hold(precede=True):
            order.append("log")

    with lock.hold():
        threads = [started(archive)]
        assert waits.wait(5)
        threads.append(started(log))
        while not lock._preceding:  # the thread has no event for it
            threads[1].join(0.001)
        assert order == []
    for thread in threads:
        thread.join(5)
    assert order == ["log", "archive"]


def test_the_log_and_the_archive_of_a_file_write_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "mission.db"
    database, history = Database(path), History(path=path)
    history.add(Sample(1.79e9, {"speed": 1.0}), offset=1)
    for write in (history.archive, lambda: database.write(Batch())):
        with write_lock_of(path).hold():
            thread = started(write)
            thread.join(ATTEMPT_S)
            assert thread.is_alive()
        thread.join(5)
        assert not thread.is_alive()
    assert history.archived == 1
    history.close()
    database.close()


def test_an_error_releases_the_lock(tmp_path: Path) -> None:
    lock = write_lock_of(tmp_path / "mission.db")
    for _ in range(2):
        try:
            with lock.hold():
                raise OSError
        except OSError:
            pass
