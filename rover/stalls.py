"""Finds clients that do not read the data that is sent to them."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class Sender(Protocol):
    """Sends to one client, and waits while the client does not read.

    Attributes:
        sending_since: monotonic seconds since which it waits; infinity if it does not wait.
    """

    sending_since: float

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the client has not acknowledged; 0 if that is unknown."""
        ...


AnySender = TypeVar("AnySender", bound=Sender)


class Stalls(Generic[AnySender]):
    """Distinguishes slow clients from stalled ones: the unsent bytes of a slow one decrease.

    A send may take a slow client minutes: it ends when most of the data in the buffers of
    the server and the kernel is sent, which may be a megabyte.

    Args:
        timeout_s: seconds after which a client that reads nothing is stalled.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._unsent: dict[AnySender, int] = {}  # when last seen

    @property
    def period_s(self) -> float:
        """Seconds between two calls of `find`."""
        return self._timeout_s / 4

    def find(self, senders: Iterable[AnySender], now: float) -> list[AnySender]:
        """The senders whose client has read nothing for the timeout.

        The `sending_since` of a sender whose client has read is set to `now`.
        """
        unsent = {one: one.unsent_bytes for one in senders if one.sending_since < inf}
        stalled = []
        for sender, count in unsent.items():
            if count < self._unsent.get(sender, count):
                sender.sending_since = now
            elif now - sender.sending_since > self._timeout_s:
                stalled.append(sender)
        self._unsent = unsent
        return stalled
