"""Blocking calls in a few threads of their own, for file systems that may not answer.

The threads are daemons: a call that never ends does not keep the process from ending. (The worker
threads of AnyIO are not.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread, get_ident
from time import monotonic
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable

Args = TypeVarTuple("Args")
Result = TypeVar("Result")

IDLE_S = 10.0
"""Seconds without a call after which a thread ends."""


class Threads:
    """Daemon threads, started when they are needed.

    Args:
        limit: maximum number of threads; further jobs wait for one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._idle = 0
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()  # of the idle threads
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = Lock()

    def start(self, job: Callable[[], None]) -> None:
        """Run a function, which raises nothing, in an idle thread or a new one."""
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._jobs.put(job)
            elif self._count == self._limit:
                self._waiting.append(job)
            else:
                Thread(target=self._work, args=(job,), name="blocking call", daemon=True).start()
                self._count += 1

    def _work(self, job: Callable[[], None] | None) -> None:
        while job is not None:
            job()
            del job  # and what it refers to
            with self._lock:
                job = self._waiting.popleft() if self._waiting else None
                self._idle += job is None
            if job is None:
                job = self._next()

    def _next(self) -> Callable[[], None] | None:
        while True:
            try:
                return self._jobs.get(timeout=IDLE_S)
            except Empty:
                with self._lock:
                    if self._jobs.empty():  # else a job has come since then
                        self._idle -= 1
                        self._count -= 1
                        return None


class Call:
    """A call in a thread.

    Attributes:
        since: monotonic seconds when it was made, or made progress.
        is_abandoned: nobody waits for it.
    """

    def __init__(self) -> None:
        self.since = monotonic()
        self.is_abandoned = False
        self._ended: asyncio.Future[None] | None = None

    def ended(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """A future that `end` ends."""
        self._ended = loop.create_future()
        return self._ended

    def end(self) -> None:
        """End the last future."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)


class BlockingCalls:
    """Calls blocking functions in threads.

    A call that takes too long, for example on a network drive whose server is down, raises
    `TimeoutError`. Its thread goes on, since no thread can be stopped. Once all threads are in such
    calls, further ones fail at once.

    Args:
        threads: maximum number of threads.
        timeout_s: maximum seconds of a call, or of its part after the last `progress`.
    """

    def __init__(self, threads: int, timeout_s: float) -> None:
        self._max_threads = threads
        self._timeout_s = timeout_s
        self._threads = Threads(threads)
        self._running: dict[int, Call] = {}  # by thread
        self._lock = Lock()

    @property
    def unanswered(self) -> int:
        """Number of threads whose call takes too long."""
        late = monotonic() - self._timeout_s
        return sum(call.since <= late for call in list(self._running.values()))

    def progress(self) -> None:
        """Begin the time of a call again. A function that does many things calls it in between."""
        if (call := self._running.get(get_ident())) is not None:
            call.since = monotonic()

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
            discard: called in a thread with the result if nobody waits for it any more.

        Raises:
            TimeoutError: it takes too long.
        """
        reason = f"the file system has not answered for {self._timeout_s:g} s"
        if len(self._running) >= self._max_threads <= self.unanswered:
            raise TimeoutError(reason)
        loop = asyncio.get_running_loop()
        outcome: Future[Result] = Future()
        call = Call()

        def work() -> None:
            self._run(call, outcome, function, *args)
            with self._lock:
                is_abandoned = call.is_abandoned
                if not is_abandoned:
                    with suppress(RuntimeError):  # the loop is closed
                        loop.call_soon_threadsafe(call.end)
            if is_abandoned and outcome.exception() is None:
                discard(outcome.result())

        self._threads.start(lambda: None if call.is_abandoned else work())
        try:
            while not outcome.done():
                if (left_s := call.since + self._timeout_s - monotonic()) <= 0:
                    raise TimeoutError(reason)
                with suppress(TimeoutError):
                    async with asyncio.timeout(left_s):
                        await call.ended(loop)
        except BaseException:
            with self._lock:
                is_done = outcome.done()
                call.is_abandoned = not is_done
            if is_done and outcome.exception() is None:
                self.start(discard, outcome.result())
            raise
        return outcome.result()

    def start(self, function: Callable[[Unpack[Args]], object], *args: *Args) -> None:
        """Call a function when a thread is free. Nobody waits for it, and its errors are ignored.

        Files are closed in this way: that may block too.
        """
        self._threads.start(lambda: self._run(Call(), Future(), function, *args))

    def _run(
        self,
        call: Call,
        outcome: Future[Result],
        function: Callable[[Unpack[Args]], Result],
        *args: *Args,
    ) -> None:
        self._running[get_ident()] = call
        try:
            outcome.set_result(function(*args))
        except BaseException as exc:  # raised by `outcome.result`
            outcome.set_exception(exc)
        finally:
            del self._running[get_ident()]


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

    Thread(target=job, name="blocking call", daemon=True).start()
    try:
        return outcome.result(timeout_s)
    except TimeoutError as exc:
        if outcome.done():
            raise  # the function itself timed out
        reason = f"the file system has not answered for {timeout_s:g} s"
        raise TimeoutError(reason) from exc
