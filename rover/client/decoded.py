"""An event stream whose events are decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from rover.client.sse import ServerSentEvent

if TYPE_CHECKING:
    from rover.client.stream import EventStream, Gap, Interruption

EventT = TypeVar("EventT")


class DecodedStream(ABC, Generic[EventT]):
    """Decoded events, across any number of connections. `EventStream` describes its errors."""

    def __init__(self, events: EventStream) -> None:
        self._events = events

    @property
    def last_id(self) -> str:
        """The id of the newest event: resumes the stream, also in another process."""
        return self._events.last_id

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventT | Gap | Interruption:
        event = await anext(self._events)
        return self._decode(event) if isinstance(event, ServerSentEvent) else event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._events.aclose()

    @abstractmethod
    def _decode(self, event: ServerSentEvent) -> EventT: ...
