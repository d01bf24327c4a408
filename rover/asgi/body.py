"""The body of a request as it arrives: limited in silence, in average rate, and in time."""

from __future__ import annotations

from asyncio import get_running_loop, timeout_at
from math import inf
from typing import TYPE_CHECKING, Self

from rover.errors import (
    Draining,
    UploadInterrupted,
    UploadStalled,
    UploadTimedOut,
    UploadTooSlow,
)
from rover.tokens.grants import Grants

if TYPE_CHECKING:
    from asyncio import Timeout

    from starlette.types import Message, Receive

    from rover.errors import AccessEnded
    from rover.identity import Identity

RETRY_AFTER_S = 2
"""Seconds after which a client whose request a shutdown ended should send it again."""


GRACE_S = 10.0
"""Seconds that a body may take in addition to its size divided by the minimum rate."""


class Bodies:
    """The bodies that clients are sending now.

    Args:
        timeout_s: seconds without data after which reading a body fails.
        min_rate: bytes per second, averaged over the transfer, below which reading a body fails.
        grace_s: seconds that a body may take in addition.
        total_s: seconds after which reading a body fails, at any rate.
        grants: ends the transfers of clients that lose their access.
    """

    def __init__(
        self,
        timeout_s: float,
        min_rate: float,
        grace_s: float = GRACE_S,
        total_s: float = inf,
        grants: Grants | None = None,
    ) -> None:
        self.grants = Grants() if grants is None else grants
        self.timeout_s = timeout_s
        self.min_rate = min_rate
        self.grace_s = grace_s
        self.total_s = total_s
        self.closed = False
        self.waiting: set[Timeout] = set()

    def __len__(self) -> int:
        """The number of bodies that a request waits for."""
        return len(self.waiting)

    def read(self, receive: Receive, identity: Identity | None = None) -> Body:
        """The body of one request.

        Args:
            receive: of the request.
            identity: of the client; `None` if its access was not checked.
        """
        return Body(receive, self, identity)

    def close(self) -> None:
        """Have every request that waits for its body fail with `Draining`."""
        self.closed = True
        for timeout in self.waiting:
            _expire(timeout)


class Body:
    """The body of a request as an async iterator of chunks.

    Args:
        receive: of the request.
        bodies: of all requests; with the timeout.
        identity: of the client.

    Attributes:
        received: bytes so far.
        interrupted: whether the client disconnected.
    """

    def __init__(self, receive: Receive, bodies: Bodies, identity: Identity | None = None) -> None:
        self._identity = identity
        self.received = 0
        self.interrupted = False
        self._receive = receive
        self._bodies = bodies
        self._more = True
        self._waited_s = 0.0
        self._access_ended: AccessEnded | None = None

    def __aiter__(self) -> Self:
        return self

    @property
    def is_unread(self) -> bool:
        """Whether part of the body was not read."""
        return self._more

    async def __anext__(self) -> bytes:
        """The next bytes, never empty.

        Raises:
            UploadInterrupted: the client disconnected.
            UploadStalled: the client sent no data for the timeout.
            UploadTooSlow: the client sends less than the minimum rate. Only the time that the
                server waits for the client counts, here and for `UploadTimedOut`.
            UploadTimedOut: the body takes longer than the total time.
            Draining: the server is shutting down.
            AccessEnded: the client has lost its access.
        """
        while self._more:
            allowed_s = self._bodies.grace_s + self.received / self._bodies.min_rate
            left_s = min(allowed_s, self._bodies.total_s) - self._waited_s
            timeout_s = min(self._bodies.timeout_s, max(left_s, 0.0))
            message = await self._receive_within(timeout_s)
            if self._access_ended is not None:
                raise self._access_ended
            if message is None:
                if self._bodies.closed:
                    raise Draining(RETRY_AFTER_S)
                if timeout_s < self._bodies.timeout_s:
                    if allowed_s > self._bodies.total_s:
                        raise UploadTimedOut(self.received, self._bodies.total_s)
                    raise UploadTooSlow(self.received, self._waited_s, self._bodies.min_rate)
                raise UploadStalled(self.received, timeout_s)
            if message["type"] == "http.disconnect":
                self.interrupted = True
                raise UploadInterrupted(self.received)
            self._more = message.get("more_body", False)
            if body := message.get("body", b""):
                self.received += len(body)
                return bytes(body)
        raise StopAsyncIteration

    async def _receive_within(self, timeout_s: float) -> Message | None:
        """The next message; `None` after a timeout, at shutdown, or when the access has ended."""
        clock = get_running_loop().time
        began = clock()
        # an `anyio.CancelScope` costs twice the CPU
        timeout = timeout_at(began if self._bodies.closed else began + timeout_s)

        def end(error: AccessEnded) -> None:
            self._access_ended = error
            _expire(timeout)

        self._bodies.waiting.add(timeout)
        try:
            async with timeout:
                with self._bodies.grants.hold(self._identity, end):
                    return await self._receive()
        except TimeoutError:
            return None
        finally:
            self._bodies.waiting.discard(timeout)
            self._waited_s += clock() - began


def _expire(timeout: Timeout) -> None:
    if not timeout.expired():
        timeout.reschedule(0.0)
