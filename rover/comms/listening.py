"""Frames with which one connection listens to further channels: `subscribe` and `unsubscribe`.

A member that listens to a channel has not joined it: nothing is published about it, and the channel
does not count it. It may send messages there. Each channel has its own position: the ids of
one channel mean nothing in another.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from rover.comms.changes import FIELDS
from rover.comms.events import MessageEvent
from rover.errors import MessageRefused
from rover.events import EventId
from rover.names import folded
from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.comms.channel import Channel
    from rover.comms.member import Member

MAX_SUBSCRIPTIONS = 100
"""Maximum number of channels that one connection listens to beside its own."""

EVERYBODY = "all"
"""`@all` mentions every member."""

NAME_CHARACTER = re.compile(r"[^\W_]")
"""A letter or a digit: `@Ada` does not mention `Ad`."""


SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character of UTF-16, which UTF-8 cannot encode."""


class Subscribe(NamedTuple):
    """A member wants to listen to a channel.

    Attributes:
        channel: its name.
        after: the last event that the client has; `None` to begin with new events.
        read: the last event that the person has read; `None` to count nothing.
    """

    channel: str
    after: EventId | None
    read: EventId | None


class Unsubscribe(NamedTuple):
    """A member listens no more to a channel."""

    channel: str


def channel_of(request: Mapping[str, Any]) -> str | None:
    """The channel that a frame subscribes to, or ends; `None` for frames of other types.

    Raises:
        MessageRefused: it is not a string, or cannot be sent back.
    """
    if request.get("type") not in ("subscribe", "unsubscribe"):
        return None
    channel = request.get("channel")
    if not isinstance(channel, str) or SURROGATE.search(channel):
        raise MessageRefused("malformed", "`channel` must be a string, without lone surrogates")
    return channel


def command_of(request: Mapping[str, Any], channel: str) -> Subscribe | Unsubscribe:
    """What a frame asks for.

    Args:
        request: the frame.
        channel: `channel_of` it.

    Raises:
        MalformedEventId: an id is malformed.
        MessageRefused: an id is not a string.
    """
    if request["type"] == "unsubscribe":
        return Unsubscribe(channel)
    after = _id(request, "after")
    return Subscribe(channel, after, _id(request, "read") or after)


def _id(request: Mapping[str, Any], name: str) -> EventId | None:
    text = request.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise MessageRefused("malformed", f"`{name}` must be the id of an event, a string")
    return EventId.parse(text, name=name)


def subscribed(member: Member, channel: Channel, last_id: EventId, read: EventId | None) -> str:
    """The reply to `subscribe`.

    Args:
        member: who listens.
        channel: to which it listens.
        last_id: of the newest event when the subscription began.
        read: the last event that the person has read; `None` to count nothing.
    """
    fields: dict[str, Any] = {
        "type": "subscribed",
        "channel": channel.name,
        "member_count": len(channel.members),
        "last_id": str(last_id),
    }
    if not member.identity.allows("say", channel.name):
        fields["may_say"] = False
    if read is not None:
        fields |= _unread(channel, read, member)
    return dumps(fields)


def unsubscribed(channel: str) -> str:
    """The reply to `unsubscribe`."""
    return dumps({"type": "unsubscribed", "channel": channel})


def _unread(channel: Channel, read: EventId, member: Member) -> dict[str, Any]:
    """Number of messages of others after an event, and of those that mention the member.

    Messages that are no longer in memory are not counted; `more` is true then.
    """
    topic = channel.topic
    known = topic.epochs.id(read.offset) == read
    first = read.offset if known else 0
    texts = [
        event.text
        for frame, event in zip(topic.retained(), topic.retained_items(), strict=True)
        if frame.id.offset > first
        and isinstance(event, MessageEvent)
        and event.name != member.name
        and event.content.kind not in FIELDS  # changes of other messages
    ]
    names = [name for name in (member.name, member.identity.role) if name]
    mentioning = sum(mentions(text, *names) for text in texts)
    more = not known or topic.expired_to > first
    return {"unread": len(texts), "mentions": mentioning, **({"more": True} if more else {})}


def mentions(text: str, *names: str) -> bool:
    """Whether a text has `@all` or `@` and one of the names, in any case.

    A name after a letter or a digit is part of an address, such as `x@example.com`.
    """
    where = folded(text)
    return any(
        not NAME_CHARACTER.match(where, found.end())
        and not NAME_CHARACTER.fullmatch(where[: found.start()][-1:])
        for name in (EVERYBODY, *names)
        for found in re.finditer(re.escape(f"@{folded(name)}"), where)
    )
