"""Sends the events of a channel, and replies, to one member."""

from __future__ import annotations

from asyncio import Lock
from contextlib import suppress
from functools import cache
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import anyio.lowlevel
from anyio import sleep
from starlette.websockets import WebSocketDisconnect

from rover.asgi.follower import Follower
from rover.asgi.framing import text_message
from rover.asgi.outputs import output_of
from rover.asgi.subscriptions import Subscriptions
from rover.comms.listening import Subscribe, Unsubscribe
from rover.comms.protocol import Said, ack
from rover.topic import Batch, Gap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import Send
    from starlette.websockets import WebSocket

    from rover.comms import Comms
    from rover.comms.channel import Channel
    from rover.comms.frames import Frame
    from rover.comms.member import Member
    from rover.comms.protocol import WireProtocol
    from rover.topic import News

LAST_FRAMES_S = 1.0
"""Seconds without a frame of a client after which its connection ends, after a send has failed."""

FRAMES_PER_TURN = 16
"""Number of frames after which a member's task lets the event loop run others."""


class Messages(NamedTuple):
    """The frames of a batch for all members with one protocol.

    Attributes:
        data: WebSocket frames; may be empty.
        text_bytes: bytes of the texts in them.
        last: offset of the last event of the batch; 0 for a heartbeat, of which nothing is written.
    """

    data: bytes
    text_bytes: int
    last: int


@cache
def framing_of(kind: type[WireProtocol]) -> Callable[[News], Messages]:
    """The function that frames events for members with a protocol."""
    protocol = kind()

    def framing(news: News) -> Messages:
        if not isinstance(news, Batch):
            return Messages(b"", 0, 0)
        events = map(protocol.event, news.frames)
        texts = [text.encode() for text in events if text is not None]
        data = b"".join(map(text_message, texts))
        return Messages(data, sum(map(len, texts)), news.offsets[-1])

    return framing


class MemberStream(Follower):
    """The events and replies for one member. A lock orders them, as two tasks send.

    Args:
        websocket: accepted.
        send: of the connection.
        member: who receives.
        protocol: of the connection.
        comms: counts what is sent.

    Attributes:
        received_at: monotonic seconds since which the server waits for the client's next frame;
            infinity while it handles one.
        subscriptions: the other channels whose events the member receives.
    """

    __slots__ = (
        "_comms",
        "_protocol",
        "_websocket",
        "lock",
        "member",
        "received_at",
        "subscriptions",
    )

    def __init__(
        self,
        websocket: WebSocket,
        send: Send,
        member: Member,
        protocol: WireProtocol,
        comms: Comms,
    ) -> None:
        super().__init__(member.subscriber, framing_of(type(protocol)))
        self.output = output_of(websocket.scope, send)
        self.member = member
        self.lock = Lock()  # of asyncio: anyio's takes 0.9 kB more
        self.received_at = monotonic()
        self._websocket = websocket
        self._protocol = protocol
        self._comms = comms
        self.subscriptions = Subscriptions(self, comms)

    async def send(self, text: str) -> None:
        """Acquire the lock and send one frame.

        Raises:
            WebSocketDisconnect: the member's connection is closed.
        """
        async with self.lock:
            await self.send_locked(text)

    async def send_locked(self, text: str) -> None:
        """Send one frame; the caller holds `lock`."""
        self.member.sending_since = monotonic()
        try:
            await self._websocket.send_text(text)
        except (RuntimeError, WebSocketDisconnect) as exc:
            # uvicorn raises RuntimeError if it closed it, as after a ping without an answer
            self.member.sending_since = inf
            raise WebSocketDisconnect(1006) from exc
        self.member.sending_since = inf
        self._comms.sent_bytes += len(text) if text.isascii() else len(text.encode())

    def write(self, framed: Messages) -> bool:
        """Write events of the member's channel to the connection."""
        if not self.write_frames(framed):
            return False
        if (pace := self.member.channel.pace).behind:
            pace.advance(self.member, framed.last)
        return True

    def write_frames(self, framed: Messages) -> bool:
        """Write events to the connection, unless a reply is to precede them."""
        if self.lock.locked():
            return False
        if framed.data:
            assert self.output is not None  # noqa: S101 # else the sink is not attached
            if not self.output.write(framed.data):
                return False
            self._comms.sent_bytes += framed.text_bytes
        return True

    async def follow(self) -> bool:
        """See `Follower.follow`."""
        try:
            return await super().follow()
        except WebSocketDisconnect:
            # the client's frames before its close still count; the server then reports the close
            while monotonic() - self.received_at < LAST_FRAMES_S:  # noqa: ASYNC110 # of each frame
                await sleep(LAST_FRAMES_S / 4)
            return False

    async def send_news(self, news: News | Gap) -> None:
        """See `Follower.send_news`."""
        self.member.channel.pace.advance(self.member, self.member.subscriber.offset)
        await self.send_events(self.member.channel, news)

    async def send_events(self, channel: Channel, news: News | Gap) -> None:
        """Send what a subscriber of a channel received."""
        if isinstance(news, Batch):
            await self._send_frames(news.frames)
        elif isinstance(news, Gap):
            await self._send_missed(channel, news)

    async def _send_missed(self, channel: Channel, gap: Gap) -> None:
        """Send the events of a gap from the log, and a gap for those that it has not."""
        async for found in self._comms.missed(channel, gap):
            if isinstance(found, Gap):
                self._comms.gaps.add(found)
                await self.send(self._protocol.gap(found, channel.name))
            else:
                await self._send_frames(found)

    async def _send_frames(self, frames: Sequence[Frame]) -> None:
        for number, frame in enumerate(frames, 1):
            if (text := self._protocol.event(frame)) is not None:
                await self.send(text)
            if not number % FRAMES_PER_TURN:  # a send rarely waits
                await anyio.lowlevel.checkpoint()

    async def reply(self, text: str) -> None:
        """Handle a frame of the member, and send the reply before any later event."""
        feed = None
        async with self.lock:
            reply = self._protocol.receive(text, self.member)
            if isinstance(reply, Subscribe | Unsubscribe):
                reply, feed = await self.subscriptions.handle(reply)
            elif isinstance(reply, Said):
                event_id = await self._comms.final_id(
                    self.member.spoke_in, reply.offset, synced=True
                )
                reply = ack(reply, event_id)
            if reply is not None:
                with suppress(WebSocketDisconnect):
                    await self.send_locked(reply)
        if feed is not None and not feed.attach():
            feed.resume()
