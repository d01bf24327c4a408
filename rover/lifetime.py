"""Enters the sources of a mission and exits them, each in a task of its own.

A source may hang or fail in `__aenter__` or `__aexit__`, and may start tasks there that fail later.
In a task of its own, none of that cancels or holds the mission.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from anyio import CancelScope

from rover.guard import Guard
from sources.base import SourceError
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

logger = logging.getLogger("rover.sources")

SLOW_ENTER_S = 5.0
"""Seconds after which the log names a source whose `__aenter__` has not returned."""

EXIT_TIMEOUT_S = 1.0
"""Seconds that all sources together have for their `__aexit__`."""

CANCEL_TIMEOUT_S = 0.2
"""Seconds that a source has to end after its `__aexit__` was cancelled."""

FIRST_PAUSE_S = 0.5
"""Seconds before a source is entered again after one of its tasks failed; then twice as long."""

MAX_PAUSE_S = 30.0


@asynccontextmanager
async def entered(
    sources: Iterable[tuple[str, object]],
    *,
    slow_enter_s: float = SLOW_ENTER_S,
    exit_timeout_s: float = EXIT_TIMEOUT_S,
    first_pause_s: float = FIRST_PAUSE_S,
) -> AsyncIterator[None]:
    """Enter the sources that are context managers, one after the other, for this block.

    They are exited together. An error of `__aexit__` is logged.

    Args:
        sources: name and source; the name is for log lines.
        slow_enter_s: seconds after which the log names a source that has not been entered.
        exit_timeout_s: seconds that all sources together have for their `__aexit__`.
        first_pause_s: seconds before a source is entered again after one of its tasks failed.

    Raises:
        SourceError: a source cannot be entered.
    """
    lives: list[_Life] = []
    try:
        for name, source in sources:
            if isinstance(source, AbstractAsyncContextManager):
                lives.append(_Life(name, source, first_pause_s))
                await lives[-1].wait_until_entered(slow_enter_s)
        yield
    finally:
        with CancelScope(shield=True):
            await _end(lives, exit_timeout_s)


async def _end(lives: list[_Life], timeout_s: float) -> None:
    for life in lives:
        life.ending.set()
        if not life.entered.done():
            life.task.cancel()
    for wait_s in (timeout_s, CANCEL_TIMEOUT_S):
        running = [life for life in lives if not life.task.done()]
        if not running:
            return
        await asyncio.wait({life.task for life in running}, timeout=wait_s)
        for life in running:
            if not life.task.done():
                logger.warning("%s: `__aexit__` timed out", life.name)
                life.task.cancel()


class _Life:
    """One source, from its `__aenter__` to its `__aexit__`.

    Attributes:
        name: for log lines.
        ending: set to exit the source.
        entered: done when `__aenter__` has returned, or raised.
        task: runs both, as a cancel scope must be exited by the task that entered it.
    """

    def __init__(
        self, name: str, source: AbstractAsyncContextManager[Any, Any], first_pause_s: float
    ) -> None:
        self.name = name
        self.ending = asyncio.Event()
        self.entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._source = source
        self._guard = Guard(name, source)
        self._pause_s = first_pause_s
        self.task = asyncio.create_task(self._run())

    async def wait_until_entered(self, slow_enter_s: float) -> None:
        """Return when the source is entered; the log names it if that takes long.

        Raises:
            SourceError: it cannot be entered.
        """
        waited_s = 0.0
        ends = {self.entered, self.task}
        first = asyncio.FIRST_COMPLETED
        while not (await asyncio.wait(ends, timeout=slow_enter_s, return_when=first))[0]:
            waited_s += slow_enter_s
            kind = type(self._source).__name__
            logger.warning(
                "%s: `__aenter__` of %s has not returned for %.0f s; the server waits for it",
                self.name,
                kind,
                waited_s,
            )
            slow_enter_s = waited_s
        if not self.entered.done():
            raise SourceError(f"{self.name}: its `__aenter__` was cancelled")
        self.entered.result()

    async def _run(self) -> None:
        while True:
            try:
                await self._guard.call("__aenter__()", self._source.__aenter__)
            except SourceError as exc:
                if not self.entered.done():
                    kind = type(self._source).__name__
                    error = SourceError(f"{self.name} source {kind}: {describe(exc)}")
                    error.__cause__ = exc
                    self.entered.set_exception(error)
                    return
                logger.warning("%s: entering the source again failed: %s", self.name, describe(exc))
            else:
                if not self.entered.done():
                    self.entered.set_result(None)
                await self._exit(await self._failure())
            if self.ending.is_set():
                return
            logger.warning(
                "%s: a task of the source failed; it is entered again in %.1f s",
                self.name,
                self._pause_s,
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), self._pause_s)
                return
            self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)

    async def _failure(self) -> BaseException | None:
        """Wait for the end; returns the cancellation if a task group of the source failed."""
        try:
            await self.ending.wait()
        except asyncio.CancelledError as exc:
            if self.ending.is_set():
                raise
            return exc
        return None

    async def _exit(self, failure: BaseException | None) -> None:
        info = (None, None, None)
        if failure is not None:
            info = (type(failure), failure, failure.__traceback__)  # type: ignore[assignment]
        try:
            await self._guard.call("__aexit__()", self._source.__aexit__, *info)
        except SourceError as exc:
            logger.warning("%s: exiting the source failed: %s", self.name, describe(exc))
        except asyncio.CancelledError:
            if self.ending.is_set():
                raise
