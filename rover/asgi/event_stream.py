"""A subscription as an endless server-sent event response, for any number of readers at once.

Each reader is a task, asleep until its topic is released. There is no queue, no timer and no
generator per reader: a wake-up, one shared body, one `send`. The request's own task only waits for
the client to go, because servers of ASGI spec 2.3 tell of that by `receive` alone.
"""

from __future__ import annotations

import asyncio
import logging
import random
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from anyio import CancelScope, sleep
from starlette.responses import Response

from rover.errors import Draining, TooManyReaders
from rover.topic import Batch, Gap
from rover.wire import EVENT_STREAM, HEARTBEAT, dumps, sse

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from rover.asgi.connections import Connections
    from rover.asgi.shutdown import End
    from rover.settings import Settings
    from rover.topic import Subscription

logger = logging.getLogger("rover.streams")

HEADERS = [
    (b"content-type", f"{EVENT_STREAM}; charset=utf-8".encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # or nginx holds events back
    (b"x-content-type-options", b"nosniff"),
]

FAREWELL_S = 1.0
"""Readers have so long from the beginning of the farewell."""

RETRY_SPREAD_MS = 4000
"""Readers that are sent away come back spread over so long."""


def gap_event(gap: Gap) -> bytes:
    """What a reader is told about missing events. Without an id: it still has none of them."""
    about = {
        "after": str(gap.after),
        "resumed": str(gap.resumed),
        "lost": gap.lost,
        "reason": gap.reason,
    }
    return sse(dumps(about), event="gap")


class EventStreams:
    """The open event streams of one mission: their number, their stalls, their farewell.

    Attributes:
        settings: of all of them.
        connections: to cut those who take nothing.
        open: those that have begun and not ended.
    """

    def __init__(self, settings: Settings, connections: Connections) -> None:
        self.settings = settings
        self.connections = connections
        self.open: set[EventStream] = set()

    def __len__(self) -> int:
        return len(self.open)

    def respond(
        self, subscription: Subscription[bytes], preamble: bytes = HEARTBEAT
    ) -> EventStream:
        """The response that follows `subscription`.

        Args:
            subscription: of a topic of server-sent events.
            preamble: sent at once: until a first byte comes, a proxy or a browser shows nothing.

        Raises:
            TooManyReaders: as many are open as the settings allow.
        """
        if len(self.open) >= self.settings.max_readers:
            raise TooManyReaders(self.settings.max_readers)
        return EventStream(subscription, preamble, self)

    async def sweep(self) -> None:
        """Close readers that take nothing, until cancelled. One timer for all of them."""
        timeout_s = self.settings.send_timeout_s
        while True:
            await sleep(timeout_s / 4)
            now = monotonic()
            for stream in [s for s in self.open if now - s.sending_since > timeout_s]:
                logger.info("closed a reader that took nothing for %.0f s", timeout_s)
                stream.cut()

    async def leave(self, end: End, began: float) -> None:
        """Let everyone take the farewell of a topic that was closed, and cut off who does not.

        Args:
            end: may tell to hurry.
            began: when the whole farewell began, by the event loop's clock.
        """
        await end.wait_while(lambda: len(self.open), began + FAREWELL_S)
        self.close()

    def close(self) -> None:
        """Cut off everyone who does not take what is sent."""
        for stream in self.open:
            if stream.sending_since < inf:
                stream.cut()


class EventStream(Response):
    """One reader's response. It is a `Response` for frameworks that look whether it is one.

    Nothing that `Response` sets up is used: that would be memory for each of ten thousand readers.
    """

    __slots__ = (
        "_headers_of_its_own",
        "_preamble",
        "_streams",
        "_subscription",
        "scope",
        "sending_since",
        "stalled",
    )

    status_code = 200
    background = None

    def __init__(
        self, subscription: Subscription[bytes], preamble: bytes, streams: EventStreams
    ) -> None:
        self._headers_of_its_own: list[tuple[bytes, bytes]] | None = None
        self._subscription = subscription
        self._preamble = preamble
        self._streams = streams
        self.scope = CancelScope()
        self.sending_since = inf
        self.stalled = False

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:  # type: ignore[override] # there, a variable
        """The headers, to be changed before the response begins."""
        if self._headers_of_its_own is None:
            self._headers_of_its_own = HEADERS.copy()
        return self._headers_of_its_own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write until the client goes, the topic ends, or the reader stalls."""
        headers = self._headers_of_its_own or HEADERS
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        self._streams.connections.expect_acks(scope, receive)
        # The writer is a task of its own, not this one: to wake a task is to go through every frame
        # that awaits in it, and a request's task is a dozen deep in middleware. And a plain task
        # with a scope, because a task group for every reader would be a third of its memory.
        writer = asyncio.create_task(self._write(start, send))
        writer.add_done_callback(self._leave)
        self._streams.open.add(self)
        try:
            with self._subscription, self.scope:
                while (await receive())["type"] != "http.disconnect":
                    pass
        finally:
            self._streams.open.discard(self)
            writer.cancel()
            with CancelScope(shield=True):
                await asyncio.wait([writer])
        if self.stalled:
            # or its socket, and what is buffered for it, stay for good
            await self._streams.connections.hang_up(scope, receive)
        if not writer.cancelled():  # it was not the client who ended it
            self._streams.connections.leave(scope)
            writer.result()  # whatever it raised

    def cut(self) -> None:
        """End it without a farewell: it takes nothing."""
        self.stalled = True
        self.scope.cancel()

    def _leave(self, _: object) -> None:
        self.scope.cancel()

    async def _write(self, start: Message, send: Send) -> None:
        self.sending_since = monotonic()
        await send(start)
        await send({"type": "http.response.body", "body": self._preamble, "more_body": True})
        self._preamble = b""  # or it would be kept for as long as the reader stays
        self.sending_since = inf
        async for news in self._subscription:
            if isinstance(news, Batch):
                body = news.body
            else:
                body = gap_event(news) if isinstance(news, Gap) else HEARTBEAT
            self.sending_since = monotonic()
            await send({"type": "http.response.body", "body": body, "more_body": True})
            self.sending_since = inf
        await self._say_farewell(send)

    async def _say_farewell(self, send: Send) -> None:
        retry_ms = self._streams.settings.retry_ms + random.randrange(RETRY_SPREAD_MS)  # noqa: S311 # jitter
        detail = dumps({"detail": str(Draining(retry_ms // 1000))})
        bye = sse(detail, event="bye", retry_ms=retry_ms)
        self.sending_since = monotonic()
        await send({"type": "http.response.body", "body": bye})
        self.sending_since = inf
