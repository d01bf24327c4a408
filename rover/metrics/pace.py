"""Iteration in a thread that leaves time for the event loop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Item = TypeVar("Item")

ITEMS_AT_ONCE = 20
"""Number of items after which the event loop may run: about 0.3 ms of encoding."""

PAUSE_S = 1e-5
"""Seconds of a pause. CPython would pass on its lock only after 5 ms (`sys.getswitchinterval`)."""


class Paced(list[Item]):
    """The items of an iterable, one after the other, with short pauses of the thread.

    It is a list because `Metric.samples` is one. It can be iterated once.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        super().__init__()
        self._items = items

    def __iter__(self) -> Iterator[Item]:
        for number, item in enumerate(self._items, 1):
            yield item
            if number % ITEMS_AT_ONCE == 0:
                time.sleep(PAUSE_S)
