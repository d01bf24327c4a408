"""Reads a source's iterator in a task of its own, as the mission does.

The task is an asyncio task, not one of a task group: a task group waits forever for an iterator
that suppresses its cancellation, and the checks must detect such an iterator.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from anyio import CancelScope, Event, move_on_after
from anyio.lowlevel import checkpoint

from rover.abandon import Abandonable
from rover.guard import closing
from rover.testing.clauses import Clause, ContractBroken
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from rover.testing.timeouts import Timeouts

T = TypeVar("T")


class Reading(Generic[T]):
    """Reads an iterator within an `async with` block, and cancels it at the end of the block.

    Args:
        name: of the iterator, for messages: `samples()`.
        make: returns the iterator.
        clause: the clause that is broken if `make` does not return an async iterator.
        timeouts: how long to wait for the iterator.
        pause_after: number of items after which the reading pauses until `resume()` is called; the
            iterator stays at its `yield`. With 0 it pauses before it requests the first item.

    Attributes:
        items: the items that the iterator has yielded.
        times_s: the time of each item, in monotonic seconds.
        failure: the exception that the iterator raised.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], AsyncIterator[T]],
        clause: Clause,
        timeouts: Timeouts,
        *,
        pause_after: int | None = None,
    ) -> None:
        self.name = name
        self.items: list[T] = []
        self.times_s: list[float] = []
        self.failure: Exception | None = None
        self._make = make
        self._clause = clause
        self._timeouts = timeouts
        self._pause_after = pause_after
        self._resumed = Event()
        self._scope = CancelScope()
        self._changed = Event()
        self._work = Abandonable(self._read)

    async def __aenter__(self) -> Self:
        # Not in the task: `new()` must yield images from the moment of this call.
        self._iterator = self._make_iterator()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def done(self) -> bool:
        """Whether the iterator has ended or raised."""
        return self._task.done()

    def resume(self) -> None:
        """Continue after a pause."""
        self._resumed.set()

    async def wait_for_items(self, count: int) -> bool:
        """Wait until the iterator has yielded `count` items; `False` if it did not in time."""
        with move_on_after(self._timeouts.wait_s):
            while len(self.items) < count and not self.done:
                self._changed = Event()
                await self._changed.wait()
        return len(self.items) >= count

    async def wait_until_done(self) -> bool:
        """Wait until the iterator has ended or raised; `False` if it did not in time."""
        await asyncio.wait({self._task}, timeout=self._timeouts.wait_s)
        return self.done

    async def stop(self) -> None:
        """Cancel the iterator, if it still runs.

        Raises:
            ContractBroken: it does not end, or raises another exception instead.
        """
        self._scope.cancel()
        await asyncio.wait({self._task}, timeout=self._timeouts.cancel_s)
        if not self.done:
            self._work.abandon()
            self._task.cancel()
            await asyncio.wait({self._task})
            raise ContractBroken(
                Clause.SOURCE_CANCEL,
                f"{self.name} was cancelled and still ran {self._timeouts.cancel_s:g} s later; do"
                " not catch `CancelledError`, and limit the time of each `await` in `finally`",
            )
        Clause.SOURCE_CANCEL.require(
            not _has_cancellation(self.failure),
            f"{self.name} was cancelled and raised {self.failure!r} instead; do not catch"
            " `CancelledError`",
        )

    @property
    def shown_failure(self) -> str:
        """The exception that the iterator raised, for a message."""
        return "no exception" if self.failure is None else repr(self.failure)

    def raise_failure(self) -> None:
        """Raise the exception that the iterator raised, if any.

        Raises:
            SourceError: as the source raised it: the machine or its configuration has a fault.
            ContractBroken: the source raised another exception.
        """
        if self.failure is None:
            return
        if isinstance(self.failure, SourceError | ContractBroken):
            raise self.failure
        raise ContractBroken(
            Clause.SOURCE_ERRORS,
            f"{self.name} raised {self.failure!r}; wrap it where it occurs: `raise"
            ' SourceError("how to fix it") from exc`',
        ) from self.failure

    def _make_iterator(self) -> AsyncIterator[T] | None:
        try:
            iterator = self._make()
        except Exception as exc:  # any error of the source; `raise_failure` raises it
            self.failure = exc
            return None
        if asyncio.iscoroutine(iterator):
            iterator.close()
        self._clause.require(
            hasattr(iterator, "__anext__"),
            f"{self.name} returned {type(iterator).__name__}, not an async iterator; define it with"
            " `async def` and `yield`",
        )
        return iterator

    async def _run(self) -> None:
        with self._scope:
            try:
                await self._work
            except Exception as exc:  # any error of the source; `raise_failure` raises it
                self.failure = exc
        self._changed.set()

    async def _read(self) -> None:
        if self._iterator is None:
            return
        async with closing(self._iterator) as items:
            await self._pause()
            async for item in items:
                self.items.append(item)
                self.times_s.append(monotonic())
                self._changed.set()
                await self._pause()
                await checkpoint()

    async def _pause(self) -> None:
        if len(self.items) == self._pause_after:
            await self._resumed.wait()


def _has_cancellation(failure: BaseException | None) -> bool:
    """Whether the exception was raised while a `CancelledError` was handled."""
    while failure is not None:
        if isinstance(failure, asyncio.CancelledError):
            return True
        failure = failure.__cause__ or failure.__context__
    return False


async def call(name: str, make: Callable[[], Coroutine[Any, Any, T]], timeouts: Timeouts) -> T:
    """Return the result of one call of a source.

    Args:
        name: of the call, for messages: `images()`.
        make: returns the coroutine.
        timeouts: how long to wait for the result.

    Raises:
        SourceError: as the source raised it.
        ContractBroken: the source raised another exception, or did not return in time.
    """

    async def once() -> AsyncIterator[T]:
        yield await make()

    async with Reading(name, once, Clause.SOURCE_ERRORS, timeouts) as reading:
        returned = await reading.wait_until_done()
    reading.raise_failure()
    Clause.SOURCE_ERRORS.require(
        returned, f"{name} did not return within {timeouts.wait_s:g} s; raise a SourceError"
    )
    return reading.items[0]
