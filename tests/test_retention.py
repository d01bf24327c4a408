"""Deletion by age, also while the server's clock is wrong."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from random import Random
from time import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from anyio import create_task_group

from rover.archive.points import Points
from rover.archive.store import Store
from rover.comms import Comms
from rover.comms.records import PREFIX
from rover.logs import MemoryLog, SqliteLog
from rover.missions import RecordedMission, Snapshot, record
from rover.retention import CONFIRM_S, RetentionClock, expired_count
from rover.settings import Settings
from sources.base import Sample
from tests.test_restart import publish, running
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rover.logs.base import Log

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0
DAY_S = 86_400.0
YEAR_S = 365 * DAY_S
IN_2099 = 4_070_908_800.0


class Machine:
    """A machine whose clock may be set."""

    def __init__(self, at: float = T) -> None:
        self.at = at
        self.elapsed = 5.0

    def time(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.elapsed

    def run(self, seconds: float) -> None:
        self.at += seconds
        self.elapsed += seconds

    def clock(self, log: Log | None = None) -> RetentionClock:
        found = RetentionClock(log, self.time, self.monotonic)
        found.load()
        return found


def test_the_clock_follows_that_of_the_machine() -> None:
    machine = Machine()
    clock = machine.clock()
    assert clock.now() == T
    machine.run(100)
    assert clock.now() == T + 100
    machine.at -= YEAR_S
    assert clock.now() == T + 100 - YEAR_S


def test_a_clock_that_jumps_forward_is_believed_after_a_day() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.now()
    machine.at = IN_2099
    assert clock.now() == T
    machine.run(CONFIRM_S - 1)
    assert clock.now() == T + CONFIRM_S - 1
    machine.run(1)
    assert clock.now() == IN_2099 + CONFIRM_S


def test_a_jump_that_ends_does_not_count_towards_the_next() -> None:
    machine = Machine()
    clock = machine.clock()
    for _ in range(3):
        machine.at += YEAR_S
        clock.now()
        machine.run(CONFIRM_S * 0.6)
        clock.now()
        machine.at -= YEAR_S
        assert clock.now() == machine.at < T + 3 * DAY_S


def test_the_time_of_the_last_run_decides_after_a_restart() -> None:
    log, machine = MemoryLog(), Machine()
    log.put("retention/now", repr(T))
    machine.at = IN_2099
    clock = machine.clock(log)
    assert clock.now() == T
    log.put("retention/now", "damaged")
    assert machine.clock(log).now() == IN_2099


@pytest.mark.parametrize(
    ("times", "expired"),
    [
        ([T - 3, T - 2, T - 1, T], 3),
        ([T - 3, 5.0, 6.0, T], 1),  # the clock was not set at the second start
        ([5.0, 6.0, T - 1, T], 3),
        ([5.0, 6.0], 0),
        ([T + 1, T - YEAR_S, T - YEAR_S], 0),  # it was set back
        ([IN_2099, T - 3], 0),
        ([], 0),
    ],
)
def test_an_event_is_not_older_than_one_before_it(times: list[float], expired: int) -> None:
    assert expired_count(times, T) == expired


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    log = SqliteLog(tmp_path)
    await log.open()
    yield log
    await log.close()


def comms_of(machine: Machine, log: Log | None = None) -> Comms:
    def notify(topic: object) -> None:
        topic.release()  # type: ignore[attr-defined] # a topic

    settings = Settings(keep_comms_days=7)
    return Comms(settings, notify, machine.time, log=log, retention=machine.clock().now)


def say(comms: Comms, channel: str, *texts: str) -> None:
    with comms.join(channel, "Ana") as member:
        for text in texts:
            member.say(text)


async def kept(comms: Comms, channel: str) -> list[str | None]:
    await comms.channels.load(channel)
    with comms.join(channel, "reader") as member:
        return [frame.plain for frame in member.history()]


async def test_messages_of_open_and_closed_channels_expire(log: Log) -> None:
    machine = Machine()
    comms = comms_of(machine, log)
    say(comms, "ops", "one")
    say(comms, "closed", "one")
    machine.run(6 * DAY_S)
    say(comms, "ops", "two")
    say(comms, "half", "one")
    await log.sync()
    comms = comms_of(machine, log)  # a restart: all channels are closed
    await comms.channels.load("ops")
    machine.run(1.5 * DAY_S)
    await comms.channels.expire()
    await log.sync()
    assert await kept(comms, "ops") == ["Message: two"]
    assert log.stream(PREFIX + "closed") is None
    assert await kept(comms, "half") == ["Message: one"]
    records = await log.read(PREFIX + "ops", kinds=("message",))
    assert [one.at for one in records] == [T + 6 * DAY_S]


async def test_a_channel_that_is_opened_has_no_expired_messages(log: Log) -> None:
    machine = Machine()
    say(comms_of(machine, log), "ops", "one")
    machine.run(8 * DAY_S)
    assert await kept(comms_of(machine, log), "ops") == []


async def test_a_channel_that_is_deleted_meanwhile_stays_deleted(log: Log) -> None:
    machine = Machine()
    say(comms_of(machine, log), "ops", *"abcdef")
    machine.run(6 * DAY_S)
    comms = comms_of(machine, log)
    await comms.channels.load("ops")
    say(comms, "ops", "new")
    await log.sync()
    comms = comms_of(machine, log)
    machine.run(2 * DAY_S)

    async def delete() -> None:
        log.delete(PREFIX + "ops")

    async with create_task_group() as tasks:
        tasks.start_soon(comms.channels.expire)
        tasks.start_soon(delete)
    assert log.stream(PREFIX + "ops") is None


async def test_the_messages_of_a_recorded_mission_stay(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as (mission, _):
        say(mission.comms, "ops", "long ago")
        await mission.log.sync()
    with Snapshot(tmp_path / "data") as snapshot:
        record(snapshot, tmp_path / "drive.rover")
    log = RecordedMission(tmp_path / "drive.rover").log()
    await log.open()
    comms = comms_of(Machine(IN_2099), log)
    await comms.channels.expire()
    assert await kept(comms, "ops") == ["Message: long ago"]
    await log.close()


async def test_a_wrong_clock_deletes_no_messages(log: Log) -> None:
    machine = Machine(at=30.0)  # 1970: the machine has no battery
    comms = comms_of(machine, log)
    say(comms, "ops", "unset")
    machine.at = T
    say(comms, "ops", "right")
    machine.at = IN_2099
    await comms.channels.expire()
    say(comms, "ops", "future")
    machine.at = T - YEAR_S
    say(comms, "ops", "past")
    await comms.channels.expire()
    machine.at = T + 60
    await comms.channels.expire()
    texts = ["unset", "right", "future", "past"]
    assert await kept(comms, "ops") == [f"Message: {text}" for text in texts]


async def test_members_see_no_gap_when_messages_expire() -> None:
    machine = Machine()
    comms = comms_of(machine)
    with comms.join("ops", "Ana") as member:
        member.say("one")
        await anext(member.subscriber)
        machine.run(8 * DAY_S)
        await comms.channels.expire()
        member.say("two")
        batch = await anext(member.subscriber)
        assert [frame.plain for frame in batch.frames] == ["Message: two"]  # type: ignore[union-attr] # no gap


def points(first: float) -> Points:
    t = np.arange(100, dtype=float) + first
    return Points.of(t, np.zeros(100, bool), [0.5] * 100)


def stored_times(store: Store, name: str) -> int:
    return sum(len(piece) for piece in store.read(name, -1e12, 1e12))


def archive() -> Store:
    return Store(sqlite3.connect(":memory:", isolation_level=None))


def test_a_sample_of_2099_does_not_delete_the_archive() -> None:
    machine, store = Machine(), archive()
    clock = machine.clock()
    clock.now()
    store.add({"past": points(T)}, machine.time())
    machine.run(60)
    store.add({"past": points(IN_2099)}, machine.time())
    store.limit(1e9, clock.now() - 30 * DAY_S)
    machine.at = IN_2099
    store.add({"new": points(IN_2099)}, machine.time())
    store.limit(1e9, clock.now() - 30 * DAY_S)
    assert stored_times(store, "past") == 200


def test_chunks_of_an_unset_clock_are_deleted_by_size_only() -> None:
    store = archive()
    store.add({"unset": points(100.0)}, 100.0)
    store.limit(1e9, T)
    assert stored_times(store, "unset") == 100
    store.limit(0, T)
    assert stored_times(store, "unset") == 0


def test_the_size_limit_deletes_in_the_order_of_storing_though_the_clock_was_set_back() -> None:
    store = archive()
    for n, stored in enumerate([T, T + 1, T - YEAR_S, T - YEAR_S + 1, IN_2099, T + 2]):
        store.add({f"p{n:02}": points(T)}, stored)
    names = [row[0] for row in _deletions(store)]
    assert names == sorted(names)


def _deletions(store: Store) -> list[tuple[str]]:
    rows: list[tuple[str]] = store._db.execute(
        "SELECT name FROM chunk JOIN parameter ON parameter.id = chunk.parameter"
        " ORDER BY stored, chunk.id"
    ).fetchall()
    return rows


async def test_the_time_is_saved(log: Log) -> None:
    machine = Machine()
    async with create_task_group() as tasks:
        tasks.start_soon(machine.clock(log).run)
        await until(lambda: bool(log.values("retention/")))
        tasks.cancel_scope.cancel()
    machine.at = IN_2099
    assert machine.clock(log).now() == T


async def test_events_for_resuming_clients_leave_room_for_the_archive(tmp_path: Path) -> None:
    keep_bytes, chance = 4_000_000, Random(1)
    async with running(tmp_path, keep_bytes=keep_bytes) as (mission, device):
        for start in range(0, 8000, 500):
            samples = [
                Sample(time(), {"n": n, "text": chance.randbytes(300).hex()})
                for n in range(start, start + 500)
            ]
            await publish(mission, device, *samples)
        history = mission.telemetry.history
        await until(lambda: len(history) * 600 < keep_bytes / 8)
        mission.telemetry._recorder.drop_archived()  # type: ignore[union-attr]
        for _ in range(8):  # a transaction deletes 2,000 records
            assert await mission.log.sync()
        history.limit()
        assert pages_of(tmp_path / "mission.db") * 4096 <= keep_bytes
        kept = [n for table in history.tables(fields=["n"]) for n in table.as_columns()["n"]]
        assert kept[-3000:] == [*range(5000, 8000)]


async def test_the_file_becomes_smaller_than_its_limit_while_nothing_arrives(
    tmp_path: Path,
) -> None:
    keep_bytes, chance = 4_000_000, Random(1)
    async with running(tmp_path, keep_bytes=keep_bytes) as (mission, device):
        for start in range(0, 12_000, 500):
            texts = [chance.randbytes(500).hex() for _ in range(500)]
            sent = [Sample(time(), {"n": start + n, "text": text}) for n, text in enumerate(texts)]
            await publish(mission, device, *sent)
        path = tmp_path / "mission.db"
        await until(lambda: path.stat().st_size > keep_bytes)
        await until(lambda: path.stat().st_size <= keep_bytes, 30)
        history = mission.telemetry.history
        kept = [n for table in history.tables(fields=["n"]) for n in table.as_columns()["n"]]
        assert kept == [*range(kept[0], 12_000)]
        assert len(kept) * 500 > keep_bytes / 4


@pytest.mark.parametrize("mode", ["INCREMENTAL", "NONE"])
def test_the_pages_of_deleted_records_are_returned(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "mission.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA auto_vacuum = {mode}")
        store = Store(db)
        store.add({"p": points(T)}, T)
        db.execute("CREATE TABLE records (data)")
        db.executemany("INSERT INTO records VALUES (zeroblob(10000))", [()] * 200)
        size = path.stat().st_size
        assert store.limit(3e6, 0.0)
        db.execute("DELETE FROM records")
        assert store.limit(3e6, 0.0)
        assert path.stat().st_size == size
        assert store.limit(1.1e6, 0.0)
        assert (path.stat().st_size <= 1.1e6) == (mode == "INCREMENTAL")
        assert stored_times(store, "p") == 100


def pages_of(path: Path) -> int:
    query = "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count"
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute(query).fetchone()[0])
