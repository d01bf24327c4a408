"""The contract of logs, over each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
from anyio import create_task_group

from rover.logs import Log, MemoryLog, Record, SqliteLog
from rover.logs.runs import Run, runs_of
from rover.logs.search import newest_before, range_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

T0 = 1_790_000_000.0

Opened = Callable[[], Awaitable[Log]]


@asynccontextmanager
async def running(log: Log) -> AsyncIterator[Log]:
    await log.open()
    async with create_task_group() as tasks:
        tasks.start_soon(log.run)
        yield log
        tasks.cancel_scope.cancel()
    await log.close()


@pytest.fixture(params=["memory", "sqlite"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Log]:
    async with AsyncExitStack() as stack:
        made = MemoryLog() if request.param == "memory" else SqliteLog(tmp_path)
        yield await stack.enter_async_context(running(made))


def record(offset: int, kind: str = "sample", data: str = '{"speed":1.5}') -> Record:
    return Record(offset, T0 + offset, kind, data, T0 + offset - 0.25)


async def append(log: Log, key: str, *records: Record) -> None:
    if log.stream(key) is None:
        log.begin(key, "abc")
    for one in records:
        log.append(key, one)
    assert await log.commit()


async def test_records_are_read_as_they_were_appended(log: Log) -> None:
    exact = Record(1, T0 + 1 / 3, "sample", '{"name":"Žižka 🚀"}', T0 + 2.4e-7)
    untimed = Record(2, T0 + 0.5, "state", "{}")
    await append(log, "telemetry", exact, untimed)
    assert await log.read("telemetry") == [exact, untimed]


async def test_a_part_of_a_stream_is_read_by_position_kind_number_and_size(log: Log) -> None:
    records = [record(n, "alarm" if n % 3 == 0 else "sample") for n in range(1, 10)]
    await append(log, "telemetry", *records)
    await append(log, "other", record(5))

    async def offsets(**options: object) -> list[int]:
        return [one.offset for one in await log.read("telemetry", **options)]  # type: ignore[arg-type]

    assert await offsets(after=3, until=6) == [4, 5, 6]
    assert await offsets(kinds=("alarm",)) == [3, 6, 9]
    assert await offsets(kinds=("alarm", "sample"), after=7) == [8, 9]
    assert await offsets(limit=2) == [1, 2]
    assert await offsets(limit=2, newest=True) == [8, 9]
    assert await offsets(kinds=("alarm",), limit=1, newest=True) == [9]
    assert await offsets(newest=True, max_bytes=2 * len(records[0].data)) == [8, 9]
    assert await offsets(max_bytes=1) == [1]
    assert await log.read("unknown") == []


async def test_offsets_may_have_holes(log: Log) -> None:
    await append(log, "telemetry", record(1), record(7))
    assert [one.offset for one in await log.read("telemetry", after=1)] == [7]
    stream = log.stream("telemetry")
    assert stream is not None
    assert stream.last == 7


async def test_streams_are_listed_with_their_epochs(log: Log) -> None:
    await append(log, "comms/ops", record(1))
    await append(log, "telemetry", record(1), record(2))
    log.begin("telemetry", "def", 3)
    assert await log.commit()
    assert [stream.key for stream in log.streams()] == ["comms/ops", "telemetry"]
    (stream,) = log.streams("tele")
    assert stream.epochs == [("abc", 1), ("def", 3)]
    assert stream.last == 2
    assert log.keeps_epoch("telemetry")
    assert log.stream("comms") is None


async def test_a_trim_keeps_the_newest_record_and_other_kinds(log: Log) -> None:
    await append(log, "ops", *(record(n, "join" if n % 2 else "message") for n in range(1, 9)))
    log.trim("ops", 6, ("join",))
    assert await log.commit()
    assert [one.offset for one in await log.read("ops")] == [2, 4, 6, 7, 8]
    log.trim("ops", 100)
    assert await log.commit()
    assert [one.offset for one in await log.read("ops")] == [8]


async def test_a_deleted_stream_may_begin_again(log: Log) -> None:
    await append(log, "ops", record(1), record(2))
    log.append("ops", record(3))
    log.delete("ops")
    assert log.stream("ops") is None
    log.begin("ops", "new")
    log.append("ops", record(1, data='{"again":1}'))
    assert await log.commit()
    assert [one.data for one in await log.read("ops")] == ['{"again":1}']
    log.delete("ops")
    log.delete("never began")
    assert await log.commit()
    assert await log.read("ops") == []


async def test_values_are_replaced_and_deleted(log: Log) -> None:
    log.put("alarm/1", "a")
    log.put("alarm/2", "b")
    log.put("latest", "c")
    log.put("alarm/1", "d")
    assert log.values("alarm/") == {"alarm/1": "d", "alarm/2": "b"}
    log.put("alarm/2", None)
    log.put("never set", None)
    assert await log.commit()
    assert log.values() == {"alarm/1": "d", "latest": "c"}


async def test_a_log_without_trouble_says_so(log: Log) -> None:
    await append(log, "telemetry", record(1))
    assert await log.sync()
    assert await log.commit()
    assert log.outage is None
    assert log.as_json()["lost"] == 0


async def test_a_sync_says_when_it_begins(log: Log) -> None:
    begun: list[str] = []
    await append(log, "telemetry", record(1))
    assert await log.sync(lambda: begun.append("first"))
    assert begun == ["first"]
    assert await log.sync(lambda: begun.append("second"))  # of nothing
    assert begun == ["first", "second"]


async def test_a_clock_that_is_set_back_begins_a_run(log: Log) -> None:
    times = [100.0, 101.0, 100.5, 5.0, 6.0]
    records = [Record(n, T0 + t, "alarm", "{}") for n, t in enumerate(times, 1)]
    await append(log, "telemetry", *records)
    assert runs_of(log, "telemetry") == [Run(0, 3), Run(3, None)]
    assert runs_of(log, "other") == [Run(0, None)]
    for t, before in [(102, [5, 4, 3, 2, 1]), (100.25, [1]), (5.5, [4, 3, 2, 1]), (4, [])]:
        found = newest_before(log, "telemetry", T0 + t, "alarm", 1)
        assert [one.offset async for one in found] == before
    assert await range_of(log, "telemetry", T0 + 5.5, T0 + 50, "alarm") == (4, 5)
    assert await range_of(log, "telemetry", T0 + 100, None, "alarm") == (0, 3)
    assert await range_of(log, "telemetry", None, T0 + 5.5, "alarm") == (3, 4)
    log.delete("telemetry")
    assert runs_of(log, "telemetry") == [Run(0, None)]


async def test_a_clock_that_was_set_back_while_the_server_was_stopped_begins_a_run(
    tmp_path: Path,
) -> None:
    for n, now in enumerate([T0 + 100, T0, T0 + 200], 1):
        async with running(SqliteLog(tmp_path, clock=partial(float, now))) as log:
            await append(log, "images", Record(n, now, "image", "{}"))
            expected = [Run(0, None)] if n == 1 else [Run(0, 1), Run(1, None)]
            assert runs_of(log, "images") == expected
