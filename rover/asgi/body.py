"""The body of a request as it arrives, with a timeout between its chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from anyio import move_on_after

from rover.errors import Draining, UploadInterrupted, UploadStalled

if TYPE_CHECKING:
    from anyio import CancelScope
    from starlette.types import Message, Receive


RETRY_AFTER_S = 2
"""Seconds after which a client whose request a shutdown ended should send it again."""


class Bodies:
    """The bodies that clients are sending now.

    Args:
        timeout_s: seconds without data after which reading a body fails.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.closed = False
        self.waiting: set[CancelScope] = set()

    def __len__(self) -> int:
        """The number of bodies that a request waits for."""
        return len(self.waiting)

    def read(self, receive: Receive) -> Body:
        """The body of one request."""
        return Body(receive, self)

    def close(self) -> None:
        """Have every request that waits for its body fail with `Draining`."""
        self.closed = True
        for scope in list(self.waiting):
            scope.cancel()


class Body:
    """The body of a request as an async iterator of chunks.

    Args:
        receive: of the request.
        bodies: of all requests; with the timeout.

    Attributes:
        received: bytes so far.
        interrupted: whether the client disconnected.
    """

    def __init__(self, receive: Receive, bodies: Bodies) -> None:
        self.received = 0
        self.interrupted = False
        self._receive = receive
        self._bodies = bodies
        self._more = True

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
            Draining: the server is shutting down.
        """
        while self._more:
            message: Message = {"type": "timeout"}
            timeout_s = 0.0 if self._bodies.closed else self._bodies.timeout_s
            with move_on_after(timeout_s) as scope:
                self._bodies.waiting.add(scope)
                try:
                    message = await self._receive()
                finally:
                    self._bodies.waiting.discard(scope)
            if message["type"] == "timeout":
                if self._bodies.closed:
                    raise Draining(RETRY_AFTER_S)
                raise UploadStalled(self.received, timeout_s)
            if message["type"] == "http.disconnect":
                self.interrupted = True
                raise UploadInterrupted(self.received)
            self._more = message.get("more_body", False)
            if body := message.get("body", b""):
                self.received += len(body)
                return bytes(body)
        raise StopAsyncIteration
