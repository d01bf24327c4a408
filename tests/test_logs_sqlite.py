"""The log in a file: what survives, and what happens when the disk fails."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, closing
from math import inf
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest
from anyio import create_task_group, fail_after, sleep

from rover.errors import SettingError
from rover.logs import Record, SqliteLog
from rover.logs.batch import Batch
from rover.logs.codec import CHECKSUM, HEAD, encode
from rover.logs.database import MAX_DELETED, Database
from rover.logs.folder import DataFolder
from rover.logs.gaps import record_stop, saved_gaps
from rover.logs.journal import HEADER_BYTES, MAGIC_2, USED, USED_AT, Found, read_journal
from rover.logs.sqlite import ALIVE_S
from rover.schema import MAX_OFFSET, MIGRATIONS
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


pytestmark = pytest.mark.anyio

T0 = 1_790_000_000.0
RETRY_S = 0.01


def record(offset: int, data: str = '{"speed":1.5}', kind: str = "sample") -> Record:
    return Record(offset, T0 + offset, kind, data, T0 + offset)


def sqlite_log(folder: Path, **options: Any) -> SqliteLog:
    return SqliteLog(folder, **{"retry_s": RETRY_S, "boot": lambda: "boot 1", **options})


@asynccontextmanager
async def opened(folder: Path, **options: Any) -> AsyncIterator[SqliteLog]:
    log = sqlite_log(folder, **options)
    await log.open()
    try:
        async with create_task_group() as tasks:
            tasks.start_soon(log.run)
            yield log
            tasks.cancel_scope.cancel()
    finally:
        await log.close()


async def recorded(log: SqliteLog, first: int, last: int) -> None:
    if log.stream("telemetry") is None:
        log.begin("telemetry", "abc")
    for offset in range(first, last + 1):
        log.append("telemetry", record(offset))
    assert await log.commit()


async def offsets(log: SqliteLog) -> list[int]:
    return [one.offset for one in await log.read("telemetry")]


async def until_recording(log: SqliteLog) -> None:
    with fail_after(5):
        while not await log.sync():
            await sleep(RETRY_S)


def epochs(log: SqliteLog) -> list[tuple[str, int]]:
    stream = log.stream("telemetry")
    assert stream is not None
    return stream.epochs


def databases(folder: Path) -> list[str]:
    return [file.name for file in folder.glob("*.db*")]


def delete(folder: Path) -> None:
    for name in databases(folder):
        (folder / name).unlink()


def crash(folder: Path, copy: Path) -> Path:
    """A copy of the data folder, as a killed process would have left it."""
    shutil.copytree(folder, copy)
    return copy


async def test_everything_is_there_after_a_clean_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await recorded(log, 1, 5)
        log.put("alarm/1", "red")
    async with opened(tmp_path, boot=lambda: "boot 2") as log:
        assert epochs(log) == [("abc", 1)]
        assert log.keeps_epoch("telemetry")
        assert log.values() == {"alarm/1": "red"}
        assert await offsets(log) == [1, 2, 3, 4, 5]


async def test_the_epoch_goes_on_after_the_process_was_killed(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as log:
        await recorded(log, 1, 5)
        log.append("telemetry", record(6))
        assert await log.commit()
        copy = crash(tmp_path / "a", tmp_path / "b")
    async with opened(copy) as log:
        assert epochs(log) == [("abc", 1)]
        assert await offsets(log) == [1, 2, 3, 4, 5, 6]
        (stream,) = log.streams()
        assert stream.last == 6


async def test_a_sync_covers_what_is_appended_until_it_begins(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await recorded(log, 1, 1)
        syncs = [asyncio.create_task(log.sync()) for _ in range(3)]
        assert await log.sync(lambda: log.append("telemetry", record(2)))
        with closing(sqlite3.connect(tmp_path / "mission.db")) as file:
            (last,) = file.execute("SELECT max(id) FROM records").fetchone()
        assert last & MAX_OFFSET == 2
        assert all(await asyncio.gather(*syncs))


class Durable(Database):
    """A disk that knows what survives a power cut, and may hang or fail."""

    def __init__(self, path: Path) -> None:
        self.written = self.durable = 0
        self.fails = False
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.syncs = threading.Event()
        super().__init__(path)

    def write(self, batch: Batch) -> Any:
        unfinished = super().write(batch)
        self.written = max([self.written, *(pack.last & MAX_OFFSET for pack in batch.packs)])
        return unfinished

    def sync(self) -> None:
        written = self.written
        self.syncs.set()
        self.goes_on.wait(50)
        if self.fails:
            raise OSError(5, "Input/output error")
        super().sync()
        self.durable = written


IN_THE_SAME_THREAD, IN_A_THREAD_OF_ITS_OWN = inf, 0.0


@pytest.mark.parametrize("fast_s", [IN_THE_SAME_THREAD, IN_A_THREAD_OF_ITS_OWN])
async def test_what_is_synced_survives_a_power_cut(tmp_path: Path, fast_s: float) -> None:
    async with opened(tmp_path, open_database=Durable, fast_s=fast_s) as log:
        database = log._file.database
        assert isinstance(database, Durable)
        log.begin("comms/flight", "abc")
        offset = 0

        async def speak() -> None:
            nonlocal offset
            for _ in range(5):
                offset = mine = offset + 1
                log.append("comms/flight", record(mine, kind="message"))
                assert await log.sync()
                assert database.durable >= mine

        async with create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(speak)
        assert offset == 50


async def test_a_slow_fsync_delays_no_transaction(tmp_path: Path) -> None:
    options = {"open_database": Durable, "fast_s": IN_A_THREAD_OF_ITS_OWN}
    async with opened(tmp_path, **options) as log:
        database = log._file.database
        assert isinstance(database, Durable)
        await recorded(log, 1, 1)
        assert await log.sync()
        database.goes_on.clear()
        database.syncs.clear()
        log.append("telemetry", record(2))
        syncing = asyncio.create_task(log.sync())
        await until(database.syncs.is_set)
        log.put("alarm/1", "red")
        assert await log.commit()
        assert not syncing.done()
        database.goes_on.set()
        assert await syncing


@pytest.mark.parametrize("fast_s", [IN_THE_SAME_THREAD, IN_A_THREAD_OF_ITS_OWN])
async def test_a_failed_fsync_is_an_outage(tmp_path: Path, fast_s: float) -> None:
    async with opened(tmp_path, open_database=Durable, fast_s=fast_s) as log:
        database = log._file.database
        assert isinstance(database, Durable)
        await recorded(log, 1, 1)
        assert await log.sync()
        database.fails = True
        log.append("telemetry", record(2))
        assert not await log.sync()
        log.append("telemetry", record(3))
        database.fails = False
        await until_recording(log)
        assert database.durable == 3
        assert await offsets(log) == [1, 2, 3]
    with closing(sqlite3.connect(tmp_path / "mission.db")) as file:
        (size,) = file.execute("SELECT sum(length(data)) FROM records").fetchone()
    assert size == sum(len(encode((n, 0.0, 0.0, "sample", record(n).data))) for n in (1, 2, 3))


async def test_trims_and_values_are_stored_while_nothing_is_committed(tmp_path: Path) -> None:
    async with opened(tmp_path, retry_s=0.01) as log, create_task_group() as tasks:
        tasks.start_soon(log.run)
        await recorded(log, 1, 3 * MAX_DELETED)
        assert await log.sync()
        log.trim("telemetry", 3 * MAX_DELETED)
        log.put("alarm/1", "red")
        with closing(sqlite3.connect(tmp_path / "mission.db")) as file:
            count = "SELECT count(*) FROM records"
            await until(lambda: file.execute(count).fetchone()[0] <= 1)
            assert file.execute("SELECT count(*) FROM items").fetchone() == (1,)
        tasks.cancel_scope.cancel()


async def test_records_of_both_segments_of_the_journal_are_stored(tmp_path: Path) -> None:
    gate = threading.Event()
    gate.set()
    async with opened(tmp_path / "a", open_database=lambda path: Gated(path, gate)) as log:
        await recorded(log, 1, 2)
        await recorded(log, 3, 4)
        gate.clear()
        writing = log._transactions.join()
        await until(lambda: not log._pending)
        await recorded(log, 5, 6)  # in the first segment, as 3 and 4 are in the second one
        copy = crash(tmp_path / "a", tmp_path / "b")
        gate.set()
        await writing
    async with opened(copy) as log:
        assert epochs(log) == [("abc", 1)]
        assert await offsets(log) == [1, 2, 3, 4, 5, 6]
        (stream,) = log.streams()
        assert stream.last == 6


async def test_records_that_exceed_the_journal_are_committed_by_a_transaction(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "a") as log:
        await recorded(log, 1, 1)
        for offset in range(2, 8):
            log.append("telemetry", record(offset, "x" * 2**20))
            assert await log.commit()
        copy = crash(tmp_path / "a", tmp_path / "b")
    async with opened(copy) as log:
        assert await offsets(log) == [1, 2, 3, 4, 5, 6, 7]


async def test_a_log_without_a_journal_records_by_transactions(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as log:
        await recorded(log, 1, 3)
    (tmp_path / "a" / "mission.journal").unlink()
    (tmp_path / "a" / "mission.journal").mkdir()
    async with opened(tmp_path / "a") as log:
        await recorded(log, 4, 5)
        assert log.set_aside is None
        copy = crash(tmp_path / "a", tmp_path / "b")
    async with opened(copy) as log:
        assert epochs(log) == [("abc", 1)]
        assert await offsets(log) == [1, 2, 3, 4, 5]


async def test_a_start_that_cannot_be_noted_keeps_the_file(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await recorded(log, 1, 3)
    log = sqlite_log(tmp_path)

    def full() -> None:
        raise OSError(28, "No space left on device")

    begin_run = log._file.folder.begin_run
    log._file.folder.begin_run = full  # type: ignore[method-assign]
    await log.open()
    assert log.outage is not None
    log._file.folder.begin_run = begin_run  # type: ignore[method-assign]
    log.append("telemetry", record(4))
    await log._transactions.join()
    assert log.set_aside is None
    assert await offsets(log) == [1, 2, 3, 4]
    await log.close()


async def test_without_the_journal_of_a_killed_process_an_epoch_begins(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as log:
        await recorded(log, 1, 5)
        copy = crash(tmp_path / "a", tmp_path / "b")
    (copy / "mission.journal").unlink()
    async with opened(copy) as log:
        assert [first for _, first in epochs(log)] == [1, 6]


async def test_a_power_cut_begins_an_epoch_after_what_is_left(tmp_path: Path) -> None:
    async with opened(tmp_path / "a") as log:
        await recorded(log, 1, 5)
        copy = crash(tmp_path / "a", tmp_path / "b")
    async with opened(copy, boot=lambda: "boot 2") as log:
        (old, new) = epochs(log)
        assert old == ("abc", 1)
        assert new[1] == 6
        assert not log.keeps_epoch("telemetry")
        assert await log.commit()
        assert log.keeps_epoch("telemetry")


async def test_a_restored_backup_begins_an_epoch(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await recorded(log, 1, 5)
    shutil.copy(tmp_path / "mission.db", tmp_path / "backup.db")
    async with opened(tmp_path) as log:
        await recorded(log, 6, 9)
    shutil.copy(tmp_path / "backup.db", tmp_path / "mission.db")
    async with opened(tmp_path) as log:
        assert [first for _, first in epochs(log)] == [1, 6]


async def test_a_full_disk_is_an_outage_that_ends_by_itself(tmp_path: Path) -> None:
    limits: list[Database] = []

    def limited(path: Path) -> Database:
        limits.append(Database(path, max_pages=24))
        return limits[-1]

    async with opened(tmp_path, open_database=limited) as log:
        await recorded(log, 1, 5)
        for offset in range(6, 206):
            log.append("telemetry", record(offset, "x" * 1000))
        assert await log.commit()  # the journal has them
        assert not await log.sync()
        assert log.outage is not None
        assert "full" in log.outage.reason
        log.begin("telemetry", "def", 6)
        log.append("telemetry", record(206))
        assert not log.keeps_epoch("telemetry")
        limits[0]._connection.execute("PRAGMA max_page_count = 100000")
        await until_recording(log)
        assert log.as_json()["recording"]
        assert log.keeps_epoch("telemetry")
        assert await offsets(log) == list(range(1, 207))
    async with opened(tmp_path) as log:
        assert epochs(log) == [("abc", 1), ("def", 6)]


async def test_a_long_outage_leaves_a_hole_that_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    gate.set()
    log = sqlite_log(
        tmp_path,
        open_database=lambda path: Gated(path, gate),
        slow_s=0.02,
        clock=lambda: record(6).at,
    )
    await log.open()
    async with create_task_group() as tasks:
        tasks.start_soon(log.run)
        await recorded(log, 1, 5)
        gate.clear()
        log.append("telemetry", record(6))
        assert not await log.sync()
        for offset in range(7, 40):
            log.append("telemetry", record(offset, "x" * 2**20))
        lost = log.as_json()["lost"]
        assert 0 < lost < 33
        assert log.outage is not None
        reason = log.outage.reason
        gate.set()
        await until_recording(log)
        kept = [1, 2, 3, 4, 5, 6, *range(7 + lost, 40)]
        assert await offsets(log) == kept
        assert saved_gaps(log.values()) == [(record(6).at, record(6 + lost).at, reason)]
        tasks.cancel_scope.cancel()
    await log.close()
    with sqlite3.connect(tmp_path / "mission.db") as connection:
        (hole,) = connection.execute("SELECT first, last, since FROM holes")
    connection.close()
    assert hole == (7, 6 + lost, T0 + 7)


class Gated(Database):
    """A disk that hangs while a gate is closed."""

    def __init__(self, path: Path, gate: threading.Event) -> None:
        super().__init__(path)
        self._gate = gate

    def write(self, batch: Batch) -> Any:
        self._gate.wait(50)
        return super().write(batch)


async def test_a_hanging_disk_delays_no_commit_and_no_end(tmp_path: Path) -> None:
    gate = threading.Event()
    log = sqlite_log(
        tmp_path,
        open_database=lambda path: Gated(path, gate),
        slow_s=0.02,
        close_timeout_s=0.02,
    )
    with fail_after(20):
        await log.open()
        log.begin("telemetry", "abc")
        log.append("telemetry", record(1))
        assert not await log.commit()
        assert not await log.commit()
        await log.close()
    gate.set()
    next_one = sqlite_log(tmp_path)
    await next_one.open()  # as soon as the disk has finished
    assert await offsets(next_one) == [1]
    await next_one.close()


async def test_a_stopped_process_goes_on_without_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    gate.set()
    options = {"open_database": lambda path: Gated(path, gate), "slow_s": 8.0}
    async with opened(tmp_path, **options) as log:
        gate.clear()
        log.begin("telemetry", "abc")
        commit = asyncio.create_task(log.commit())
        await until(lambda: log._transactions._writes.running is not None)
        loop = asyncio.get_running_loop()
        before_stop = loop.time
        monkeypatch.setattr(loop, "time", lambda: before_stop() + 30)  # as after SIGSTOP
        await sleep(0.001)
        gate.set()
        assert await commit
        assert log.outage is None


@pytest.mark.parametrize("is_killed", [False, True])
async def test_a_gap_begins_when_the_last_run_was_alive(tmp_path: Path, is_killed: bool) -> None:
    now = T0
    async with opened(tmp_path / "a", clock=lambda: now) as log:
        await recorded(log, 1, 1)
        await log.sync()
        now += 3600
        await sleep(2 * ALIVE_S)
        killed = crash(tmp_path / "a", tmp_path / "b")
    async with opened(killed if is_killed else tmp_path / "a") as log:
        await record_stop(log, "telemetry", now + 1)
        assert [(one.since, one.until) for one in saved_gaps(log.values())] == [(now, now + 1)]


async def test_a_replaced_folder_has_one_active_process(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with opened(folder) as log:
        await recorded(log, 1, 3)
        shutil.rmtree(folder)
        other = DataFolder(folder)
        assert other.acquire()
        log.append("telemetry", record(4))
        await log.sync()
        await until(lambda: log.outage is not None)
        await sleep(5 * RETRY_S)
        assert log.outage is not None
        other.release()
        await until_recording(log)
        assert not other.acquire()


async def test_a_write_after_the_end_does_not_take_the_folder_again(tmp_path: Path) -> None:
    log = sqlite_log(tmp_path)
    await log.open()
    await recorded(log, 1, 3)
    await log.close()
    with pytest.raises(OSError, match="closed"):
        log._file.write(Batch(), log._pending.index, log._pending.ids)
    async with opened(tmp_path) as another:  # it need not wait
        assert await offsets(another) == [1, 2, 3]


async def test_a_deleted_file_is_made_again_and_ids_are_not_reused(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await recorded(log, 1, 5)
        log.put("alarm/1", "red")
        assert await log.commit()
        delete(tmp_path)
        log.append("telemetry", record(6))
        assert not await log.sync()
        await until_recording(log)
        assert await offsets(log) == [6]
        [gap] = saved_gaps(log.values())
        assert "deleted" in gap.reason
        quiet = crash(tmp_path, tmp_path / "copy")
    async with opened(quiet) as log:
        assert epochs(log) == [("abc", 1)]
        assert dict(log.values()).pop("alarm/1") == "red"
        assert saved_gaps(log.values()) == [gap]


async def test_quiet_streams_keep_their_last_offset_in_a_file_that_is_made_again(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as log:
        await recorded(log, 1, 5)
        (tmp_path / "mission.db").unlink()
        log.begin("other", "def")
        log.append("other", record(1))
        assert not await log.commit()
        await until_recording(log)
    async with opened(tmp_path) as log:
        stream = log.stream("telemetry")
        assert stream is not None
        assert stream.last == 5


@pytest.mark.parametrize("seed", range(16))
async def test_flipped_bytes_never_keep_the_log_from_recording(tmp_path: Path, seed: int) -> None:
    async with opened(tmp_path) as log:
        await recorded(log, 1, 300)
        log.put("alarm/1", "red")
    file = tmp_path / "mission.db"
    content = bytearray(file.read_bytes())
    dice = random.Random(seed)
    for _ in range(1 if seed % 2 else 400):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    file.write_bytes(content)
    async with opened(tmp_path) as log:
        if log.stream("telemetry") is None:
            log.begin("telemetry", "new")
        await until_recording(log)
        stream = log.stream("telemetry")
        assert stream is not None
        log.append("telemetry", record(stream.last + 1))
        await log.commit()
        await until_recording(log)
        if log.set_aside is not None:
            assert log.set_aside.read_bytes() == content


async def test_a_file_of_another_program_is_set_aside(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mission.db") as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    async with opened(tmp_path) as log:
        await recorded(log, 1, 2)
        assert log.set_aside is not None
        with sqlite3.connect(log.set_aside) as connection:
            assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("mine",)]
        connection.close()


def truncate(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share))


def flip(path: Path, share: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 0x5A
    path.write_bytes(content)


def remove(path: Path, _: float) -> None:
    path.unlink()


@pytest.mark.parametrize("harm", [truncate, flip, remove])
async def test_a_write_ahead_log_that_lost_transactions_begins_an_epoch(
    tmp_path: Path, harm: Callable[[Path, float], None]
) -> None:
    async with opened(tmp_path / "a") as log:
        for first in range(1, 100, 10):
            await recorded(log, first, first + 9)
            assert await log.sync()
        copy = crash(tmp_path / "a", tmp_path / "b")
    harm(copy / "mission.db-wal", 0.6)
    async with opened(copy) as log:
        stream = log.stream("telemetry")
        if stream is not None:  # else all is lost, and the epoch with it
            assert stream.last < 100
            assert [epoch for epoch, _ in stream.epochs] != ["abc"]
            assert stream.epochs[-1][1] == stream.last + 1


@pytest.mark.parametrize("place", ["text", "length", "used"])
@pytest.mark.parametrize("harm", [lambda byte: byte ^ 1, lambda _: 0], ids=["flip", "zero"])
async def test_a_damaged_journal_begins_an_epoch_after_the_readable_records(
    tmp_path: Path, place: str, harm: Callable[[int], int], caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path / "a") as log:
        await recorded(log, 1, 1)
        assert await log.sync()
        for offset in range(2, 12):
            log.append("telemetry", record(offset, f'{{"n":"number {offset}"}}'))
        assert await log.commit()
        copy = crash(tmp_path / "a", tmp_path / "b")
    path = copy / "mission.journal"
    content = bytearray(path.read_bytes())
    text = content.index(b"number 8")
    lengths = text - len('{"n":"') - len("sample") - CHECKSUM.size - 5
    used = next(at for at in (USED_AT, USED_AT + USED.size) if content[at : at + 4] != bytes(4))
    at = {"text": text, "length": lengths, "used": used}[place]
    content[at] = harm(content[at])
    path.write_bytes(content)
    async with opened(copy) as log:
        last = 1 if place == "used" else 7
        assert await offsets(log) == [*range(1, last + 1)]
        assert [first for _, first in epochs(log)] == [1, last + 1]
    assert "ERROR" in [one.levelname for one in caplog.records]


def test_a_journal_of_version_2_is_read(tmp_path: Path) -> None:
    path, run, row = tmp_path / "mission.journal", b"0123456789abcdef", (7, T0, T0, "sample", "{}")
    head, text = encode(row)[: HEAD.size], b"sample{}"
    record = head + CHECKSUM.pack(crc32(text, crc32(head, crc32(run)))) + text
    used = USED.pack(len(record), crc32(CHECKSUM.pack(len(record)), crc32(run)))
    header = MAGIC_2 + run + used + USED.pack(0, crc32(bytes(4), crc32(run)))
    path.write_bytes(header.ljust(HEADER_BYTES, b"\0") + record)
    assert read_journal(path, [run.decode()]) == Found([row], is_complete=True)


async def test_a_file_of_a_newer_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "mission.db") as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(SettingError):
        await sqlite_log(tmp_path).open()
    assert databases(tmp_path) == ["mission.db"]


async def test_a_mission_starts_on_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await recorded(log, 1, 5)

    attempts: list[Path] = []

    def refuse(path: Path) -> Database:
        attempts.append(path)
        if len(attempts) < 3:
            raise sqlite3.OperationalError("disk I/O error")
        return Database(path)

    async with opened(tmp_path, open_database=damaged_unless_coded(refuse)) as log:
        assert log.outage is not None
        assert epochs(log) == [("abc", 1)]
        log.begin("telemetry", "def", 6)
        log.append("telemetry", record(6))
        assert not await log.sync()
        await until_recording(log)
        assert await offsets(log) == [1, 2, 3, 4, 5, 6]
        assert log.set_aside is None


def damaged_unless_coded(open_database: Any) -> Any:
    def coded(path: Path) -> Database:
        try:
            database: Database = open_database(path)
        except sqlite3.OperationalError as exc:
            exc.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise
        return database

    return coded


async def test_a_file_that_appears_during_an_outage_is_set_aside(tmp_path: Path) -> None:
    other = tmp_path / "other"
    async with opened(other) as log:
        await recorded(log, 1, 9)
    async with opened(tmp_path / "mine") as log:
        await recorded(log, 1, 5)
        delete(tmp_path / "mine")
        shutil.copy(other / "mission.db", tmp_path / "mine")
        log.append("telemetry", record(6))
        assert not await log.sync()
        await until_recording(log)
        assert await offsets(log) == [6]
        assert log.set_aside is not None


async def test_a_second_process_waits_and_takes_over(tmp_path: Path) -> None:
    program = (
        "import anyio, sys; from pathlib import Path; from rover.logs import SqliteLog, Record\n"
        "async def main():\n"
        "    log = SqliteLog(Path(sys.argv[1])); await log.open(); log.begin('telemetry', 'abc')\n"
        "    log.append('telemetry', Record(1, 1.79e9, 'sample', '{}'))\n"
        "    print(await log.commit(), flush=True); await anyio.sleep(60)\n"
        "anyio.run(main)\n"
    )
    first = subprocess.Popen(  # noqa: ASYNC220 # killed at once
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    try:
        assert first.stdout.readline() == "True\n"
        log = sqlite_log(tmp_path, boot=lambda: "")
        async with create_task_group() as tasks:
            tasks.start_soon(log.open)
            await sleep(0.1)
            assert log.stream("telemetry") is None  # it waits
            first.kill()
        assert await offsets(log) == [1]
        await log.close()
    finally:
        first.kill()
        first.wait()
        first.stdout.close()


async def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingError):
        await sqlite_log(tmp_path / "file" / "folder").open()


async def test_a_checkpoint_bounds_the_write_ahead_log(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        log.begin("telemetry", "abc")
        for offset in range(1, 60):
            log.append("telemetry", record(offset, "x" * 2**20))
            assert await log.commit()
        with fail_after(5):
            while (tmp_path / "mission.db").stat().st_size < 50 * 2**20:
                await sleep(RETRY_S)
        size = (tmp_path / "mission.db-wal").stat().st_size
        log.append("telemetry", record(60))
        assert await log.commit()
        assert (tmp_path / "mission.db-wal").stat().st_size <= size
        assert (tmp_path / "mission.db").stat().st_mode & 0o077 == 0
