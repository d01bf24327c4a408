"""Errors about channels and their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rover.errors.base import RoverError

if TYPE_CHECKING:
    from collections.abc import Sequence


class ChannelRefused(RoverError):
    """A channel's or a member's name is not allowed."""

    def __init__(self, what: str, name: str, reason: str) -> None:
        self.what = what
        self.name = name
        shown = name if len(name) <= 80 else name[:79] + "…"
        super().__init__(f"{what} {shown!r} is not allowed: {reason}")


class SubprotocolRefused(RoverError):
    """A client offers WebSocket subprotocols, and the server has none of them."""

    def __init__(self, offered: Sequence[str], known: str) -> None:
        super().__init__(
            f"the subprotocol {offered[0][:40]!r} is unknown; offer {known!r}, or none to receive "
            "plain text"
        )


class UpgradeRequired(RoverError):
    """A WebSocket's URL was requested as an ordinary one.

    Attributes:
        headers: of the response. HTTP/2 and 3 do not allow `Upgrade` (RFC 9113, 8.2.2).
    """

    def __init__(self, http_version: str) -> None:
        is_http1 = http_version.startswith("1")
        self.headers = {"Upgrade": "websocket", "Connection": "Upgrade"} if is_http1 else {}
        super().__init__(
            "this is the URL of a WebSocket: connect with a WebSocket client (`ws:` or `wss:`), or "
            "read and send messages over HTTP at `/comms/CHANNEL/messages`"
        )


class MessageRefused(RoverError):
    """A channel does not accept this message.

    Attributes:
        code: stable, for machines: `empty`, `malformed`, `recorded`, `unknown_type`, `not_allowed`,
            and those of the subclasses.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)

    @property
    def members(self) -> dict[str, str]:
        """Of the problem document."""
        return {"code": self.code}


class MessageConflict(MessageRefused):
    """A message does not fit the state of the channel: a vote after the deadline, a second vote.

    Its `code` is `late`, `already_voted`, `already_acknowledged`, `retracted`, `not_changeable`,
    `ref_reused` or `too_many`.
    """


class MessageForbidden(MessageRefused):
    """The client may not send this message.

    Its `code` is `muted`, `removed`, `not_allowed`, `not_on_roll`, `not_author` or `not_moderator`.
    """


class UnknownMessage(MessageRefused):
    """A message refers to one that the channel does not have. Its `code` is `unknown_id`."""

    def __init__(self, what: str, event_id: str) -> None:
        super().__init__(
            "unknown_id",
            f"the channel has no {what} with the id {event_id[:80]!r} among its newest",
        )


class MessageTooBig(RoverError):
    """A message is longer than `ROVER_MAX_MESSAGE_BYTES`."""

    members: ClassVar[dict[str, str]] = {"code": "too_long"}
    """Of the problem document."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            f"the message is larger than {limit_bytes:,} bytes, the limit "
            "(ROVER_MAX_MESSAGE_BYTES); split it"
        )


class MessageTypeRefused(RoverError):
    """The body of a request that sends a message is neither JSON nor text."""

    def __init__(self, media_type: str) -> None:
        super().__init__(
            f"the body is {media_type[:80]!r}; send text as text/plain in UTF-8, or JSON as "
            "application/json, without compression"
        )


class Replaced(RoverError):
    """A member has another connection now, which has its resume token."""

    def __init__(self) -> None:
        super().__init__("this member continues on another connection")


class Removed(RoverError):
    """A moderator has removed the member from the channel."""

    def __init__(self, channel: str, end: str) -> None:
        super().__init__(f"a moderator has removed you from channel {channel!r} {end}")


class NotText(RoverError):
    """A member sent a binary message, and a channel accepts only text."""

    def __init__(self) -> None:
        super().__init__("the message is binary; send it as a text frame")


class MemberStalled(RoverError):
    """A member read no data for `ROVER_SEND_TIMEOUT_S` and was closed."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        super().__init__(f"no data read for {timeout_s:g} s; reconnect with `?after=<last id>`")


class TooManyMessages(RoverError):
    """A client sends messages too fast.

    Attributes:
        retry_after_s: seconds after which it may send the next one.
    """

    def __init__(self, rate_hz: float, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(
            f"a client may send {rate_hz:g} messages per second (`ROVER_MESSAGE_RATE`); try again "
            f"in {retry_after_s} s"
        )
