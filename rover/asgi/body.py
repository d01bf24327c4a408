"""The body of a request as it arrives, with a timeout between its chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from anyio import move_on_after

from rover.errors import UploadInterrupted, UploadStalled

if TYPE_CHECKING:
    from starlette.types import Message, Receive


class Body:
    """The body of a request as an async iterator of chunks.

    Args:
        receive: of the request.
        timeout_s: seconds without data after which reading the body fails.

    Attributes:
        received: bytes so far.
        interrupted: whether the client disconnected.
    """

    def __init__(self, receive: Receive, timeout_s: float) -> None:
        self.received = 0
        self.interrupted = False
        self._receive = receive
        self._timeout_s = timeout_s
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
            UploadStalled: the client sent no data for `timeout_s`.
        """
        while self._more:
            message: Message = {"type": "timeout"}
            with move_on_after(self._timeout_s):
                message = await self._receive()
            if message["type"] == "timeout":
                raise UploadStalled(self.received, self._timeout_s)
            if message["type"] == "http.disconnect":
                self.interrupted = True
                raise UploadInterrupted(self.received)
            self._more = message.get("more_body", False)
            if body := message.get("body", b""):
                self.received += len(body)
                return bytes(body)
        raise StopAsyncIteration
