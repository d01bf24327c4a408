"""The clock by which recorded data becomes too old, which does not follow a wrong clock at once.

A machine may start in 1970 because it has no battery, or be set to 2099 by mistake. What is deleted
because of that does not come back, so deletion by age waits until a clock that has jumped forward
has said so for a day. A clock that was set back only deletes later.
"""

from __future__ import annotations

from contextlib import suppress
from time import monotonic, time
from typing import TYPE_CHECKING, Protocol

from anyio import sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

KEY = "retention/now"
"""The name of the saved time in the log."""

MAX_JUMP_S = 3600.0
"""Maximum seconds by which the clock may be ahead of the expected time."""

CONFIRM_S = 86_400.0
"""Seconds after which a clock that jumped forward further is believed."""

SAVE_S = 60.0
"""Seconds between two times that the time is saved."""

EARLIEST = 1_577_836_800.0
"""POSIX seconds of the year 2020. Data with an earlier time is of a clock that was not set: its age
is unknown."""


class KeepsValues(Protocol):
    """The part of a log that a retention clock uses."""

    def put(self, key: str, value: str | None) -> None:
        """Set a value."""
        ...

    def values(self, prefix: str = "") -> Mapping[str, str]:
        """The values whose key has a prefix, by key."""
        ...


class RetentionClock:
    """The present, for deletion by age.

    Args:
        log: keeps the time across restarts; `None` to begin with that of the clock.
        clock: POSIX seconds.
        elapsed: seconds of a clock that cannot be set.
    """

    def __init__(
        self,
        log: KeepsValues | None = None,
        clock: Callable[[], float] = time,
        elapsed: Callable[[], float] = monotonic,
    ) -> None:
        self._log = log
        self._clock = clock
        self._elapsed = elapsed
        self._believed, self._believed_at = clock(), elapsed()
        self._ahead_since: float | None = None

    def load(self) -> None:
        """Go on with the time of the last run; call it when the log is open."""
        if self._log is not None and (text := self._log.values(KEY).get(KEY)) is not None:
            with suppress(ValueError):
                self._believed, self._believed_at = float(text), self._elapsed()

    def now(self) -> float:
        """POSIX seconds."""
        now, elapsed = self._clock(), self._elapsed()
        expected = self._believed + elapsed - self._believed_at
        if now > expected + MAX_JUMP_S:
            if self._ahead_since is None:
                self._ahead_since = elapsed
            if elapsed - self._ahead_since < CONFIRM_S:
                return expected
        self._believed, self._believed_at, self._ahead_since = now, elapsed, None
        return now

    async def run(self) -> None:
        """Save the time until cancelled."""
        while True:
            if self._log is not None:
                self._log.put(KEY, repr(self.now()))
            await sleep(SAVE_S)


def expired_count(times: Iterable[float], before: float) -> int:
    """The number of events that are older than a time.

    No event is older than one before it, whatever the server's clock was. An event whose age is
    unknown expires with the next one that has an age.

    Args:
        times: at which the server published each event, in their order.
        before: POSIX seconds.
    """
    count = 0
    for number, t in enumerate(times, 1):
        if t >= before:
            break
        if t >= EARLIEST:
            count = number
    return count
