"""Awaits a coroutine that may never end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from anyio import CancelScope

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator


class Abandonable:
    """Awaits a coroutine, and can stop waiting for it.

    A task whose coroutine suppresses `CancelledError` cannot be cancelled. After `abandon()`, the
    next cancellation ends the task, whatever the coroutine does.

    Args:
        make: returns the coroutine.
    """

    def __init__(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._make = make
        self._abandoned = False

    def abandon(self) -> None:
        """Let the next cancellation end the wait."""
        self._abandoned = True

    def __await__(self) -> Generator[Any, Any, None]:
        """Run the coroutine as `await` does, until it ends or is abandoned."""
        work = self._make()
        thrown: BaseException | None = None
        while True:
            try:
                awaited = work.send(None) if thrown is None else work.throw(thrown)
            except StopIteration:
                return
            try:
                yield awaited
                thrown = None
            except BaseException as exc:
                if self._abandoned:
                    # `close()` does not reach an async generator that the coroutine iterates over.
                    with suppress(AbandonedError, StopIteration):
                        work.throw(AbandonedError())
                    raise
                thrown = exc


async def stop(task: asyncio.Task[None], work: Abandonable, timeout_s: float) -> bool:
    """Cancel a task that awaits `work`; returns whether it ended by that.

    If the coroutine suppresses its cancellation, it is abandoned.

    Args:
        task: the task.
        work: its coroutine.
        timeout_s: seconds that the coroutine has to end.
    """
    task.cancel()
    with CancelScope(shield=True):
        done, _ = await asyncio.wait([task], timeout=timeout_s)
        if not done:
            work.abandon()
            task.cancel()
            await asyncio.wait([task], timeout=timeout_s)
    return bool(done)


class AbandonedError(BaseException):
    """Raised in a coroutine that was abandoned; no `except Exception` catches it."""
