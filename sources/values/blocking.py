"""Blocking calls in a few threads of their own, for file systems that may not answer.

The threads are daemons: a call that never ends does not keep the process from ending. (The worker
threads of AnyIO are not.)
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable

Args = TypeVarTuple("Args")
Result = TypeVar("Result")

IDLE_S = 10.0
"""Seconds without a call after which a thread ends."""


class Threads:
    """Daemon threads, started when they are needed."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._idle = 0
        self._lock = Lock()

    def start(self, job: Callable[[], None]) -> None:
        """Run a function, which raises nothing, in an idle thread or a new one."""
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._jobs.put(job)
                return
        Thread(target=self._work, args=(job,), name="blocking call", daemon=True).start()

    def _work(self, job: Callable[[], None] | None) -> None:
        while job is not None:
            job()
            del job  # and what it refers to
            with self._lock:
                self._idle += 1
            job = self._next()

    def _next(self) -> Callable[[], None] | None:
        while True:
            try:
                return self._jobs.get(timeout=IDLE_S)
            except Empty:
                with self._lock:
                    if self._jobs.empty():  # else a job has come since then
                        self._idle -= 1
                        return None


class BlockingCalls:
    """Calls blocking functions in threads.

    A call that takes too long, for example on a network drive whose server is down, raises
    `TimeoutError`. Its thread goes on, since no thread can be stopped. Once all threads are in such
    calls, further ones fail at once.

    Args:
        threads: maximum number of threads.
        timeout_s: maximum seconds of a call.
    """

    def __init__(self, threads: int, timeout_s: float) -> None:
        self._max_threads = threads
        self._timeout_s = timeout_s
        self._free = asyncio.Semaphore(threads)
        self._threads = Threads()
        self._abandoned = 0  # calls that go on, and that nobody waits for
        self._lock = Lock()

    async def run(
        self,
        function: Callable[[Unpack[Args]], Result],
        *args: *Args,
        discard: Callable[[Result], object] = lambda _: None,
    ) -> Result:
        """The result of the function. A cancelled call leaves its thread to itself.

        Args:
            function: blocks.
            args: of the function.
            discard: called with the result if nobody waits for it any more.

        Raises:
            TimeoutError: it takes too long.
        """
        if self._abandoned >= self._max_threads:
            raise TimeoutError("the file system does not answer")
        try:
            async with asyncio.timeout(self._timeout_s), self._free:
                return await self._call(function, args, discard)
        except TimeoutError as exc:
            reason = f"the file system has not answered for {self._timeout_s:g} s"
            raise TimeoutError(reason) from exc

    async def _call(
        self,
        function: Callable[[Unpack[Args]], Result],
        args: tuple[*Args],
        discard: Callable[[Result], object],
    ) -> Result:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        outcome: Future[Result] = Future()
        is_abandoned = False

        def job() -> None:
            try:
                outcome.set_result(function(*args))
            except BaseException as exc:  # raised by `outcome.result`
                outcome.set_exception(exc)
            with self._lock:
                if is_abandoned:
                    self._abandoned -= 1
                else:
                    with suppress(RuntimeError):  # the loop is closed
                        loop.call_soon_threadsafe(_end, ended)
                    return
            if outcome.exception() is None:
                discard(outcome.result())

        self._threads.start(job)
        try:
            await ended
        except BaseException:
            with self._lock:
                is_late = outcome.done()
                if not is_late:
                    is_abandoned = True
                    self._abandoned += 1
            if is_late and outcome.exception() is None:
                discard(outcome.result())
            raise
        return outcome.result()


def call_in_time(function: Callable[[], Result], timeout_s: float) -> Result:
    """The result of a blocking function, before an event loop runs.

    Args:
        function: runs in a thread, which goes on after a timeout.
        timeout_s: maximum seconds to wait.

    Raises:
        TimeoutError: it takes too long.
        Exception: as the function raises it.
    """
    outcome: Future[Result] = Future()

    def job() -> None:
        try:
            outcome.set_result(function())
        except BaseException as exc:  # raised by `outcome.result`
            outcome.set_exception(exc)

    Threads().start(job)
    try:
        return outcome.result(timeout_s)
    except TimeoutError as exc:
        if outcome.done():
            raise  # the function itself timed out
        reason = f"the file system has not answered for {timeout_s:g} s"
        raise TimeoutError(reason) from exc


def _end(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
