"""Blocking calls in threads of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Event, Lock

import pytest
from anyio import create_task_group, fail_after, to_thread

from sources.values.blocking import BlockingCalls, call_in_time
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


async def test_calls_that_wait_for_a_thread_do_not_take_more_than_the_limit() -> None:
    answered, lock = Event(), Lock()
    running: list[int] = [0, 0]

    def work() -> None:
        with lock:
            running[0] += 1
            running[1] = max(running)
        answered.wait()
        with lock:
            running[0] -= 1

    calls = BlockingCalls(threads=2, timeout_s=0.05)

    async def time_out() -> None:
        with pytest.raises(TimeoutError):
            await calls.run(work)

    async with create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(time_out)
    assert (running, calls.unanswered) == ([2, 2], 2)
    answered.set()
    await until(lambda: not calls.unanswered)
    assert await calls.run(int, "7") == 7


async def test_a_call_that_makes_progress_may_take_long() -> None:
    calls = BlockingCalls(threads=1, timeout_s=0.5)

    def slow() -> str:
        for _ in range(5):
            Event().wait(0.2)
            calls.progress()
        return "done"

    assert await calls.run(slow) == "done"


async def test_what_nobody_waits_for_uses_the_same_threads() -> None:
    answered = Event()
    closed: list[str] = []
    calls = BlockingCalls(threads=2, timeout_s=0.05)

    def close(name: str) -> None:
        answered.wait()
        closed.append(name)
        raise OSError("its last bytes are lost")

    for name in "abc":
        calls.start(close, name)
    await until(lambda: calls.unanswered == 2)
    with pytest.raises(TimeoutError):
        await calls.run(int, "7")
    answered.set()
    await until(lambda: sorted(closed) == ["a", "b", "c"])
    assert await calls.run(int, "7") == 7


def test_a_call_that_never_ends_does_not_keep_the_process_from_ending() -> None:
    program = """
import anyio, threading
from sources.values.blocking import BlockingCalls
async def main():
    try:
        await BlockingCalls(1, 0.01).run(threading.Event().wait)
    except TimeoutError:
        print("ended")
anyio.run(main)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=20)
    assert ended.stdout == b"ended\n"


def test_a_call_before_the_loop_is_bounded() -> None:
    assert call_in_time(lambda: 7, 10) == 7
    with pytest.raises(FileNotFoundError):
        call_in_time(Path("/no/such/file").stat, 10)
    answered = Event()
    with pytest.raises(TimeoutError):
        call_in_time(answered.wait, 0.01)
    answered.set()
