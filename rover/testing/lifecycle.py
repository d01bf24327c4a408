"""A source entered, checked and exited."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from rover.testing.clauses import Clause, ContractBroken
from rover.testing.leaks import Leftovers
from rover.testing.stalls import pulse
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def live(
    source: object,
    check: Callable[[], Awaitable[None]],
    *,
    beside: Callable[[], Awaitable[object]] | None,
    timeout_s: float,
    max_stall_s: float,
) -> None:
    """Run the check within the source's life, with something else beside it.

    Raises:
        ContractBroken: by the check, or the source lives wrongly.
        SourceError: as the source raised it.
    """
    async with pulse() as watching:
        left = Leftovers()
        await _enter(source, timeout_s)
        helper = None if beside is None else asyncio.create_task(_run(beside))
        failure: BaseException | None = None
        try:
            await check()
        except (Exception, asyncio.CancelledError) as exc:
            failure = exc  # kept from the source's __aexit__, which could wrap it
        if helper is not None:
            helper.cancel()
        try:
            await _exit(source, timeout_s)
        finally:
            if helper is not None:
                await asyncio.wait({helper})
        if helper is not None and not helper.cancelled():
            helper.result()  # raises what it raised: then nothing could come
        if failure is not None:
            raise failure
        await left.require_none("the source was exited")
        watching.require_steady(max_stall_s)


async def _run(beside: Callable[[], Awaitable[object]]) -> None:
    await beside()


async def _enter(source: object, timeout_s: float) -> None:
    if not isinstance(source, AbstractAsyncContextManager):
        Clause.SOURCE_LIFE.require(
            not (hasattr(source, "__aenter__") or hasattr(source, "__aexit__")),
            f"{type(source).__name__} has one of __aenter__ and __aexit__, and lacks the other",
        )
        return
    try:
        async with asyncio.timeout(timeout_s):  # no cancel scope: the source may open its own
            await source.__aenter__()
    except SourceError:
        raise
    except Exception as exc:
        saw = f"__aenter__ raised {exc!r}; raise a SourceError that says what to do about it"
        raise ContractBroken(Clause.SOURCE_ERRORS, saw) from exc


async def _exit(source: object, timeout_s: float) -> None:
    if not isinstance(source, AbstractAsyncContextManager):
        return
    try:
        async with asyncio.timeout(timeout_s):
            await source.__aexit__(None, None, None)
    except Exception as exc:
        raise ContractBroken(Clause.SOURCE_LIFE, f"__aexit__ raised {exc!r}") from exc
