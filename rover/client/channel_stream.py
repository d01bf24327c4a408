"""The events of a channel for a program that does not join it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rover.client.channel_events import event_of
from rover.client.sse import ServerSentEvent
from rover.client.stream import EventStream, json_object
from rover.client.telemetry import Notice

if TYPE_CHECKING:
    from rover.client.channel_events import Message, Presence
    from rover.client.stream import Gap, Interruption

    ChannelEvent = Message | Presence | Notice | Gap | Interruption


class ChannelStream:
    """A channel, across any number of connections. `EventStream` describes its errors.

    Each connection begins with a `Notice` of the name `channel`, which has `member_count` and
    `last_id`.
    """

    def __init__(self, events: EventStream) -> None:
        self._events = events

    @property
    def last_id(self) -> str:
        """The id of the newest event: resumes the stream, also in another process."""
        return self._events.last_id

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChannelEvent:
        event = await anext(self._events)
        if not isinstance(event, ServerSentEvent):
            return event
        fields = json_object(event.data)
        if event.name == "channel":
            return Notice(event.id, event.name, fields, event.data)
        return event_of(fields)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._events.aclose()
