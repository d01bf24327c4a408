"""A daemon thread that runs blocking calls in order, for one event loop.

Threads of a pool are joined when the process ends. A call that hangs on a broken disk must not keep
the process from ending, so this thread is a daemon.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Result = TypeVar("Result")


class Worker:
    """A thread. It starts with the first call.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[tuple[Any, ...] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, call: Callable[..., Result], *args: Any) -> Result:
        """Run a call in the thread, and return its result or raise its error.

        If this coroutine is cancelled, the call still runs.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._calls.put((loop, future, call, args))
        return await future

    def stop(self) -> None:
        """Let the thread end after the calls so far."""
        if self._thread is not None:
            self._calls.put(None)
            self._thread = None

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            loop, future, call, args = item
            result, error = None, None
            try:
                result = call(*args)
            except BaseException as exc:  # the caller receives it
                error = exc
            with suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(_settle, future, result, error)


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return  # cancelled
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class Countdown:
    """Calls a function after a time, unless it is cancelled.

    It counts in steps, because a process that was stopped (SIGSTOP, a suspended machine) finds only
    one of them at its end, and goes on.

    Args:
        after_s: seconds, in `STEPS` steps.
        call: what it calls.
    """

    STEPS = 4

    def __init__(self, after_s: float, call: Callable[[], object]) -> None:
        self._step_s = after_s / self.STEPS
        self._call = call
        self._wait(self.STEPS)

    def _wait(self, steps: int) -> None:
        if steps == 0:
            self._call()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._step_s, self._wait, steps - 1)

    def cancel(self) -> None:
        """Call nothing."""
        self._timer.cancel()


class Round:
    """One round, and its callers."""

    def __init__(self) -> None:
        self._callers: list[asyncio.Future[bool]] = []
        self._beginnings: list[Callable[[], object]] = []

    def __bool__(self) -> bool:
        """Whether anybody waits for it."""
        return bool(self._callers)

    def join(self, begins: Callable[[], object] | None = None) -> asyncio.Future[bool]:
        """The result for one more caller, who may cancel it."""
        result: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._callers.append(result)
        if begins is not None:
            self._beginnings.append(begins)
        return result

    def begin(self) -> None:
        """Inform the callers that the round begins."""
        for begins in self._beginnings:
            begins()

    def end(self, done: bool) -> None:
        """Return the result to the callers so far."""
        callers, self._callers = self._callers, []
        for result in callers:
            if not result.done():  # else cancelled
                result.set_result(done)


class Rounds:
    """Runs an action for all its callers together.

    A round that covers a call begins after the call. Calls before its beginning share it.

    Args:
        action: one round; returns the result for the callers.
        interval_s: average seconds from the start of a round to the start of the next.
        burst: number of rounds that may precede this average after a quiet time.
    """

    def __init__(
        self,
        action: Callable[[], Coroutine[Any, Any, bool]],
        interval_s: float = 0.0,
        burst: int = 0,
    ) -> None:
        self._action = action
        self._interval_s = interval_s
        self._burst_s = burst * interval_s
        self._next_at = 0.0
        self._next = Round()
        self._current: Round | None = None
        self._task: asyncio.Task[None] | None = None

    def join(self, begins: Callable[[], object] | None = None) -> asyncio.Future[bool]:
        """The result of a round that begins after this call.

        Args:
            begins: called when the round begins.
        """
        result = self._next.join(begins)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return result

    @property
    def running(self) -> asyncio.Future[bool] | None:
        """The result of the current round; `None` if none is running."""
        return None if self._current is None else self._current.join()

    def give_up(self) -> None:
        """Return `False` to all callers so far. The current round goes on."""
        if self._current is not None:
            self._current.end(False)
        given_up, self._next = self._next, Round()
        given_up.end(False)

    async def cancel(self) -> None:
        """Cancel the current and the next round, and wait for their ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._next:
                if (pause_s := self._next_at - loop.time()) > 0:
                    await asyncio.sleep(pause_s)
                earliest_at = loop.time() - self._burst_s
                self._next_at = max(self._next_at, earliest_at) + self._interval_s
                self._current, self._next = self._next, Round()
                self._current.begin()
                self._current.end(await self._action())
                self._current = None
        finally:
            self._task = None
            self.give_up()
            self._current = None
