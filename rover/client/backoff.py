"""When to connect again after a connection was cut."""

from __future__ import annotations

import random

MAX_DELAY_S = 30.0
"""Maximum seconds between two attempts, unless the server asks for more."""

MAX_RETRY_AFTER_S = 600.0
"""Maximum seconds that a server may ask for."""


class Backoff:
    """Delays that double with each failure, with jitter, so that clients do not return together.

    Attributes:
        retry_s: seconds before the first attempt; a server states them in `retry:`.
        failures: attempts since the last success.
    """

    def __init__(self, retry_s: float = 1.0) -> None:
        self.retry_s = retry_s
        self.failures = 0

    def succeed(self) -> None:
        """Begin again with the shortest delay: data has arrived."""
        self.failures = 0

    def next_delay_s(self, retry_after_s: float | None = None) -> float:
        """Seconds to wait before the next attempt.

        Args:
            retry_after_s: seconds that the server asked for, in `Retry-After`.
        """
        ceiling = max(self.retry_s, min(self.retry_s * 2.0**self.failures, MAX_DELAY_S))
        self.failures = min(self.failures + 1, 16)
        delay = ceiling * random.uniform(0.5, 1)  # noqa: S311 # jitter
        if retry_after_s is None:
            return delay
        return min(max(delay, retry_after_s), MAX_RETRY_AFTER_S)
