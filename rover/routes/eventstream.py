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
from rover.routes.hangup import expect_acks, hang_up
from rover.topic import Batch, Gap
from rover.wire import EVENT_STREAM, HEARTBEAT, dumps, sse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from rover.settings import Settings
    from rover.topic import Subscription

logger = logging.getLogger("rover.streams")

HEADERS = [
    (b"content-type", f"{EVENT_STREAM}; charset=utf-8".encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # or nginx holds events back
    (b"x-content-type-options", b"nosniff"),
]

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
    """The open event streams of one mission: their number, their stalls, their farewell."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: set[EventStream] = set()

    def __len__(self) -> int:
        return len(self._open)

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
        if len(self._open) >= self._settings.max_readers:
            raise TooManyReaders(self._settings.max_readers)
        return EventStream(subscription, preamble, self._settings, self._open)

    async def sweep(self) -> None:
        """Close readers that take nothing, until cancelled. One timer for all of them."""
        timeout_s = self._settings.send_timeout_s
        while True:
            await sleep(timeout_s / 4)
            now = monotonic()
            for stream in [s for s in self._open if now - s.sending_since > timeout_s]:
                logger.info("closed a reader that took nothing for %.0f s", timeout_s)
                stream.stalled = True
                stream.scope.cancel()

    def close(self) -> None:
        """Cut off everyone who has not taken the farewell."""
        for stream in self._open:
            stream.stalled = True
            stream.scope.cancel()


class EventStream(Response):
    """One reader's response. It is a `Response` for frameworks that look whether it is one.

    Nothing that `Response` sets up is used: that would be memory for each of ten thousand readers.
    """

    __slots__ = (
        "_headers_of_its_own",
        "_open",
        "_preamble",
        "_settings",
        "_subscription",
        "scope",
        "sending_since",
        "stalled",
    )

    status_code = 200
    background = None

    def __init__(
        self,
        subscription: Subscription[bytes],
        preamble: bytes,
        settings: Settings,
        open_streams: set[EventStream],
    ) -> None:
        self._headers_of_its_own: list[tuple[bytes, bytes]] | None = None
        self._subscription = subscription
        self._preamble = preamble
        self._settings = settings
        self._open = open_streams
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
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        expect_acks(receive, self._settings.send_timeout_s)
        # The writer is a task of its own, not this one: to wake a task is to go through every frame
        # that awaits in it, and a request's task is a dozen deep in middleware. And a plain task
        # with a scope, because a task group for every reader would be a third of its memory.
        writer = asyncio.create_task(self._write(send))
        writer.add_done_callback(self._leave)
        self._open.add(self)
        try:
            with self._subscription, self.scope:
                while (await receive())["type"] != "http.disconnect":
                    pass
        finally:
            self._open.discard(self)
            writer.cancel()
            with CancelScope(shield=True):
                await asyncio.wait([writer])
        if self.stalled:
            await hang_up(receive)  # or its socket, and what is buffered for it, stay for good
        if not writer.cancelled():
            writer.result()  # whatever it raised

    def _leave(self, _: object) -> None:
        self.scope.cancel()

    async def _write(self, send: Send) -> None:
        body = self._preamble
        self.sending_since = monotonic()
        await send({"type": "http.response.body", "body": body, "more_body": True})
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
        retry_ms = self._settings.retry_ms + random.randrange(RETRY_SPREAD_MS)  # noqa: S311 # jitter
        detail = dumps({"detail": str(Draining(retry_ms // 1000))})
        bye = sse(detail, event="bye", retry_ms=retry_ms)
        self.sending_since = monotonic()
        await send({"type": "http.response.body", "body": bye})
        self.sending_since = inf
