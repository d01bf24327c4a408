"""The token buckets of the senders of one channel: a reconnection does not fill a bucket."""

from __future__ import annotations

from math import ceil
from time import monotonic
from typing import TYPE_CHECKING

from rover.comms.bucket import Bucket
from rover.errors import TooManyMessages

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.identity import Identity

MAX_CLIENTS = 1_000
"""Maximum number of clients whose buckets are kept while they have no connection."""


class Buckets:
    """Finds the bucket of each sender.

    A client whose token has a name has one bucket for all of its connections and requests. Other
    clients have one for each connection, and one for requests. When such a connection ends, its
    bucket waits for the next connection of the same client.

    Args:
        rate_hz: messages per second.
        burst: messages at once.
        clock: monotonic seconds.
    """

    def __init__(self, rate_hz: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self._rate_hz = rate_hz
        self._burst = burst
        self._clock = clock
        self._shared: dict[tuple[str, str], Bucket] = {}  # the ones used last at the end
        self._left: dict[str, list[Bucket]] = {}  # of ended connections, by client

    def join(self, client: str | None, identity: Identity) -> Bucket:
        """The bucket of a new connection."""
        if identity.name:
            return self._share("name", identity.name)
        left = self._left.get(client or "")
        if not left:
            return self._new()
        emptiest = max(left, key=lambda bucket: bucket.full_in_s)
        left.remove(emptiest)
        return emptiest

    def leave(self, bucket: Bucket, client: str | None, identity: Identity) -> None:
        """Keep the bucket of a connection that has ended."""
        if identity.name or client is None:
            return
        left = [one for one in self._left.pop(client, ()) if one.full_in_s]
        self._left[client] = [*left, bucket]
        if len(self._left) > MAX_CLIENTS:
            del self._left[next(iter(self._left))]

    def take_request(self, client: str, identity: Identity) -> None:
        """Count a message of a client that is not a member.

        Raises:
            TooManyMessages: it sends too many.
        """
        name = identity.name
        bucket = self._share("name", name) if name else self._share("client", client)
        if bucket.wait_s:
            raise TooManyMessages(self._rate_hz, ceil(bucket.wait_s))
        bucket.take()

    def _share(self, kind: str, name: str) -> Bucket:
        bucket = self._shared.pop((kind, name), None) or self._new()
        self._shared[kind, name] = bucket
        if len(self._shared) > MAX_CLIENTS:
            del self._shared[next(iter(self._shared))]
        return bucket

    def _new(self) -> Bucket:
        return Bucket(self._rate_hz, self._burst, self._clock)
