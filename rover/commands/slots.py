"""The places of checks that run at once, and the queue of those that wait."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anyio import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@dataclass(slots=True, eq=False)
class _Waiter:
    client: str | None
    on_position: Callable[[int], None]
    position: int = 0
    ready: Event = field(default_factory=Event)


class Slots:
    """Lets a limited number of checks run at once.

    A free slot goes to the client with the fewest running checks; among its checks and those of
    clients with as few, to the one that has waited longest.

    Args:
        limit: maximum number of checks that run at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: Counter[str | None] = Counter()
        self._waiting: list[_Waiter] = []

    @asynccontextmanager
    async def hold(
        self, client: str | None, on_position: Callable[[int], None]
    ) -> AsyncIterator[None]:
        """Wait for a slot, and hold it for the duration of the block.

        Args:
            client: whose check it is.
            on_position: called with the position in the queue, from 1, when the check begins to
                wait and each time that others before it have left.
        """
        if self._running.total() < self._limit:
            self._running[client] += 1
        else:
            await self._wait(client, on_position)
        try:
            yield
        finally:
            self._release(client)

    async def _wait(self, client: str | None, on_position: Callable[[int], None]) -> None:
        waiter = _Waiter(client, on_position)
        self._waiting.append(waiter)
        self._publish_positions()
        try:
            await waiter.ready.wait()
        except BaseException:
            if waiter.ready.is_set():
                self._release(client)
            else:
                self._waiting.remove(waiter)
                self._publish_positions()
            raise

    def _release(self, client: str | None) -> None:
        self._running[client] -= 1
        self._running += Counter()  # drops clients without a check
        if self._waiting:
            waiter = min(self._waiting, key=lambda one: self._running[one.client])
            self._waiting.remove(waiter)
            self._running[waiter.client] += 1
            waiter.ready.set()
            self._publish_positions()

    def _publish_positions(self) -> None:
        for position, waiter in enumerate(self._waiting, 1):
            if waiter.position != position:
                waiter.position = position
                waiter.on_position(position)
