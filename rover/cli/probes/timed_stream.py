"""An event stream whose events and silences are timed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from time import monotonic, time
from typing import TYPE_CHECKING

import httpx
from anyio import (
    BrokenResourceError,
    EndOfStream,
    create_memory_object_stream,
    move_on_after,
)

from rover.client import EventParser, ServerSentEvent
from rover.client.http import check_status, translated_errors
from rover.client.stream import CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

RESPONSE_TIMEOUT_S = 15.0
"""Seconds within which a stream must begin its response."""


@dataclass
class TimedStream:
    """The response on one connection, and when its parts arrived.

    Attributes:
        response: its status and headers.
        began: when the request was sent, on the monotonic clock.
        arrived: parts of the body, with the time of their arrival.
        received_at: when the response began, in POSIX seconds.
        events: the events so far.
        first_byte_s: seconds from the request to the first byte of the body.
        max_silence_s: longest time without a byte so far.
        ended: whether the server has ended the stream.
        parser: has the `retry` time and the number of comments.
    """

    response: httpx.Response
    began: float
    arrived: MemoryObjectReceiveStream[tuple[float, bytes]]
    received_at: float = field(default_factory=time)
    events: list[ServerSentEvent] = field(default_factory=list)
    first_byte_s: float | None = None
    max_silence_s: float = 0.0
    ended: bool = False
    parser: EventParser = field(default_factory=EventParser)
    _at: float = 0.0

    async def read_for(self, seconds: float, *, count: int | None = None) -> None:
        """Read for some time, or until `count` events with an id have arrived in all."""
        self._at = self._at or self.began
        with move_on_after(seconds):
            while count is None or len(self.with_ids()) < count:
                try:
                    at, chunk = await self.arrived.receive()
                except EndOfStream:
                    self.ended = True
                    return
                if self.first_byte_s is None:
                    self.first_byte_s = at - self.began
                self.max_silence_s = max(self.max_silence_s, at - self._at)
                self._at = at
                self.events += self.parser.feed(chunk)
        self.max_silence_s = max(self.max_silence_s, monotonic() - self._at)

    def with_ids(self) -> list[ServerSentEvent]:
        """The events that have a new id."""
        found: list[ServerSentEvent] = []
        last = ""
        for event in self.events:
            if event.id and event.id != last:
                found.append(event)
                last = event.id
        return found


@asynccontextmanager
async def timed_stream(
    http: httpx.AsyncClient,
    url: str,
    headers: Mapping[str, str] | None = None,
    begin_s: float = RESPONSE_TIMEOUT_S,
) -> AsyncIterator[TimedStream]:
    """Open an event stream.

    Raises:
        ClientError: it cannot be opened.
    """
    began = monotonic()
    encoded = {name.encode(): value.encode() for name, value in (headers or {}).items()}
    with translated_errors(url):
        request = http.build_request(
            "GET",
            url,
            headers={b"Accept": b"text/event-stream", **encoded},
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
        )
        with move_on_after(begin_s) as scope:
            response = await http.send(request, stream=True)
        if scope.cancelled_caught:
            raise httpx.ReadTimeout("no response", request=request)
    try:
        await check_status(response)
        send, receive = create_memory_object_stream[tuple[float, bytes]](inf)
        # not a task group: it would wrap errors of the caller, such as a broken pipe, in a group
        reading = asyncio.create_task(_read(response, send))
        try:
            with send, receive:
                yield TimedStream(response, began, receive)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
    finally:
        await response.aclose()


async def _read(
    response: httpx.Response, arrived: MemoryObjectSendStream[tuple[float, bytes]]
) -> None:
    """Pass on each part with the time of its arrival."""
    with arrived, suppress(httpx.TransportError, BrokenResourceError):
        async for chunk in response.aiter_bytes():
            arrived.send_nowait((monotonic(), chunk))
