"""A long computation in a worker thread, in slices of some milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import to_thread

from sources.base import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

MAX_ITEMS = 64
"""Maximum number of items of a slice."""

Item = TypeVar("Item")


async def in_slices(items: Iterator[Item]) -> AsyncIterator[Item]:
    """Yield the items of an iterator, which runs in a worker thread.

    Each slice ends with a `Progress`, so the iterator yields one at least every some milliseconds.
    A cancellation takes effect after the slice.
    """
    while batch := await to_thread.run_sync(_slice, items):
        for item in batch:
            yield item


def _slice(items: Iterator[Item]) -> list[Item]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if isinstance(item, Progress) or len(batch) == MAX_ITEMS:
            break
    return batch
