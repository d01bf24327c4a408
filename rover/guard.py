"""Calls the code of a source, and turns whatever goes wrong in it into a `SourceError`.

    guard = Guard("camera", camera)
    image = await guard.call("image()", camera.image, image_id)
    async with guard.iterate("new()", camera.new) as new_ids:
        async for image_id in new_ids: ...

A source may raise anything: a stray `CancelledError`, `SystemExit`, a group of exceptions. None of
it may end a task of the server. All calls into sources go through a `Guard`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import signal
import threading
from collections import Counter
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from anyio import current_effective_deadline, move_on_after

from sources.base import SourceError
from sources.rules.describe import describe, leaves_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType

T = TypeVar("T")

logger = logging.getLogger("rover.sources")

MAX_FRAMES = 16
"""Maximum number of stack frames of a source's exception in the log."""

MAX_COUNTED = 100
"""Maximum number of kinds of failures that are counted, so that each is logged rarely."""

CLOSE_TIMEOUT_S = 5.0
"""Seconds that the iterator of a source has for its `aclose()`."""


class SourceFailed(SourceError):
    """A source raised an exception that is not a `SourceError`. The text describes it."""


def is_own_cancellation() -> bool:
    """Whether an enclosing scope of ours is cancelled.

    If not, a `CancelledError` comes from the source's own code, for example from a task that it
    cancelled and then awaited. It is an error of the source like any other.
    """
    return current_effective_deadline() == -inf


def absorb_stray_cancellation() -> bool:
    """Whether the source cancelled the current task itself; if so, that cancellation is undone."""
    if is_own_cancellation():
        return False
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
    return True


def is_interrupt(exc: BaseException) -> bool:
    """Whether a signal handler may have raised this `KeyboardInterrupt`.

    Servers install a handler that raises nothing, and then only a source can have raised it.
    """
    if not isinstance(exc, KeyboardInterrupt):
        return False
    if threading.current_thread() is not threading.main_thread():
        return False  # Python runs signal handlers in the main thread
    handler = signal.getsignal(signal.SIGINT)
    runner = getattr(getattr(handler, "func", None), "__qualname__", "")
    return handler is signal.default_int_handler or runner == "Runner._on_sigint"


def is_simulated(source: object) -> bool:
    """Whether a source says that its data is simulated."""
    try:
        return bool(getattr(source, "simulated", False))
    except BaseException as exc:
        if is_interrupt(exc):
            raise
        return False


@asynccontextmanager
async def closing(iterator: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Closes a source's iterator at the end of the block, if it can be closed."""
    try:
        yield iterator
    finally:
        if aclose := getattr(iterator, "aclose", None):
            await aclose()


class _Moment:
    """The state of a task before a call into a source, to find out whose exception arrives."""

    __slots__ = ("_cancelling", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._cancelling = 0 if self._task is None else self._task.cancelling()

    def is_ours(self, exc: BaseException) -> bool:
        """Whether the server, its host or a signal raised the exception, not the source."""
        task = _current_task()
        if isinstance(exc, asyncio.CancelledError):
            before = self._cancelling if task is self._task else 0
            return is_own_cancellation() or (task is not None and task.cancelling() > before)
        if isinstance(exc, GeneratorExit):  # our coroutine is closed from outside its task
            return task is not self._task
        return is_interrupt(exc)


def _current_task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop is running
        return None


class Guard:
    """Calls the code of one source.

    Args:
        name: of the source, for log lines and errors.
        source: the object.
    """

    def __init__(self, name: str, source: object) -> None:
        self.name = name
        self.source = source
        self._failures: Counter[tuple[str, str]] = Counter()

    def read(self, what: str, function: Callable[..., T], *args: object) -> T:
        """Call a function that reads a property of the source, or a value from it.

        Args:
            what: names it in the log.
            function: does not wait.
            args: its arguments.

        Raises:
            SourceError: the function raised it, or any other exception.
        """
        try:
            return function(*args)
        except SourceError:
            raise
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            raise self.failure(what, exc) from None

    async def call(self, what: str, function: Callable[..., Awaitable[T]], *args: object) -> T:
        """Call a coroutine function of the source.

        Args:
            what: names it in the log.
            function: the method of the source.
            args: its arguments.

        Raises:
            SourceError: the method raised it, or any other exception, or is not a coroutine
                function.
        """
        moment = _Moment()
        try:
            awaitable = function(*args)
            if not inspect.isawaitable(awaitable):
                raise SourceError(
                    f"{what} returned {_kind(awaitable)}: must be a coroutine; write `async def`"
                )
            return await awaitable
        except SourceError:
            raise
        except BaseException as exc:
            if moment.is_ours(exc):
                raise
            raise self.failure(what, exc) from None

    @asynccontextmanager
    async def iterate(
        self, what: str, function: Callable[..., AsyncIterator[T]], *args: object
    ) -> AsyncIterator[Items[T]]:
        """The items that an asynchronous generator of the source yields, for this block.

        The generator is closed at the end of the block. An error of its cleanup is logged.

        Args:
            what: names it in the log.
            function: the method of the source.
            args: its arguments.

        Raises:
            SourceError: the method raised it, or any other exception, or it returned no
                asynchronous iterator.
        """
        iterator: AsyncIterator[T] = self.read(what, _iterator, what, function, *args)
        try:
            yield Items(self, what, iterator)
        finally:
            with suppress(SourceError), move_on_after(CLOSE_TIMEOUT_S) as timeout:
                aclose = self.read(what, getattr, iterator, "aclose", None)
                if aclose is not None:
                    await self.call(f"the cleanup of {what}", aclose)
            if timeout.cancelled_caught:
                logger.warning(
                    "%s: the cleanup of %s timed out", self.name, what, extra={"source": self.name}
                )

    def failure(self, what: str, exc: BaseException) -> SourceFailed:
        """The error to raise instead of an exception of the source, which is logged."""
        failure = SourceFailed(f"{what} failed: {describe(exc)}")
        if len(self._failures) >= MAX_COUNTED:
            self._failures.clear()
        key = (what, type(exc).__name__)
        self._failures[key] += 1
        if self._failures[key].bit_count() == 1:  # the 1st, 2nd, 4th, 8th … only
            logger.error(
                "%s: %s",
                self.name,
                failure,
                exc_info=exc_info(exc),
                extra={"source": self.name},
            )
        return failure


class Items(Generic[T]):
    """The items of a source's iterator. Iteration raises `SourceError` for any exception in it."""

    __slots__ = ("_moment", "_next", "_what", "guard")

    def __init__(self, guard: Guard, what: str, iterator: AsyncIterator[T]) -> None:
        self.guard = guard
        self._what = what
        self._next = iterator.__anext__
        self._moment = _Moment()

    def __aiter__(self) -> Items[T]:
        """This iterator."""
        return self

    async def __anext__(self) -> T:
        """The next item.

        Raises:
            SourceError: the iterator raised it, or any other exception.
        """
        try:
            return await self._next()
        except (StopAsyncIteration, SourceError):
            raise
        except BaseException as exc:
            if self._moment.is_ours(exc):
                raise
            raise self.guard.failure(self._what, exc) from None


def _iterator(what: str, function: Callable[..., object], *args: object) -> AsyncIterator[T]:
    """The asynchronous iterator that the method returns."""
    returned = function(*args)
    if inspect.iscoroutine(returned):
        returned.close()  # else Python warns that it was never awaited
        raise SourceError(f"{what} is a coroutine: must be an asynchronous generator; use `yield`")
    if not hasattr(returned, "__aiter__"):
        raise SourceError(
            f"{what} returned {_kind(returned)}: must be an asynchronous generator; write "
            "`async def` and `yield`"
        )
    iterator = cast("AsyncIterator[T]", returned.__aiter__())
    if not hasattr(iterator, "__anext__"):
        raise SourceError(f"{what} returned {_kind(returned)}, whose iterator has no `__anext__`")
    return iterator


def exc_info(
    exc: BaseException,
) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """The exception for `logging`: its stack and its cause, with texts of bounded length."""
    leaves = list(leaves_of(exc))
    leaf = leaves[0] if len(leaves) == 1 else exc
    shown = SourceFailed(describe(leaf))
    cause = leaf.__cause__ or (None if leaf.__suppress_context__ else leaf.__context__)
    if cause is not None:
        shown.__cause__ = SourceFailed(describe(cause)).with_traceback(_last_frames(cause))
    return SourceFailed, shown, _last_frames(leaf)


def _last_frames(exc: BaseException) -> TracebackType | None:
    tracebacks = []
    traceback = exc.__traceback__
    while traceback is not None:
        tracebacks.append(traceback)
        traceback = traceback.tb_next
    return tracebacks[-MAX_FRAMES:][0] if tracebacks else None


def _kind(value: object) -> str:
    if inspect.isgenerator(value):
        return "a synchronous generator"
    return "None" if value is None else f"an object of type {type(value).__name__}"
