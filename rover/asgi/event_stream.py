"""A subscriber as a server-sent event response, for any number of clients at once.

A client has no queue, timer or generator of its own, and while it keeps up, no task that sends: see
`Follower`. The task of the request only waits for the disconnect, which servers of ASGI spec 2.3
report only through `receive`.

Intentional divergence from `sse_starlette.EventSourceResponse`
---------------------------------------------------------------
`EventSourceResponse` runs a task group per response, pings each client with a timer of its own, and
polls for the server's exit. At 1,000 clients that costs three times the CPU (`make bench`). It also
reads `receive` itself, so it cannot respond while the request's body arrives. `rover.wire` uses
the `ServerSentEvent` of sse-starlette.
"""

from __future__ import annotations

import asyncio
import logging
import random
from functools import cache
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from anyio import sleep
from starlette.responses import Response

from rover.asgi.backlog import backlog_of
from rover.asgi.connections import wait_for_disconnect
from rover.asgi.follower import Follower
from rover.asgi.framing import chunk
from rover.asgi.outputs import output_of
from rover.asgi.servers.uvicorn import transport_of
from rover.counts import GapCounts
from rover.errors import Draining
from rover.identity import IDENTITY
from rover.stalls import Stalls
from rover.topic import Batch, Gap
from rover.wire import EVENT_STREAM, HEARTBEAT, dumps, sse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Receive, Scope, Send

    from rover.asgi.connections import Connections
    from rover.asgi.follower import Events
    from rover.asgi.servers.uvicorn import Transport
    from rover.errors import AccessEnded
    from rover.settings import Settings
    from rover.shares import Pool
    from rover.stalls import Backlog
    from rover.topic import News, Subscriber

logger = logging.getLogger("rover.streams")

HEADERS = [
    (b"content-type", f"{EVENT_STREAM}; charset=utf-8".encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # else nginx buffers events
    (b"x-content-type-options", b"nosniff"),
]

RETRY_SPREAD_MS = 4000
"""Milliseconds over which clients spread their reconnection after a shutdown."""


CLOSE_TIMEOUT_S = 0.3
"""Seconds that a client without access has to read the `bye` event before it is aborted."""


def gap_event(gap: Gap) -> bytes:
    """The event that reports missing events. It has no id, so a client keeps its position."""
    fields = {
        "after": str(gap.after),
        "resumed": str(gap.resumed),
        "lost": gap.lost,
        "reason": gap.reason,
    }
    return sse(dumps(fields), event="gap")


@cache
def chunks_with(heartbeat: bytes) -> Callable[[News], bytes]:
    """The function that makes one chunk of a response, for streams with a heartbeat."""
    return lambda news: chunk(news.body if isinstance(news, Batch) else heartbeat)


class EventStreams:
    """The open event streams of one kind, with their limit and their timeout.

    Args:
        settings: the timeouts.
        connections: to abort stalled clients.
        pool: limits the open streams; `None` for no limit.

    Attributes:
        open: the streams that have begun and not ended.
        gaps: those that clients received.
        stalled: number of clients that were aborted because they read no data.
    """

    def __init__(
        self, settings: Settings, connections: Connections, pool: Pool | None = None
    ) -> None:
        self.settings = settings
        self.connections = connections
        self.pool = pool
        self.open: set[EventStream] = set()
        self.gaps = GapCounts()
        self.stalled = 0

    def __len__(self) -> int:
        return len(self.open)

    def check_capacity(self, client: str | None) -> None:
        """Check that a client may open another stream.

        Raises:
            PoolFull: too many streams are open.
        """
        if self.pool is not None:
            self.pool.check(client)

    def respond(
        self,
        subscriber: Subscriber[Any, bytes],
        preamble: bytes = HEARTBEAT,
        heartbeat: bytes = HEARTBEAT,
        client: str | None = None,
    ) -> EventStream:
        """The response that follows `subscriber`.

        Args:
            subscriber: of a topic of server-sent events.
            preamble: sent at once: proxies and browsers show nothing before the first byte.
            heartbeat: sent when the topic is silent; a comment by default.
            client: who receives it, for the share of the limit.

        Raises:
            PoolFull: too many streams are open. The response raises it too, if others have opened
                streams in the meantime.
        """
        self.check_capacity(client)
        return EventStream(subscriber, preamble, self, heartbeat, client)

    async def run(self) -> None:
        """Abort stalled clients until cancelled. All clients share one timer."""
        timeout_s = self.settings.send_timeout_s
        stalls: Stalls[EventStream] = Stalls(timeout_s)
        while True:
            await sleep(stalls.period_s)
            for stream in stalls.find(self.open, monotonic()):
                self.stalled += 1
                logger.info("aborted a client that read no data for %g s", timeout_s)
                stream.abort()

    def lags(self) -> list[int]:
        """For each open stream, the number of offsets by which it is behind the newest event."""
        return [stream.events.lag for stream in self.open]

    def abort_stalled(self) -> None:
        """Abort every client that does not read what is being sent now."""
        for stream in self.open:
            if stream.sending_since < inf:
                stream.abort()


class EventStream(Response, Follower):
    """The response to one client. It is a `Response` because some frameworks check the type.

    `Response.__init__` is not called: its attributes would cost memory per client.
    """

    __slots__ = (
        "_client",
        "_heartbeat",
        "_is_following",
        "_own_headers",
        "_preamble",
        "_send",
        "_streams",
        "_transport",
        "aborted",
        "close_reason",
        "sending_since",
    )

    status_code = 200
    background = None
    counts = True  # towards the limit of its streams

    def __init__(
        self,
        subscriber: Events,
        preamble: bytes,
        streams: EventStreams,
        heartbeat: bytes = HEARTBEAT,
        client: str | None = None,
    ) -> None:
        Follower.__init__(self, subscriber, chunks_with(heartbeat))
        self._client = client
        self._heartbeat = heartbeat
        self._is_following = False  # the writer reads the subscriber
        self._own_headers: list[tuple[bytes, bytes]] | None = None
        self._preamble = preamble
        self._streams = streams
        self._transport: Transport | None = None
        self.sending_since = inf
        self.aborted = False
        self.close_reason: AccessEnded | None = None

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:  # type: ignore[override] # there, a variable
        """The headers; they may be changed before the response begins."""
        if self._own_headers is None:
            self._own_headers = HEADERS.copy()
        return self._own_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client disconnects, stalls or loses its access, or the topic closes.

        Raises:
            AccessEnded: the client has lost its access before the response begins.
            PoolFull: too many streams are open.
        """
        if scope["method"] == "HEAD":
            await send(self._start())
            await send({"type": "http.response.body", "body": b""})
            return
        grants, identity = self._streams.connections.grants, scope.get(IDENTITY)
        grants.check(identity)
        pool = self._streams.pool if self.counts else None
        if pool is not None:
            pool.acquire(self._client)
        self._streams.connections.begin(receive)
        self._send = send
        self._transport = transport_of(receive)
        self.start(self._begin(scope))
        self._streams.open.add(self)
        try:
            with self.events, self, grants.hold(identity, self.close):
                while (await self._listen(receive))["type"] != "http.disconnect":
                    pass
        finally:
            self._streams.open.discard(self)
            if pool is not None:
                pool.release(self._client)
            writer = await self.stop()
        if self.aborted and self._streams.connections.abort(receive):
            await wait_for_disconnect(receive)  # uvicorn logs an error if the app returns first
        if writer is not None and not writer.cancelled():  # the response ended first
            self._note_end(receive)
            writer.result()  # raises what the writer raised

    @property
    def backlog(self) -> Backlog:
        """See `Sender`."""
        return backlog_of(self._transport)

    def close(self, reason: AccessEnded) -> None:
        """Send `bye` with the reason and end the stream. A stalled client is aborted."""
        self.close_reason = reason
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self.abort)
        if self.writer is None:
            self.events.detach()
            self.resume()
        elif self._is_following:
            self.writer.cancel()

    def abort(self) -> None:
        """End the stream at once and close the connection. Buffered data is lost."""
        self.aborted = True
        self.end()

    def _note_end(self, receive: Receive) -> None:
        self._streams.connections.end(receive)

    def _listen(self, receive: Receive) -> Awaitable[Message]:
        """Return a message of the client. The response ends with a disconnect."""
        return receive()

    def _start(self) -> Message:
        headers = self._own_headers or HEADERS
        return {"type": "http.response.start", "status": 200, "headers": headers}

    async def _begin(self, scope: Scope) -> bool:
        """Begin the response, then go on as `follow`."""
        self.sending_since = monotonic()
        await self._send(self._start())
        await self._send({"type": "http.response.body", "body": self._preamble, "more_body": True})
        self._preamble = b""  # frees memory: the stream may be open for days
        self.sending_since = inf
        self.output = output_of(scope, self._send)
        return await self.follow()

    async def follow(self) -> bool:
        """Send the events and the last event; returns true if the topic writes now instead."""
        self._is_following = True
        try:
            if self.close_reason is None and await super().follow():
                return True
        except asyncio.CancelledError:
            if self.close_reason is None:
                raise
        finally:
            self._is_following = False
        self.sending_since = monotonic()
        await self._send({"type": "http.response.body", "body": self._last_event()})
        self.sending_since = inf
        return False

    async def send_news(self, news: News | Gap) -> None:
        """See `Follower.send_news`."""
        if isinstance(news, Batch):
            body = news.body
        elif isinstance(news, Gap):
            self._streams.gaps.add(news)
            body = gap_event(news)
        else:
            body = self._heartbeat
        await self.send_body(body)

    async def send_body(self, body: bytes) -> None:
        """Send a part of the response."""
        self.sending_since = monotonic()
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self.sending_since = inf

    def _last_event(self) -> bytes:
        """`bye`: why the stream ends, and when the client should reconnect."""
        if (reason := self.close_reason) is not None:
            detail = dumps({"reason": reason.reason, "detail": str(reason)})
            return sse(detail, event="bye", retry_ms=self._streams.settings.retry_ms)
        retry_ms = self._streams.settings.retry_ms + random.randrange(RETRY_SPREAD_MS)  # noqa: S311 # jitter
        detail = dumps({"detail": str(Draining(retry_ms // 1000))})
        return sse(detail, event="bye", retry_ms=retry_ms)
