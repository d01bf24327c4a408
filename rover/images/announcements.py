"""Announces the images that have changed, a few at a time.

A camera may send thousands of images at once. Clients receive the newest ones as events, and the
number of those that were left out: the list of images has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import Event, sleep

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.images.arrivals import Arrival

PERIOD_S = 0.5
"""Seconds between two groups of events."""

MAX_EVENTS = 10
"""Maximum number of events in a group."""


class Announcements:
    """The changes that are not announced yet.

    Args:
        publish: called with a change, and the number of images that were left out before it.
    """

    def __init__(self, publish: Callable[[Arrival, int], None]) -> None:
        self._publish = publish
        self._pending: dict[tuple[str, str], Arrival] = {}  # the last to change last
        self._skipped = 0
        self._changed = Event()

    def add(self, arrival: Arrival) -> None:
        """Announce a change soon."""
        key = arrival.camera, arrival.image.id
        self._pending.pop(key, None)
        self._pending[key] = arrival
        if len(self._pending) > MAX_EVENTS:
            del self._pending[next(iter(self._pending))]
            self._skipped += 1
        self._changed.set()

    async def run(self) -> None:
        """Announce changes until cancelled."""
        while True:
            await self._changed.wait()
            self._changed = Event()
            pending, self._pending = self._pending, {}
            for arrival in pending.values():
                skipped, self._skipped = self._skipped, 0
                self._publish(arrival, skipped)
            await sleep(PERIOD_S)
