"""The errors of the client. The message of each is one sentence for people.

ClientError
├── InvalidArgument      an argument of the client cannot be used; nothing was sent
├── ConnectionFailed     the server cannot be reached, or the connection was cut
│   └── Silent           the server sent nothing for too long
├── Refused              the server answered with an error status
├── NotARover            another server answers at the URL
├── ImageChanged         the image was replaced while it was received
├── ImageIncomplete      an image cannot be received completely
├── MessageRefused       a channel does not accept a message
├── ChannelClosed        the server closed a channel and does not allow a return
└── OutcomeUnknown       the connection was cut before the outcome arrived
"""

from __future__ import annotations


class ClientError(Exception):
    """Base class of the client's errors."""


class InvalidArgument(ClientError, ValueError):
    """An argument of the client cannot be used. Nothing was sent."""


class ConnectionFailed(ClientError):
    """The server cannot be reached, or the connection was cut."""


class Silent(ConnectionFailed):
    """The server sent nothing, not even a heartbeat, for too long."""


class Refused(ClientError):
    """The server answered with an error status.

    Attributes:
        status: the HTTP status.
        detail: the reason that the server gives; empty without one.
        retry_after_s: seconds after which the server wants to be asked again, or `None`.
        code: the reason, for programs; empty without one.
    """

    def __init__(
        self, status: int, detail: str = "", retry_after_s: float | None = None, code: str = ""
    ) -> None:
        self.status = status
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.code = code
        super().__init__(f"{status}: {detail}" if detail else f"the server answered with {status}")

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (408, 425, 429) or self.status >= 500


class NotARover(ClientError):
    """The answer does not come from a Cosmic Rover server."""


class ImageChanged(ClientError):
    """The server replaced the image while it was being received. The bytes must not be joined."""


class ImageIncomplete(ClientError):
    """The image cannot be received completely.

    Attributes:
        received: bytes that have arrived.
    """

    def __init__(self, received: int, reason: str) -> None:
        self.received = received
        super().__init__(f"the image is incomplete after {received:,} bytes: {reason}")


class MessageRefused(ClientError):
    """A channel does not accept a message.

    Attributes:
        code: the reason, for programs, such as `empty`.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


class ChannelClosed(ClientError):
    """The server closed the channel.

    Attributes:
        code: the WebSocket close code.
        reason: for people.
    """

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"the server closed the channel: {reason or code}")


class OutcomeUnknown(ClientError):
    """The connection was cut before the server reported the outcome."""
