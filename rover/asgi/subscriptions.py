"""The channels that one connection listens to in addition to its own.

While a client keeps up, a subscription has no task: the topic of each channel writes to the
connection. A client that reads slowly has a writer for each channel, which waits for the others; a
client that reads nothing is closed as any member.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.websockets import WebSocketDisconnect

from rover.asgi.follower import Follower
from rover.comms.listening import (
    MAX_SUBSCRIPTIONS,
    Subscribe,
    Unsubscribe,
    subscribed,
    unsubscribed,
)
from rover.comms.protocol import REFUSALS, error_frame
from rover.errors import MessageRefused

if TYPE_CHECKING:
    from rover.asgi.member_stream import MemberStream, Messages
    from rover.comms import Comms
    from rover.comms.channel import Channel
    from rover.events import EventId
    from rover.topic import Gap, News


class ChannelFeed(Follower):
    """The events of one channel for a connection.

    Args:
        stream: of the connection.
        channel: whose events it sends.
        after: the last event that the client has; `None` to begin with new events.
    """

    __slots__ = ("_stream", "channel")

    def __init__(self, stream: MemberStream, channel: Channel, after: EventId | None) -> None:
        super().__init__(channel.topic.subscribe(after), stream.framing)
        self.output = stream.output
        self.channel = channel
        self._stream = stream

    def write(self, framed: Messages) -> bool:
        """See `Sink.write`."""
        return self._stream.write_frames(framed)

    async def follow(self) -> bool:
        """See `Follower.follow`. The task of the connection learns by itself that it has ended."""
        try:
            return await super().follow()
        except WebSocketDisconnect:
            return False

    async def send_news(self, news: News | Gap) -> None:
        """See `Follower.send_news`."""
        await self._stream.send_events(self.channel, news)


class Subscriptions:
    """The channels that one connection listens to.

    Args:
        stream: of the connection.
        comms: has the channels, and limits the subscriptions.
    """

    __slots__ = ("_comms", "_feeds", "_stream")

    def __init__(self, stream: MemberStream, comms: Comms) -> None:
        self._stream = stream
        self._comms = comms
        self._feeds: dict[str, ChannelFeed] = {}

    async def handle(self, command: Subscribe | Unsubscribe) -> tuple[str, ChannelFeed | None]:
        """Begin or end a subscription.

        Returns:
            The reply, and the feed that begins after it.

        Raises:
            Draining: the server is shutting down.
        """
        try:
            name = self._comms.channels.names.find(command.channel)
            if isinstance(command, Subscribe):
                return await self._subscribe(name, command)
            if (feed := self._feeds.pop(name, None)) is None:
                raise MessageRefused("not_subscribed", f"you do not listen to channel {name!r}")
        except REFUSALS as exc:
            return error_frame(exc, {"channel": command.channel}), None
        await self._end(feed)
        return unsubscribed(name), None

    async def _subscribe(self, name: str, command: Subscribe) -> tuple[str, ChannelFeed]:
        member, pool = self._stream.member, self._comms.subscriptions
        if name == member.channel.name or name in self._feeds:
            raise MessageRefused("subscribed", f"you receive channel {name!r} already")
        if len(self._feeds) >= MAX_SUBSCRIPTIONS:
            reason = f"a connection can listen to {MAX_SUBSCRIPTIONS} other channels"
            raise MessageRefused("full", reason)
        pool.check(member.client)  # before a channel is opened for it
        channel = await self._comms.open(name, member.client)
        pool.acquire(member.client)
        feed = ChannelFeed(self._stream, channel, command.after)
        feed.events.__enter__()
        self._feeds[name] = feed
        member.listening[name] = channel
        last = channel.topic.last_id.offset  # without `after`, the events begin after it
        # a client may resume after it
        last_id = await self._comms.final_id(channel, last, synced=False)
        return subscribed(member, channel, last_id, command.read), feed

    async def close(self) -> None:
        """End all subscriptions."""
        while self._feeds:
            await self._end(self._feeds.popitem()[1])

    async def _end(self, feed: ChannelFeed) -> None:
        member = self._stream.member
        del member.listening[feed.channel.name]
        feed.events.__exit__(None, None, None)
        self._comms.subscriptions.release(member.client)
        await feed.stop()
