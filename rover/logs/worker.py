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
    from collections.abc import Callable

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


class Rounds:
    """Runs an action for all its callers together.

    A round that covers a call begins after the call. Calls during a round share the next one.

    Args:
        action: one round.
        interval_s: minimum seconds from the start of a round to the start of the next.
    """

    def __init__(self, action: Callable[[], Any], interval_s: float = 0.0) -> None:
        self._action = action
        self._interval_s = interval_s
        self._next: asyncio.Task[bool] | None = None
        self._running: asyncio.Task[bool] | None = None
        self._next_at = 0.0

    def join(self) -> asyncio.Task[bool]:
        """The task of a round that begins after this call. Do not cancel it."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
        return self._next

    @property
    def running(self) -> asyncio.Task[bool] | None:
        """The task of the current round; `None` if none is running."""
        return None if self._running is None or self._running.done() else self._running

    async def cancel(self) -> None:
        """Cancel the current and the next round, and wait for their ends."""
        tasks = [task for task in (self._running, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, before: asyncio.Task[bool] | None) -> bool:
        if before is not None and not before.done():
            await asyncio.wait((before,))
        loop = asyncio.get_running_loop()
        if (pause_s := self._next_at - loop.time()) > 0:
            await asyncio.sleep(pause_s)
        self._next_at = loop.time() + self._interval_s
        self._running, self._next = self._next, None
        done: bool = await self._action()
        return done
