"""Limited resources, of which one client may use only a share.

    views = Pool("views", "ROVER_MAX_VIEWS", limit=32, share=1 / 3)
    with views.hold("192.0.2.7"):  # raises PoolFull at the 11th time at once
        ...

A client is a token, an address, or an IPv6 network: `rover.asgi.clients` names it.
"""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from math import floor
from typing import TYPE_CHECKING, Literal, NamedTuple

from anyio import Event, move_on_after

from rover.errors import PoolFull

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROUNDING = 1e-9
"""Added before rounding down: `100 * 0.29` is a little less than 29."""

Refusal = Literal["limit", "share"]


class Waiter(NamedTuple):
    """A client that waits for one of a limited resource.

    Attributes:
        client: who waits.
        acquired: set when it has got one.
    """

    client: str | None
    acquired: Event


class Pool:
    """Counts how much of a limited resource each client holds.

    Args:
        name: of the resource, in the plural, for errors and metrics.
        setting: the environment variable with the limit; empty if the limit is fixed.
        limit: the maximum for all clients together.
        share: the part of the limit that one client may hold, at most 1. It is rounded down, but
            each client may hold one.
        refused: counts refusals; several pools of one kind may have one counter.

    Attributes:
        share: the maximum for one client.
        refused: number of refusals: `limit` if all were in use, `share` if the client's share was.
    """

    def __init__(
        self,
        name: str,
        setting: str,
        limit: int,
        share: float = 1.0,
        refused: Counter[Refusal] | None = None,
    ) -> None:
        self.name = name
        self.setting = setting
        self.limit = limit
        self.share = max(1, floor(limit * share + ROUNDING))
        self.refused: Counter[Refusal] = Counter() if refused is None else refused
        self._used = 0
        self._held: dict[str, int] = {}
        self._waiters: list[Waiter] = []  # in the order in which they began to wait

    def __len__(self) -> int:
        """The number in use."""
        return self._used

    def held_by(self, client: str | None) -> int:
        """The number that a client holds."""
        return 0 if client is None else self._held.get(client, 0)

    def is_share_used(self, client: str | None) -> bool:
        """Whether a client holds its whole share."""
        return self.held_by(client) >= self.share

    def is_full(self, client: str | None) -> bool:
        """Whether `acquire` raises for a client."""
        return self._used >= self.limit or self.is_share_used(client)

    def check(self, client: str | None) -> None:
        """Check that a client may hold one more.

        Raises:
            PoolFull: all are in use, or the client's share is.
        """
        if not self.is_full(client):
            return
        is_share = self._used < self.limit
        self.refused["share" if is_share else "limit"] += 1
        held = self.held_by(client)
        raise PoolFull(self.name, self.setting, self.limit, client, held, is_share=is_share)

    def acquire(self, client: str | None) -> None:
        """Count one more; call `release` with the same client afterwards.

        Args:
            client: who holds it. `None` is this program itself, which has no share.

        Raises:
            PoolFull: all are in use, or the client's share is.
        """
        self.check(client)
        self._used += 1
        if client is not None:
            self._held[client] = self._held.get(client, 0) + 1

    def release(self, client: str | None) -> None:
        """Count one less. The first client that waits and has a share left gets it."""
        self._used -= 1
        if client is not None:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]
        for waiter in self._waiters:
            if not self.is_full(waiter.client):
                self._waiters.remove(waiter)
                self.acquire(waiter.client)
                waiter.acquired.set()
                return

    @asynccontextmanager
    async def place(self, client: str | None, timeout_s: float) -> AsyncIterator[None]:
        """Wait for one, and count it for the duration of the block.

        Args:
            client: who holds it.
            timeout_s: seconds to wait.

        Raises:
            PoolFull: all are still in use then, or the client's share is.
        """
        await self._wait(client, timeout_s)
        try:
            yield
        finally:
            self.release(client)

    async def _wait(self, client: str | None, timeout_s: float) -> None:
        if self.is_full(client):
            waiter = Waiter(client, Event())
            self._waiters.append(waiter)
            try:
                with move_on_after(timeout_s):
                    await waiter.acquired.wait()
            except BaseException:
                if waiter.acquired.is_set():
                    self.release(client)
                raise
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
            if waiter.acquired.is_set():
                return
        self.acquire(client)

    @contextmanager
    def hold(self, client: str | None) -> Iterator[None]:
        """Count one more for the duration of the block.

        Raises:
            PoolFull: all are in use, or the client's share is.
        """
        self.acquire(client)
        try:
            yield
        finally:
            self.release(client)
