"""The events of a channel as its members receive them.

Each event is encoded once, in both protocols, however many members receive it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rover.comms.crew.shapes import EDIT
from rover.comms.events import MessageEvent
from rover.wire import dumps, iso, sse

if TYPE_CHECKING:
    from rover.comms.events import ChannelEvent
    from rover.topic import EventId

NEWLINE = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and marks of direction.

Source: Unicode 16, general category Cc; UAX #9, 2 (directional formatting characters).
"""

EDIT_MARK = " (edited)"
"""What plain text has after the new text of an edited message."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One event in both protocols.

    Attributes:
        id: of the event.
        kind: `type` of the `rover.comms.v1` frame.
        json: the `rover.comms.v1` frame.
        plain: the plain-text frame; `None` if plain-text members do not receive this event.
        size: bytes of both.
    """

    id: EventId
    kind: str
    json: str
    plain: str | None
    size: int

    @property
    def sse(self) -> bytes:
        """The event as a server-sent event. Messages are unnamed, so `onmessage` receives them."""
        return sse(self.json, event=None if self.kind == "message" else self.kind, event_id=self.id)


def encode(channel: str, event_id: EventId, event: ChannelEvent) -> Frame:
    """The event of a channel in both protocols."""
    fields: dict[str, Any]
    if isinstance(event, MessageEvent):
        is_edit = event.content.kind == EDIT
        kind, plain = "message", plain_message(event.text + EDIT_MARK * is_edit)
        fields = {"from": event.name, "text": event.text, **event.content.as_json()}
        if event.ref is not None:
            fields["ref"] = event.ref
    else:
        kind, plain = event.kind, None
        fields = {"name": event.name, "member_count": event.member_count}
    if event.role:
        fields["role"] = event.role
    head = {"type": kind, "id": str(event_id), "channel": channel}
    text = dumps({**head, **fields, "at": iso(event.at)})
    return Frame(event_id, kind, text, plain, len(text.encode()) + len((plain or "").encode()))


def plain_message(text: str) -> str:
    """A message as plain text, which is safe in a terminal.

    Lines after the first are indented, so that none looks like another message.
    """
    return "Message: " + "\n    ".join(safe_lines(text))


def safe_lines(text: str) -> list[str]:
    """The lines of a text, which are safe in a terminal; at least one.

    Control characters, such as those of escape sequences, and marks that change the direction of
    what follows become U+FFFD.
    """
    if text.isprintable():
        return [text]
    lines = NEWLINE.sub("\n", text).split("\n")
    return [UNSAFE.sub("\ufffd", line.expandtabs(8)) for line in lines]
