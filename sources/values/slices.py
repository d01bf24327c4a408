"""A long computation in a worker thread, in slices of some milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import to_thread

from sources.base import Progress, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

MAX_ITEMS = 64
"""Maximum number of items of a slice."""

Item = TypeVar("Item")


async def in_slices(items: Generator[Item]) -> AsyncIterator[Item]:
    """Yield the items of a generator, which runs in a worker thread, and close it.

    Each slice ends with a `Progress`, so the generator yields one at least every some milliseconds.
    It goes on after a `Verdict` only when the verdict was taken, so that files of the verdict still
    exist. A cancellation takes effect after the slice.
    """
    try:
        while batch := await to_thread.run_sync(_slice, items):
            for item in batch:
                yield item
    finally:
        items.close()


def _slice(items: Generator[Item]) -> list[Item]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if isinstance(item, Progress | Verdict) or len(batch) == MAX_ITEMS:
            break
    return batch
