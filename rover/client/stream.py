"""An event stream that reconnects, resumes after the last id, and reports gaps."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

import httpx
from anyio import sleep

from rover.client.backoff import Backoff
from rover.client.errors import ClientError, ConnectionFailed, NotARover, Refused
from rover.client.http import check_status, translated_errors
from rover.client.sse import EventParser, EventTooBig, ServerSentEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Gap:
    """Events are missing here.

    Attributes:
        lost: how many; `None` if nobody knows.
        reason: `expired`, `epoch` or `slow`, as the server states it.
        after: the id of the last event before the gap.
        resumed: the id after which the stream goes on.
    """

    lost: int | None
    reason: str
    after: str = ""
    resumed: str = ""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """The gap of a `gap` event."""
        lost = fields.get("lost")
        return cls(
            lost if isinstance(lost, int) else None,
            str(fields.get("reason", "")),
            str(fields.get("after", "")),
            str(fields.get("resumed", "")),
        )


@dataclass(frozen=True, slots=True)
class Interruption:
    """The connection was cut. The client connects again and resumes by itself.

    Attributes:
        reason: for people.
        retry_s: seconds until the next attempt.
    """

    reason: str
    retry_s: float


class EventStream:
    """Server-sent events of one URL, across any number of connections.

    Iterate over it. Leaving the loop does not close the connection: leave `async with`, call
    `aclose`, or leave the client's block.

    Args:
        http: sends the requests.
        url: of the stream.
        params: of the query, in each request.
        last_id: resume after this event.
        silence_s: seconds without a byte after which the connection counts as cut. The server's
            heartbeats must be more frequent.
        wait: whether to keep trying if the first attempt fails. Later ones are always repeated.
        give_up_s: seconds without a connection after which the last error is raised; `None` to keep
            trying.
        is_last: whether an event is the last one, after which the iteration ends.
        on_close: called once, when the stream is closed.

    Attributes:
        url: of the stream.
        last_id: the id of the newest event.

    Raises:
        ConnectionFailed: the first attempt failed, without `wait`.
        Refused: the server does not allow it, or the first attempt failed, without `wait`.
        NotARover: the answer is not an event stream.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        url: str,
        params: Mapping[str, str] | None = None,
        *,
        last_id: str = "",
        silence_s: float = 45.0,
        wait: bool = False,
        give_up_s: float | None = None,
        is_last: Callable[[ServerSentEvent], bool] = lambda _: False,
        on_close: Callable[[EventStream], None] = lambda _: None,
    ) -> None:
        self.last_id = last_id
        self._http = http
        self.url = url
        self._params = dict(params or {})
        self._timeout = httpx.Timeout(silence_s, connect=CONNECT_TIMEOUT_S)
        self._wait = wait
        self._give_up_s = give_up_s
        self._cut_at: float | None = None
        self._is_last = is_last
        self._on_close = on_close
        self._backoff = Backoff()
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._parser = EventParser(last_id)
        self._ready: deque[ServerSentEvent] = deque()
        self._retry_s: float | None = None
        self._connected_once = self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection and end the iteration."""
        self._ended = True
        await self._disconnect()
        self._on_close(self)

    async def connect(self) -> httpx.Response:
        """Connect now, unless it is connected; returns the response, whose body is not read.

        Raises:
            ClientError: as the class.
        """
        if self._response is None:
            await self._connect()
        assert self._response is not None  # noqa: S101 # for mypy
        return self._response

    async def __anext__(self) -> ServerSentEvent | Gap | Interruption:
        while True:
            if self._ready:
                return await self._take()
            if self._ended:
                raise StopAsyncIteration
            if self._retry_s is not None:
                delay_s, self._retry_s = self._retry_s, None
                await sleep(delay_s)
            try:
                if self._response is None:
                    await self._connect()
                else:
                    await self._read()
            except (ConnectionFailed, Refused) as exc:
                return await self._interrupt(exc)

    async def _take(self) -> ServerSentEvent | Gap | Interruption:
        event = self._ready.popleft()
        self.last_id = event.id
        self._backoff.succeed()
        self._cut_at = None
        if event.name == "gap":
            return Gap.from_json(json_object(event.data))
        if event.name == "bye":
            await self._disconnect()
            detail = json_object(event.data).get("detail", "the server is shutting down")
            return self._retry(str(detail), None)
        if self._is_last(event):
            await self.aclose()
        return event

    async def _connect(self) -> None:
        headers = {b"Accept": b"text/event-stream", b"Cache-Control": b"no-store"}
        if self.last_id:
            headers[b"Last-Event-ID"] = self.last_id.encode()
            for name in ("last", "since", "after"):  # they would send events a second time
                self._params.pop(name, None)
        with translated_errors(self.url):
            request = self._http.build_request(
                "GET",
                self.url,
                params=self._params or None,
                headers=headers,
                timeout=self._timeout,
            )
            response = await self._http.send(request, stream=True)
            try:
                await check_status(response)
                kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                if response.status_code != 204 and kind != "text/event-stream":
                    raise NotARover(f"{self.url} is not an event stream but {kind or 'empty'}")
            except BaseException:
                await response.aclose()
                raise
        if response.status_code == 204:  # there is nothing more, as for an EventSource
            await response.aclose()
            self._ended = True
            return
        self.attach(response)

    def attach(self, response: httpx.Response) -> None:
        """Read the events of this response."""
        self._response = response
        self._chunks = response.aiter_bytes()
        retry_ms = self._parser.retry_ms
        self._parser = EventParser(self.last_id)
        self._parser.retry_ms = retry_ms
        self._connected_once = True

    async def _read(self) -> None:
        assert self._chunks is not None  # noqa: S101 # for mypy
        with translated_errors(self.url):
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                raise ConnectionFailed("the server ended the stream") from None
        try:
            self._ready.extend(self._parser.feed(chunk))
        except EventTooBig as exc:
            raise NotARover(f"{self.url}: {exc}") from exc
        if self._parser.retry_ms is not None:
            self._backoff.retry_s = max(self._parser.retry_ms / 1000, 0.05)

    async def _interrupt(self, exc: ClientError) -> Interruption:
        await self._disconnect()
        temporary = isinstance(exc, ConnectionFailed) or (
            isinstance(exc, Refused) and exc.is_temporary
        )
        now = monotonic()
        self._cut_at = now if self._cut_at is None else self._cut_at
        given_up = self._give_up_s is not None and now - self._cut_at > self._give_up_s
        if not temporary or given_up or not (self._connected_once or self._wait):
            await self.aclose()
            raise exc
        return self._retry(str(exc), exc.retry_after_s if isinstance(exc, Refused) else None)

    def _retry(self, reason: str, retry_after_s: float | None) -> Interruption:
        self._retry_s = self._backoff.next_delay_s(retry_after_s)
        return Interruption(reason, self._retry_s)

    async def _disconnect(self) -> None:
        response, self._response, self._chunks = self._response, None, None
        if response is not None:
            await response.aclose()


def json_object(text: str) -> dict[str, Any]:
    """The JSON object.

    Raises:
        NotARover: it is none.
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NotARover(f"the data of an event is not a JSON object: {text[:80]!r}")
    return value
