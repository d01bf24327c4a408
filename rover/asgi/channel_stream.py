"""The events of a channel as server-sent events, for one client that is not a member."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.asgi.event_stream import EventStream
from rover.asgi.framing import chunk
from rover.topic import Batch, Gap
from rover.wire import HEARTBEAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rover.asgi.event_stream import EventStreams
    from rover.comms import Comms
    from rover.comms.channel import Channel
    from rover.comms.frames import Frame
    from rover.topic import EventId, News


def body_of(frames: Sequence[Frame]) -> bytes:
    """The frames as server-sent events."""
    return b"".join(frame.sse for frame in frames)


def framing(news: News) -> bytes:
    """One chunk of a response, made once for all clients."""
    return chunk(body_of(news.frames) if isinstance(news, Batch) else HEARTBEAT)


class ChannelStream(EventStream):
    """The response to one client. It reads events from the log that the channel has no more.

    Args:
        channel: whose events it sends.
        comms: the channels.
        after: the last event that the client has.
        last: without `after`: begin with up to this many of the newest events.
        preamble: sent first.
        streams: the open streams.
        client: who receives it.
    """

    __slots__ = ("_channel", "_comms")

    def __init__(
        self,
        channel: Channel,
        comms: Comms,
        after: EventId | None,
        last: int,
        preamble: bytes,
        streams: EventStreams,
        client: str | None,
    ) -> None:
        subscriber = channel.topic.subscribe(after, last=last)
        super().__init__(subscriber, preamble, streams, client=client)
        self.framing = framing
        self._channel = channel
        self._comms = comms

    async def send_news(self, news: News | Gap) -> None:
        """See `Follower.send_news`."""
        if isinstance(news, Batch):
            await self.send_body(body_of(news.frames))
        elif isinstance(news, Gap):
            async for found in self._comms.missed(self._channel, news):
                if isinstance(found, Gap):
                    await super().send_news(found)
                else:
                    await self.send_body(body_of(found))
        else:
            await super().send_news(news)
