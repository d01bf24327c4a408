"""The events of a channel as values, from WebSockets, event streams and pages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from rover.client.errors import NotARover
from rover.client.telemetry import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Message:
    """Somebody said something.

    Attributes:
        id: of the event.
        sender: the member's name.
        text: the message.
        at: when, in ISO 8601.
        role: of the sender, such as `CAPCOM`; empty without one.
        kind: such as `link`; empty for plain messages.
        data: for programs; `None` if there is none.
        ref: the sender's name for the message; empty without one.
        channel: the name of the channel; empty in pages.
        fields: the event's JSON.
    """

    id: str
    sender: str
    text: str
    at: str
    role: str
    kind: str
    data: Mapping[str, Any] | None
    ref: str
    channel: str
    fields: Mapping[str, Any]

    @classmethod
    def from_json(cls, fields: object) -> Self:
        """The message of an event, or of a page.

        Raises:
            NotARover: it is not a message.
        """
        if not isinstance(fields, dict):
            raise NotARover("a message is not a JSON object")
        texts = (str(fields.get(key) or "") for key in TEXTS)
        id_, sender, text, at, role, kind, ref, channel = texts
        data = fields.get("data")
        found = data if isinstance(data, dict) else None
        return cls(id_, sender, text, at, role, kind, found, ref, channel, fields)


TEXTS = ("id", "from", "text", "at", "role", "kind", "ref", "channel")


@dataclass(frozen=True, slots=True)
class Presence:
    """A member joined or left.

    Attributes:
        id: of the event.
        kind: `join` or `leave`.
        name: the member's name.
        member_count: members of the channel after it.
        at: when, in ISO 8601.
        channel: the name of the channel.
        fields: the event's JSON.
    """

    id: str
    kind: str
    name: str
    member_count: int
    at: str
    channel: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """A message that the server has accepted.

    Attributes:
        id: of the message.
        name: the sender's name in the channel.
        kept: whether it survives a power cut; false while the server's log cannot write.
    """

    id: str
    name: str
    kept: bool


def event_of(fields: Mapping[str, Any]) -> Message | Presence | Notice:
    """The event of a channel; a `Notice` if its type is neither a message nor a presence."""
    kind, event_id = str(fields.get("type", "")), str(fields.get("id", ""))
    if kind == "message":
        return Message.from_json(fields)
    if kind in ("join", "leave"):
        name, at, channel = (str(fields.get(key, "")) for key in ("name", "at", "channel"))
        count = fields.get("member_count")
        members = count if isinstance(count, int) else 0
        return Presence(event_id, kind, name, members, at, channel, fields)
    return Notice(event_id, kind, fields, json.dumps(fields, ensure_ascii=False))
