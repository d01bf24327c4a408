"""Finds clients that do not read the data that is sent to them."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


MIN_READ_RATE = 128 * 2**10
"""Bytes per second of the slowest client that is never stalled, whatever its system buffers."""


class Backlog(NamedTuple):
    """The state of a connection. All numbers are 0 if the server does not show it.

    Attributes:
        unsent_bytes: bytes that the client has not acknowledged.
        progress: a number that grows with the bytes that the client has acknowledged.
        unread_bytes: maximum number of bytes that the client's system may buffer. It acknowledges
            nothing more until the client has read about half of them.
    """

    unsent_bytes: int = 0
    progress: int = 0
    unread_bytes: int = 0


class Sender(Protocol):
    """Sends to one client.

    Attributes:
        sending_since: monotonic seconds since which it waits for the client; infinity if it does
            not wait.
    """

    sending_since: float

    @property
    def backlog(self) -> Backlog:
        """What the client has not acknowledged, and its progress."""
        ...


AnySender = TypeVar("AnySender", bound=Sender)


class Stalls(Generic[AnySender]):
    """Distinguishes slow clients from stalled ones: a slow one acknowledges some data.

    The duration of a send shows nothing. A send ends when most of the data in the buffers of the
    server and the kernel is sent, which may be megabytes. A send of little data ends at once,
    because the kernel buffers it, also for a client whose network vanished.

    The client's system acknowledges in steps, which may be megabytes: once its buffer is full, not
    before half of it is read. So a client gets the timeout, and the time to read this buffer.

    Args:
        timeout_s: seconds after which a client that acknowledges nothing is stalled.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._seen: dict[AnySender, tuple[int, float]] = {}  # the progress, and since when

    @property
    def period_s(self) -> float:
        """Seconds between two calls of `find`."""
        return self._timeout_s / 4

    def find(self, senders: Iterable[AnySender], now: float) -> list[AnySender]:
        """The senders whose client has acknowledged none of its unsent data for too long."""
        seen, stalled = {}, []
        for sender in senders:
            unsent_bytes, progress, unread_bytes = sender.backlog
            began = sender.sending_since
            if began == inf and not unsent_bytes:
                continue
            before, since = self._seen.get(sender, (progress, min(began, now)))
            if progress > before:
                since = now
            elif began < inf:
                since = max(since, began)  # earlier sends have ended
            if now - since > self._timeout_s + unread_bytes / MIN_READ_RATE:
                stalled.append(sender)
            seen[sender] = progress, since
        self._seen = seen
        return stalled
