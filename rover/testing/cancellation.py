"""Cancels a source's iterator at many moments."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from anyio import sleep
from anyio.lowlevel import checkpoint

from rover.testing.clauses import Clause, ContractBroken
from rover.testing.leaks import NewTasks, count_open_files
from rover.testing.reading import Reading
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rover.testing.timeouts import Timeouts

T = TypeVar("T")

CHECKPOINTS = (0, 1, 2, 3, 5, 8, 13)
"""Numbers of turns of the event loop after which an iterator is cancelled."""

SHARES = (0.25, 0.5, 0.75)
"""Shares of the time until the first item after which an iterator is cancelled."""

MAX_SHARE_S = 0.5
"""Maximum seconds of such a share."""

CANCELLATIONS_AFTER_AN_ITEM = 4
"""Number of cancellations after the first item; files whose number grows with each are a leak."""


async def check_cancellation(
    name: str,
    make: Callable[[], AsyncIterator[T]],
    clause: Clause,
    timeouts: Timeouts,
    *,
    first_s: float,
    has_items: bool = True,
) -> None:
    """Return if an iterator ends at each cancellation, and yields items when it is called again.

    Args:
        name: of the iterator, for messages: `samples()`.
        make: returns a new iterator.
        clause: the clause that is broken if a new iterator yields no item.
        timeouts: how long to wait for the iterator.
        first_s: Seconds until its first item.
        has_items: whether every new iterator yields an item; if not, none is waited for.

    Raises:
        ContractBroken: the iterator does not end, leaves tasks or files open, or yields no item.
    """
    for count in CHECKPOINTS:
        async with _cancelled_after(Reading(name, make, clause, timeouts), timeouts):
            for _ in range(count):
                await checkpoint()
    for share in SHARES:
        async with _cancelled_after(Reading(name, make, clause, timeouts), timeouts):
            await sleep(min(share * first_s, MAX_SHARE_S))
    if not has_items:
        return
    files = [count_open_files()]
    for number in range(CANCELLATIONS_AFTER_AN_ITEM):
        reading = Reading(name, make, clause, timeouts, pause_after=number % 2 or None)
        async with _cancelled_after(reading, timeouts):
            came = await reading.wait_for_items(1)
        again = f"{name} was cancelled, called again, and"
        if isinstance(reading.failure, SourceError):
            raise ContractBroken(clause, f"{again} raised {reading.failure!r}") from reading.failure
        reading.raise_failure()
        clause.require(came, f"{again} yielded nothing for {timeouts.wait_s:g} s")
        files.append(count_open_files())
    Clause.SOURCE_CLEANUP.require(
        not all(before < after for before, after in pairwise(files)),
        f"{name} was cancelled {CANCELLATIONS_AFTER_AN_ITEM} times, and the number of open files,"
        f" sockets and pipes grew each time: {', '.join(map(str, files))}; close them in `finally`",
    )


@asynccontextmanager
async def _cancelled_after(reading: Reading[T], timeouts: Timeouts) -> AsyncIterator[None]:
    """Cancels the reading after the block; no task of the reading may be left then."""
    tasks = NewTasks(timeouts.cancel_s)
    async with reading:
        yield
    await tasks.require_done(f"{reading.name} was cancelled")
