"""The events of a channel for a program that does not join it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.client.channel_events import Message, Presence, event_of
from rover.client.decoded import DecodedStream
from rover.client.stream import json_object
from rover.client.telemetry import Notice

if TYPE_CHECKING:
    from rover.client.sse import ServerSentEvent


class ChannelStream(DecodedStream[Message | Presence | Notice]):
    """A channel, across any number of connections. `EventStream` describes its errors.

    Each connection begins with a `Notice` of the name `channel`, which has `member_count` and
    `last_id`.
    """

    def _decode(self, event: ServerSentEvent) -> Message | Presence | Notice:
        fields = json_object(event.data)
        if event.name == "channel":
            return Notice(event.id, event.name, fields, event.data)
        return event_of(fields)
