"""Limited resources, of which one client may use only a share.

    views = Pool("views", "ROVER_MAX_VIEWS", limit=32, share=1 / 3)
    with views.hold("192.0.2.7"):  # raises PoolFull at the 11th time at once
        ...

A client is a token, an address, or an IPv6 network: `rover.asgi.clients` names it.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from math import floor
from typing import TYPE_CHECKING, Literal

from rover.errors import PoolFull

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDING = 1e-9
"""Added before rounding down: `100 * 0.29` is a little less than 29."""

Refusal = Literal["limit", "share"]


class Pool:
    """Counts how much of a limited resource each client holds.

    Args:
        name: of what is counted, in the plural, for errors and metrics.
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
        """Count one less."""
        self._used -= 1
        if client is None:
            return
        if (left := self._held[client] - 1) > 0:
            self._held[client] = left
        else:
            del self._held[client]

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
