"""The events of a channel as the log keeps them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rover.comms.events import MessageEvent, PresenceEvent
from rover.comms.kinds import Content
from rover.logs.store import Packed, Store
from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.comms.events import ChannelEvent
    from rover.logs.base import Log, Record

PREFIX = "comms/"
"""The beginning of the keys of channels in the log."""

CREW = "comms-crew/"
"""The beginning of the keys of the values in the log that have the state of `Crew`."""

PRESENCE = ("join", "leave")


def channel_store(log: Log, name: str, clock: Callable[[], float]) -> Store[ChannelEvent]:
    """The stream of a channel. Messages survive a power cut before anybody sees them.

    A log in memory keeps as many as the channel; another one keeps them until `Comms.expire`.
    """
    return Store(
        log,
        PREFIX + name,
        pack=pack,
        unpack=unpack,
        durable=True,
        bounded=log.file is None,
        transient_kinds=PRESENCE,
        clock=clock,
    )


def pack(event: ChannelEvent) -> Packed:
    """The event as a record."""
    if isinstance(event, PresenceEvent):
        presence = {
            "name": event.name,
            "member_count": event.member_count,
            "role": event.role,
        }
        return Packed(event.kind, dumps(presence), event.at)
    fields = {
        "name": event.name,
        "text": event.text,
        "ref": event.ref,
        "role": event.role,
        "requested_name": event.requested_name,
        **({"author": event.author} if event.author else {}),
        **({"sender": event.sender} if event.sender else {}),
        **({"sent": event.sent} if event.sent else {}),
        **event.content.as_json(),
    }
    return Packed("message", dumps(fields), event.at)


def unpack(record: Record) -> tuple[ChannelEvent, float]:
    """The event of a record.

    Raises:
        LookupError: the record is not of an event.
        TypeError: the same.
        ValueError: the same.
    """
    fields = json.loads(record.data)
    if record.t is None:
        raise ValueError("an event of a channel needs a time")
    if record.kind in PRESENCE:
        return PresenceEvent(kind=record.kind, at=record.t, **fields), record.t  # type: ignore[arg-type]
    content = Content(fields.pop("kind", ""), fields.pop("data", None))
    return MessageEvent(at=record.t, content=content, **fields), record.t
