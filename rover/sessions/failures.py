"""The limit on wrong tokens, per client and for all clients together.

It only decides how a wrong token is refused: with 401, or with 429 and the time to wait. A right
token is checked first and accepted at once, so nobody can lock out other people by sending wrong
tokens from their address. The answer to a wrong token is not delayed: a delay would hold a
connection, and an attacker would not wait for it.
"""

from __future__ import annotations

from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENT_BURST = 10
"""Wrong tokens of one client before the first 429."""

CLIENT_PERIOD_S = 6.0
"""Seconds after which one client may send one more."""

TOTAL_BURST = 200
"""Wrong tokens of all clients before the first 429."""

TOTAL_PERIOD_S = 0.2
"""Seconds after which all clients together may send one more."""

MAX_CLIENTS = 10_000
"""Maximum number of clients that are counted separately; the oldest ones are forgotten."""


class Level(NamedTuple):
    """How many wrong tokens were sent, less those of which the time has passed."""

    sent: float
    at: float

    def later(self, now: float, period_s: float) -> float:
        """The count at a later time."""
        return max(0.0, self.sent - (now - self.at) / period_s)


EMPTY = Level(0.0, 0.0)


class Failures:
    """Counts wrong tokens.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._total = EMPTY
        self._clients: dict[str, Level] = {}  # the most recent failure last

    def __len__(self) -> int:
        """The number of clients that are counted separately."""
        return len(self._clients)

    def note(self, client: str) -> int | None:
        """Count a wrong token.

        Returns:
            Seconds that the client must wait if it has exceeded the limit, else `None`.
        """
        now = self._clock()
        mine = self._clients.pop(client, EMPTY).later(now, CLIENT_PERIOD_S)
        total = self._total.later(now, TOTAL_PERIOD_S)
        wait_s = max(
            (mine + 1 - CLIENT_BURST) * CLIENT_PERIOD_S, (total + 1 - TOTAL_BURST) * TOTAL_PERIOD_S
        )
        if is_allowed := wait_s <= 0:
            self._total = Level(total + 1, now)
        self._clients[client] = Level(mine + 1 if is_allowed else mine, now)
        if len(self._clients) > MAX_CLIENTS:
            del self._clients[next(iter(self._clients))]
        return None if is_allowed else ceil(wait_s)
