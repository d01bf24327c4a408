"""One run over a source's iterator, in a task of its own, as the mission reads it.

asyncio's own tasks are used, not a task group: that would wait for ever for a source which does
not let itself be cancelled, and that is one of the things to find out.
"""

from __future__ import annotations

import asyncio
import types
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from anyio import CancelScope, Event, move_on_after
from anyio.lowlevel import checkpoint

from rover.supervise import closing
from rover.testing.clauses import Clause, ContractBroken
from rover.testing.leaks import PROMPT_S
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator

T = TypeVar("T")


class Reading(Generic[T]):
    """Reads an iterator within its `async with` block, which stops it at the end.

    Args:
        what: is read, for messages: `samples()`.
        make: gives the iterator.
        clause: what a thing that is no iterator breaks.
        pause_at: stand still when so many items came, with the iterator at its `yield`, until `go`;
            at 0, before the first is asked for.

    Attributes:
        items: what came so far.
        came_s: when each came, in monotonic seconds.
        failure: what the iterator raised.
    """

    def __init__(
        self,
        what: str,
        make: Callable[[], AsyncIterator[T]],
        clause: Clause,
        *,
        pause_at: int | None = None,
    ) -> None:
        self.what = what
        self.items: list[T] = []
        self.came_s: list[float] = []
        self.failure: Exception | None = None
        self._make = make
        self._clause = clause
        self._pause_at = pause_at
        self._gate = Event()
        self._scope = CancelScope()
        self._news = Event()
        self._let_go = False

    async def __aenter__(self) -> Self:
        # Made here, not in the task: what is promised from the moment of the call is due now.
        self._iterator = self._made()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self._task.done()

    def go(self) -> None:
        """Read on, after a pause."""
        self._gate.set()

    async def came(self, count: int, timeout_s: float) -> bool:
        """Whether so many items came in time; not if the iterator ended or raised before."""
        with move_on_after(timeout_s):
            while len(self.items) < count and not self.over:
                self._news = Event()
                await self._news.wait()
        return len(self.items) >= count

    async def ended(self, timeout_s: float) -> bool:
        """Whether the iterator ended, or raised, in time."""
        await asyncio.wait({self._task}, timeout=timeout_s)
        return self.over

    async def stop(self) -> None:
        """Cancel it, if it still runs.

        Raises:
            ContractBroken: it does not end, or makes something else of its cancellation.
        """
        self._scope.cancel()
        await asyncio.wait({self._task}, timeout=PROMPT_S)
        if not self.over:
            self._let_go = True
            self._task.cancel()
            await asyncio.wait({self._task})
            raise ContractBroken(
                Clause.SOURCE_CANCEL,
                f"{self.what} was cancelled and still ran {PROMPT_S:g} s later; let"
                " `CancelledError` pass, and bound what `finally` awaits",
            )
        Clause.SOURCE_CANCEL.require(
            not _made_of_cancellation(self.failure),
            f"{self.what} was cancelled and raised {self.failure!r} instead; let"
            " `CancelledError` pass",
        )

    def require_well(self) -> None:
        """Return if nothing was raised.

        Raises:
            SourceError: as the source raised it: it tells what is wrong with machine or set-up.
            ContractBroken: anything else was raised.
        """
        if self.failure is None:
            return
        if isinstance(self.failure, SourceError | ContractBroken):
            raise self.failure
        raise ContractBroken(
            Clause.SOURCE_ERRORS,
            f"{self.what} raised {self.failure!r}; wrap it where it occurs: `raise"
            ' SourceError("what to do about it") from exc`',
        ) from self.failure

    def _made(self) -> AsyncIterator[T] | None:
        try:
            iterator = self._make()
        except Exception as exc:  # a stranger's code: told by require_well
            self.failure = exc
            return None
        if asyncio.iscoroutine(iterator):
            iterator.close()
        self._clause.require(
            hasattr(iterator, "__anext__"),
            f"{self.what} gives a {type(iterator).__name__}, which is no async iterator; write it"
            " as `async def` with `yield`",
        )
        return iterator

    async def _run(self) -> None:
        with self._scope:
            try:
                await self._held(self._read())
            except Exception as exc:  # a stranger's code: told by require_well
                self.failure = exc
        self._news.set()

    async def _read(self) -> None:
        if self._iterator is None:
            return
        async with closing(self._iterator) as items:
            await self._pause()
            async for item in items:
                self.items.append(item)
                self.came_s.append(monotonic())
                self._news.set()
                await self._pause()
                await checkpoint()

    async def _pause(self) -> None:
        if len(self.items) == self._pause_at:
            await self._gate.wait()

    @types.coroutine
    def _held(self, work: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        """Runs the work as `await` would, but can drop it where it hangs."""
        thrown: BaseException | None = None
        while True:
            try:
                waits_for = work.send(None) if thrown is None else work.throw(thrown)
            except StopIteration:
                return
            try:
                yield waits_for
                thrown = None
            except BaseException as exc:
                if self._let_go:
                    with suppress(_LetGo):  # not `close`, which an async generator never sees
                        work.throw(_LetGo())
                    raise
                thrown = exc


def _made_of_cancellation(failure: BaseException | None) -> bool:
    """Whether it was raised while a cancellation was handled."""
    while failure is not None:
        if isinstance(failure, asyncio.CancelledError):
            return True
        failure = failure.__cause__ or failure.__context__
    return False


class _LetGo(BaseException):
    """Thrown into a source that does not end, which it will not expect."""


async def call(what: str, make: Callable[[], Coroutine[Any, Any, T]], timeout_s: float) -> T:
    """What one call of a source returns.

    Raises:
        SourceError: as the source raised it.
        ContractBroken: it raised anything else, or took too long.
    """

    async def once() -> AsyncIterator[T]:
        yield await make()

    async with Reading(what, once, Clause.SOURCE_ERRORS) as reading:
        came = await reading.ended(timeout_s)
    reading.require_well()
    Clause.SOURCE_ERRORS.require(
        came, f"{what} had not returned after {timeout_s:g} s; raise a SourceError"
    )
    return reading.items[0]
