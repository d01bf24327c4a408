"""What happens in a channel: messages, joins and leaves."""

from __future__ import annotations

from typing import Literal, NamedTuple

from rover.comms.kinds import PLAIN, Content
from rover.errors import MessageRefused, MessageTooBig
from rover.invisible import is_blank

SYSTEM_NAME = "system"
"""The name of the sender of messages that the server itself sends. No member can have it."""


class MessageEvent(NamedTuple):
    """A member sent a message.

    Attributes:
        name: the member's name.
        text: the message.
        at: POSIX seconds.
        ref: the sender's name for the message, if it has one.
        role: of the member, such as `CAPCOM`; may be empty.
        requested_name: the name that the member asked for.
        content: what it has beside its text.
        author: the name of the sender's token; empty if it has none.
        sender: whose `ref` it is: no two clients at the same time have the same; empty without one.
        sent: `refs.digest_of` what the client has sent, if the server has completed it.
    """

    name: str
    text: str
    at: float
    ref: str | None = None
    role: str = ""
    requested_name: str = ""
    content: Content = PLAIN
    author: str = ""
    sender: str = ""
    sent: str = ""


class PresenceEvent(NamedTuple):
    """A member joined or left.

    Attributes:
        kind: `join` or `leave`.
        name: the member's name.
        member_count: members of the channel after this event.
        at: POSIX seconds.
        role: of the member, such as `CAPCOM`; may be empty.
    """

    kind: Literal["join", "leave"]
    name: str
    member_count: int
    at: float
    role: str = ""


ChannelEvent = MessageEvent | PresenceEvent


def check_text(text: str) -> None:
    """Check the text of a message.

    Raises:
        MessageRefused: it shows nothing, or has a NUL.
    """
    if is_blank(text):
        raise MessageRefused("empty", "a message must have a visible character")
    if "\0" in text:
        raise MessageRefused("malformed", "a message must not contain NUL characters")


def message_size(event: MessageEvent, max_bytes: int) -> int:
    """Bytes of a message in UTF-8.

    Raises:
        MessageRefused: it cannot be encoded.
        MessageTooBig: it is longer than `max_bytes`.
    """
    try:
        size = len(event.text.encode()) + event.content.size
    except UnicodeEncodeError:  # JSON can express a lone surrogate, UTF-8 cannot
        detail = "a message must not contain a lone surrogate"
        raise MessageRefused("malformed", detail) from None
    if size > max_bytes:
        raise MessageTooBig(max_bytes)
    return size
