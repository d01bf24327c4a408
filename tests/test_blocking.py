"""Blocking calls in threads of their own."""

from __future__ import annotations

from threading import Event

import pytest
from anyio import create_task_group, fail_after, to_thread

from sources.values.blocking import BlockingCalls
from tests.waiting import until

pytestmark = pytest.mark.anyio


async def test_calls_return_results_and_raise_errors() -> None:
    calls = BlockingCalls(threads=2, timeout_s=10)
    assert await calls.run(divmod, 17, 5) == (3, 2)
    with pytest.raises(ZeroDivisionError):
        await calls.run(divmod, 1, 0)


async def test_a_result_that_nobody_waits_for_is_discarded() -> None:
    answered = Event()
    discarded: list[str] = []
    calls = BlockingCalls(threads=2, timeout_s=0.05)

    def late() -> str:
        answered.wait()
        return "late"

    with pytest.raises(TimeoutError):
        await calls.run(late, discard=discarded.append)
    assert discarded == []
    answered.set()
    await until(lambda: discarded == ["late"])
    assert await calls.run(str, "in time", discard=discarded.append) == "in time"
    assert discarded == ["late"]


async def test_calls_that_never_end_use_no_more_than_their_threads() -> None:
    answered = Event()
    calls = BlockingCalls(threads=2, timeout_s=0.05)
    ended: list[bool] = []

    async def hang() -> None:
        with pytest.raises(TimeoutError):
            await calls.run(lambda: ended.append(answered.wait()))

    with fail_after(5):
        async with create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(hang)
        for _ in range(50):
            await hang()
        assert await to_thread.run_sync(int, "7") == 7  # other threads are free
    answered.set()
    await until(lambda: len(ended) == 2)
    assert await calls.run(int, "7") == 7
