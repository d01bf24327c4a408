"""Enters a source, runs a check on it, and exits it."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from rover.testing.clauses import Clause, ContractBroken
from rover.testing.leaks import NewTasks
from rover.testing.stalls import monitor_stalls
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rover.testing.timeouts import Timeouts


async def run_check(
    source: object,
    check: Callable[[], Awaitable[None]],
    timeouts: Timeouts,
    *,
    feed: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Enter the source, run the check, and exit the source.

    Args:
        source: not entered yet.
        check: the check.
        timeouts: how long to wait for the source.
        feed: runs in a task while the source is checked.

    Raises:
        ContractBroken: the check raised it, the source could not be entered or exited, it left
            tasks running, or it blocked the event loop.
        SourceError: as the source raised it.
    """
    async with monitor_stalls() as monitor:
        tasks = NewTasks(timeouts.cancel_s)
        await _enter(source, timeouts)
        feeding = None if feed is None else asyncio.create_task(run(feed))
        failure: BaseException | None = None
        try:
            await check()
        except (Exception, asyncio.CancelledError) as exc:
            failure = exc  # not passed to the source's `__aexit__`, which could replace it
        if feeding is not None:
            feeding.cancel()
        try:
            await _exit(source, timeouts)
        finally:
            if feeding is not None:
                await asyncio.wait({feeding})
        if feeding is not None and not feeding.cancelled():
            feeding.result()  # raises the error of `feed`: without it, no sample could arrive
        if failure is not None:
            raise failure
        await tasks.require_done("the source was exited")
        monitor.require_responsive(timeouts.stall_s)


async def run(function: Callable[[], Awaitable[object]]) -> None:
    """Call and await: `asyncio.create_task` needs a coroutine, not any awaitable."""
    await function()


async def _enter(source: object, timeouts: Timeouts) -> None:
    if not isinstance(source, AbstractAsyncContextManager):
        Clause.SOURCE_LIFE.require(
            not (hasattr(source, "__aenter__") or hasattr(source, "__aexit__")),
            f"{type(source).__name__} has only one of `__aenter__` and `__aexit__`; define both",
        )
        return
    try:
        # Not a cancel scope: the source may enter a task group that stays open, and anyio requires
        # that scopes are exited in reverse order.
        async with asyncio.timeout(timeouts.wait_s):
            await source.__aenter__()
    except SourceError:
        raise
    except Exception as exc:
        raise ContractBroken(
            Clause.SOURCE_ERRORS,
            f"`__aenter__` raised {exc!r}; raise a SourceError that says how to fix it",
        ) from exc


async def _exit(source: object, timeouts: Timeouts) -> None:
    if not isinstance(source, AbstractAsyncContextManager):
        return
    try:
        async with asyncio.timeout(timeouts.wait_s):
            await source.__aexit__(None, None, None)
    except Exception as exc:
        raise ContractBroken(Clause.SOURCE_LIFE, f"`__aexit__` raised {exc!r}") from exc
