"""Slows the speakers of a channel to the pace of the members that read it.

A topic keeps a limited number of bytes. Without a pace, one member could publish faster than the
others read, and each of them would receive gaps instead of messages.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from anyio import Event, move_on_after

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rover.comms.member import Member

SHARE = 0.25
"""Share of what a channel keeps that is published before the speakers wait for the members."""

MAX_WAIT_S = 0.5
"""Maximum seconds that a speaker waits: a member that reads slowly receives a gap instead."""

STALLED_S = 0.25
"""Seconds of one send after which nobody waits for the member."""


class Pace:
    """Counts what is published, and lets the speakers wait until the members have taken it.

    Args:
        max_bytes: bytes of events that the channel keeps.
        max_events: events that it keeps.
        max_wait_s: maximum seconds of one wait.

    Attributes:
        behind: the members that speakers wait for, and the offset that each of them is to take.
    """

    def __init__(self, max_bytes: int, max_events: int, max_wait_s: float = MAX_WAIT_S) -> None:
        self._max_bytes = SHARE * max_bytes
        self._max_events = SHARE * max_events
        self._max_wait_s = max_wait_s
        self._bytes = self._events = 0
        self.behind: dict[Member, int] = {}
        self._caught_up: Event | None = None  # while speakers wait

    def add(self, size: int) -> None:
        """Count an event of `size` bytes."""
        self._bytes += size
        self._events += 1

    async def wait(self, members: Iterable[Member], now: float) -> None:
        """Return when the members can take more.

        This is at once unless a share of the channel was published since the last wait.

        Args:
            members: of the channel.
            now: monotonic seconds.
        """
        if self._bytes < self._max_bytes and self._events < self._max_events:
            return
        if self._caught_up is None:
            self.behind = {
                member: member.subscriber.position.offset + member.subscriber.lag
                for member in members
                if member.subscriber.lag and now - member.sending_since < STALLED_S
            }
            self._caught_up = Event()
        caught_up = self._caught_up
        if self.behind:
            with move_on_after(self._max_wait_s):
                await caught_up.wait()
        if caught_up is self._caught_up:  # the first speaker that goes on
            self._caught_up = None
            self._bytes = self._events = 0

    def advance(self, member: Member, offset: int) -> None:
        """Note that a member has taken the events up to an offset."""
        if offset >= self.behind.get(member, inf):
            self.leave(member)

    def leave(self, member: Member) -> None:
        """Wait no longer for a member."""
        self.behind.pop(member, None)
        if self._caught_up is not None and not self.behind:
            self._caught_up.set()
