"""An iterator cancelled at many moments."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from anyio import sleep
from anyio.lowlevel import checkpoint

from rover.testing.clauses import Clause, ContractBroken
from rover.testing.leaks import Leftovers, open_files
from rover.testing.reading import Reading
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

T = TypeVar("T")

TURNS = (0, 1, 2, 3, 5, 8, 13)
"""After so many turns of the event loop a source is cancelled."""

SHARES = (0.25, 0.5, 0.75)
"""And after these shares of the time that its first item takes."""

LONGEST_SHARE_S = 0.5

TIMES = 4
"""So often it is cancelled after its first item; what grows each time is a leak."""


async def cancel_everywhere(
    what: str,
    make: Callable[[], AsyncIterator[T]],
    clause: Clause,
    *,
    first_s: float,
    timeout_s: float,
    always: bool = True,
) -> None:
    """Cancel a fresh iterator at many moments, and see that nothing stays behind.

    Args:
        what: is iterated, for messages.
        make: gives the iterator.
        clause: what it breaks when it gives nothing any more.
        first_s: how long its first item takes.
        timeout_s: how long it may take.
        always: it always has something to give; else it is not waited for.

    Raises:
        ContractBroken: it does not end, or leaves tasks or open files.
    """
    for turns in TURNS:
        async with _gone_after(Reading(what, make, clause)):
            for _ in range(turns):
                await checkpoint()
    for share in SHARES:
        async with _gone_after(Reading(what, make, clause)):
            await sleep(min(share * first_s, LONGEST_SHARE_S))
    if not always:
        return
    files = [open_files()]
    for time in range(TIMES):
        async with _gone_after(Reading(what, make, clause, pause_at=time % 2 or None)) as reading:
            came = await reading.came(1, timeout_s)
        anew = f"{what} was cancelled, called anew, and"
        if isinstance(reading.failure, SourceError):
            raise ContractBroken(clause, f"{anew} raised {reading.failure!r}") from reading.failure
        reading.require_well()
        clause.require(came, f"{anew} gave nothing for {timeout_s:g} s")
        files.append(open_files())
    Clause.SOURCE_CLEANUP.require(
        not all(before < after for before, after in pairwise(files)),
        f"{what} was cancelled {TIMES} times, and each time a file, socket or pipe more was open"
        f" ({files[0]} at first, then {', '.join(map(str, files[1:]))})",
    )


@asynccontextmanager
async def _gone_after(reading: Reading[T]) -> AsyncIterator[Reading[T]]:
    """A reading of which nothing is left after the block."""
    left = Leftovers()
    async with reading:
        yield reading
    await left.require_none(f"{reading.what} was cancelled")
