"""The gap of a stop begins at the newest record that is stored, also after an outage."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group, fail_after, sleep

from rover.logs import Record, SqliteLog
from rover.logs.database import Database
from rover.logs.gaps import record_stop, saved_gaps
from rover.logs.sqlite import ALIVE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rover.logs.batch import Batch

pytestmark = pytest.mark.anyio

T0 = 1_790_000_000.0
RETRY_S = 0.01
RESTARTED = T0 + 10_000
KEY = "telemetry"


class Disk:
    """A disk that may be full.

    Attributes:
        is_full: whether nothing more can be written.
        hides_file: whether the file cannot even be opened for writing while the disk is full.
    """

    def __init__(self, *, is_full: bool = False, hides_file: bool = False) -> None:
        self.is_full = is_full
        self.hides_file = hides_file

    def open(self, path: Path) -> Database:
        if self.is_full and self.hides_file:
            raise full()
        return OnDisk(path, self)


class OnDisk(Database):
    def __init__(self, path: Path, disk: Disk) -> None:
        super().__init__(path)
        self._disk = disk

    def write(self, batch: Batch) -> Any:
        if self._disk.is_full:
            raise full()
        return super().write(batch)


def full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


class Clock:
    """The clock of the server, at the time of the newest record."""

    now = T0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def opened(folder: Path, disk: Disk, clock: Clock | None = None) -> AsyncIterator[SqliteLog]:
    log = SqliteLog(
        folder,
        clock=clock or Clock(),
        open_database=disk.open,
        boot=lambda: "boot 1",
        retry_s=RETRY_S,
        slow_s=30.0,
    )
    await log.open()
    try:
        async with create_task_group() as tasks:
            tasks.start_soon(log.run)
            yield log
            tasks.cancel_scope.cancel()
    finally:
        await log.close()


async def kill(log: SqliteLog, copy: Path) -> None:
    """Copy the data folder as a killed process leaves it: no thread writes meanwhile."""
    await log._transactions.writer.run(shutil.copytree, log.path.parent, copy)


def append(log: SqliteLog, clock: Clock, first: int, last: int, size: int = 10) -> None:
    if log.stream(KEY) is None:
        log.begin(KEY, "abc")
    for offset in range(first, last + 1):
        clock.now = T0 + offset
        log.append(KEY, Record(offset, clock.now, "sample", "x" * size, clock.now))


async def offsets(log: SqliteLog) -> list[int]:
    return [one.offset for one in await log.read(KEY)]


async def gaps_after_stop(log: SqliteLog) -> list[tuple[float, float]]:
    await record_stop(log, KEY, RESTARTED)
    return [(one.since - T0, one.until - T0) for one in saved_gaps(log.values())]


async def until_recording(log: SqliteLog) -> None:
    with fail_after(20):
        while not await log.sync():
            await sleep(RETRY_S)


@pytest.mark.parametrize("is_killed", [True, False])
async def test_a_gap_begins_at_the_newest_record_that_an_outage_left(
    tmp_path: Path, is_killed: bool
) -> None:
    folder, disk, clock = tmp_path / "a", Disk(), Clock()
    async with opened(folder, disk, clock) as log:
        append(log, clock, 1, 5)
        assert await log.sync()
        disk.is_full = True
        append(log, clock, 6, 12, size=2**20)  # more than the journal and its segments hold
        assert not await log.sync()
        append(log, clock, 13, 30, size=2**20)
        append(log, clock, 31, 40)  # small enough for the rest of the journal
        await sleep(2 * ALIVE_S)  # it lives, and notes nothing
        if is_killed:
            await kill(log, tmp_path / "b")
    async with opened(tmp_path / "b" if is_killed else folder, Disk()) as log:
        stored = await offsets(log)
        assert stored == [*range(1, len(stored) + 1)]
        assert 5 < len(stored) < 30
        assert await gaps_after_stop(log) == [(len(stored), RESTARTED - T0)]


@pytest.mark.parametrize("hides_file", [False, True])
async def test_a_restart_on_a_full_disk_keeps_the_journal(tmp_path: Path, hides_file: bool) -> None:
    disk, clock = Disk(), Clock()
    async with opened(tmp_path / "a", disk, clock) as log:
        append(log, clock, 1, 5)
        assert await log.sync()
        disk.is_full = True
        append(log, clock, 6, 60)
        assert not await log.sync()
        await sleep(2 * ALIVE_S)
        await kill(log, tmp_path / "b")
    disk.hides_file = hides_file
    async with opened(tmp_path / "b", disk, clock) as log:
        assert log.outage is not None
        assert await offsets(log) == [*range(1, 61)]
        newest = await log.read(KEY, newest=True, limit=2, after=3)
        assert [one.offset for one in newest] == [59, 60]
        assert [one.offset for one in await log.read(KEY, after=4, until=7)] == [5, 6, 7]
        await sleep(10 * RETRY_S)  # some attempts to write
        await kill(log, tmp_path / "c")
        assert await gaps_after_stop(log) == [(60, RESTARTED - T0)]
        append(log, clock, 61, 62)
        disk.is_full = False
        await until_recording(log)
        assert await offsets(log) == [*range(1, 63)]
        append(log, clock, 63, 64)
        assert await log.commit()  # in a journal of its own
        await kill(log, tmp_path / "d")
    async with opened(tmp_path / "c", Disk()) as log:
        assert await offsets(log) == [*range(1, 61)]
        assert (await gaps_after_stop(log))[0][0] == 60
    async with opened(tmp_path / "d", Disk()) as log:
        assert await offsets(log) == [*range(1, 65)]


async def test_lost_transactions_are_a_gap_before_the_records_of_the_journal(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with opened(tmp_path / "a", Disk(), clock) as log:
        for first in range(1, 100, 10):
            append(log, clock, first, first + 9)
            assert await log.sync()
        append(log, clock, 101, 103)
        assert await log.commit()
        await sleep(2 * ALIVE_S)
        append(log, clock, 104, 105)
        assert await log.commit()
        await kill(log, tmp_path / "b")
    path = tmp_path / "b" / "mission.db-wal"
    content = bytearray(path.read_bytes())
    content[len(content) * 6 // 10] ^= 0x5A
    path.write_bytes(content)
    async with opened(tmp_path / "b", Disk()) as log:
        stored = await offsets(log)
        before = [one for one in stored if one <= 100]
        after = [one for one in stored if one > 100]
        assert before == [*range(1, len(before) + 1)]
        assert 0 < len(before) < 100
        assert after
        expected = [(len(before), after[0]), (105, RESTARTED - T0)]
        assert await gaps_after_stop(log) == expected


async def test_a_record_that_does_not_fit_into_the_journal_ends_it(tmp_path: Path) -> None:
    """Else a killed process would leave the records before and after it, and nobody knew."""
    disk, clock = Disk(), Clock()
    async with opened(tmp_path / "a", disk, clock) as log:
        append(log, clock, 1, 1)
        assert await log.sync()
        append(log, clock, 2, 5, size=2**20)
        append(log, clock, 6, 9)
        await kill(log, tmp_path / "b")
        assert await log.sync()
        append(log, clock, 10, 11)
        assert await log.commit()
        await kill(log, tmp_path / "c")
    async with opened(tmp_path / "b", Disk()) as log:
        assert await offsets(log) == [1, 2, 3, 4]
    async with opened(tmp_path / "c", Disk()) as log:
        assert await offsets(log) == [*range(1, 12)]
