"""Blocking calls in a few threads of their own, for file systems that may not answer."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, Unpack

from anyio import CapacityLimiter, fail_after
from anyio.to_thread import run_sync

if TYPE_CHECKING:
    from collections.abc import Callable

Args = TypeVarTuple("Args")
Result = TypeVar("Result")


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
        self._threads = threads
        self._timeout_s = timeout_s
        self._limiter: CapacityLimiter | None = None  # it belongs to an event loop
        self._running = 0
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
        limiter = self._limiter
        if limiter is None:
            limiter = self._limiter = CapacityLimiter(self._threads)
        if self._running - limiter.borrowed_tokens >= self._threads:
            raise TimeoutError("the file system does not answer")
        is_abandoned = False
        results: list[Result] = []

        def call() -> Result:
            with self._lock:
                self._running += 1
            try:
                result = function(*args)
            finally:
                with self._lock:
                    self._running -= 1
            with self._lock:
                if not is_abandoned:
                    results.append(result)
                    return result
            discard(result)
            return result

        try:
            with fail_after(self._timeout_s):
                return await run_sync(call, abandon_on_cancel=True, limiter=limiter)
        except BaseException as exc:
            with self._lock:
                is_abandoned = True
            if results:
                discard(results[0])
            if isinstance(exc, TimeoutError):
                reason = f"the file system has not answered for {self._timeout_s:g} s"
                raise TimeoutError(reason) from exc
            raise
