"""A source that blocks the event loop is named, and the server's own code is not blamed on one."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from anyio import fail_after

from rover.guard import Guard
from rover.supervise import NOTE_S, Blocked, BlockedNote, Supervisor
from rover.watchdog import Watched, watch_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rover.supervise import Health

pytestmark = pytest.mark.anyio

BLOCK_S = 0.5
THRESHOLD_S = 0.1


class BlockingSource:
    """Blocks the event loop in each of its methods."""

    async def samples(self) -> AsyncIterator[int]:
        yield 1
        time.sleep(BLOCK_S)  # noqa: ASYNC251 # blocks the event loop
        yield 2

    async def image(self) -> None:
        self.callback()

    def callback(self) -> None:
        compute()

    @property
    def steps(self) -> int:
        time.sleep(BLOCK_S)
        return 1


def compute() -> None:
    until = time.thread_time() + BLOCK_S  # CPU time: on a busy machine, this takes longer
    while time.thread_time() < until:
        pass


async def in_samples(guard: Guard, source: BlockingSource) -> None:
    async with guard.iterate("samples()", source.samples) as samples:
        async for _ in samples:
            await asyncio.sleep(0)


async def in_call(guard: Guard, source: BlockingSource) -> None:
    await guard.call("image()", source.image)


async def in_property(guard: Guard, source: BlockingSource) -> None:
    guard.read("steps", lambda: source.steps)


async def in_own_task(_: Guard, source: BlockingSource) -> None:
    await asyncio.create_task(source.image())


async def in_own_callback(_: Guard, source: BlockingSource) -> None:
    asyncio.get_running_loop().call_soon(source.callback)


@pytest.mark.parametrize("run", [in_samples, in_call, in_property, in_own_task, in_own_callback])
async def test_a_source_that_blocks_the_event_loop_is_reported_with_the_line(
    run: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(run)
    source, other = BlockingSource(), object()
    blocked: asyncio.Queue[Blocked] = asyncio.Queue()
    wrong: list[Blocked] = []
    watched = [
        Watched("other", other, wrong.append),
        Watched("blocking", source, blocked.put_nowait),
    ]
    async with watch_loop(watched, THRESHOLD_S):
        await run(Guard("blocking", source), source)
        with fail_after(60):
            report = await blocked.get()
    assert report.seconds >= THRESHOLD_S
    assert report.line.startswith("test_watchdog.py:")
    assert not wrong
    assert "blocking: " in caplog.text
    assert "other: " not in caplog.text


async def test_code_of_the_server_is_not_blamed_on_a_source(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong: list[Blocked] = []
    async with watch_loop([Watched("innocent", BlockingSource(), wrong.append)], THRESHOLD_S):
        compute()
        while len(caplog.records) < 2:
            await asyncio.sleep(0.01)
    assert not wrong
    assert all("innocent" not in record.getMessage() for record in caplog.records)


def test_the_detail_says_for_a_minute_that_a_source_blocked_the_event_loop() -> None:
    now_s = 1000.0
    note = BlockedNote(lambda: now_s)
    assert note.text == ""
    note.record(Blocked(3.2, "gauge.py:12"))
    assert "3.2 s (gauge.py:12)" in note.text
    note.record(Blocked(1.5, "gauge.py:13"))
    assert "2 times" in note.text
    now_s += NOTE_S
    assert note.text == ""


def test_a_block_is_published_and_does_not_change_the_state() -> None:
    changes: list[Health] = []
    supervisor = Supervisor("test", on_change=changes.append)
    supervisor.data()
    supervisor.record_blocked(Blocked(3.2, "gauge.py:12"))
    assert [health.state for health in changes] == ["live", "live"]
    assert "gauge.py:12" in changes[1].detail
    assert changes[1].since == changes[0].since
