"""A list that tests can wait on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import Event, fail_after

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Recorder(list[T]):
    """A list of events; `until` waits for the event that makes a condition true."""

    def __init__(self) -> None:
        super().__init__()
        self._appended = Event()

    def append(self, item: T) -> None:
        """Append an item, and wake up `until`."""
        super().append(item)
        self._appended.set()

    async def until(self, condition: Callable[[Recorder[T]], bool], timeout_s: float = 15) -> None:
        """Return once the condition is true for this list; else raise `TimeoutError`."""
        with fail_after(timeout_s):
            while not condition(self):
                self._appended = Event()
                await self._appended.wait()
