"""Large responses: encoded by a worker thread, few at a time, and counted until they are sent.

Until a client has read a response, the server buffers it. So `LargeResponse` holds a place of a
pool while it is encoded and sent, and a client that reads nothing is aborted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from anyio import CancelScope, CapacityLimiter, to_thread
from anyio.lowlevel import checkpoint
from starlette.requests import Request
from starlette.responses import Response

from rover.asgi.body import RETRY_AFTER_S
from rover.asgi.compression import compress
from rover.asgi.preconditions import check_preconditions, entity_tag
from rover.errors import Draining
from rover.shares import Pool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.types import Receive, Scope, Send

    from rover.asgi.clients import Clients
    from rover.asgi.connections import Connections

logger = logging.getLogger("rover.errors")

MAX_BYTES = 8 * 2**20
"""Approximate maximum size of one response. Larger results are thinned or truncated."""

MAX_RESPONSES = 12
"""Maximum number of responses that are encoded or sent at the same time; more requests wait."""

MAX_ENCODED = 1
"""Maximum number that are encoded at the same time.

Two threads encode no faster than one, and each holds the values that it loaded. With texts of
64 kB, 12 requests for a history took 252 MiB with two, and 184 MiB with one.
"""

WAIT_S = 20.0
"""Seconds that a request waits for other responses to be read."""

CHUNK_BYTES = 64 * 2**10

Loaded = tuple[bytes, Mapping[str, str]]
"""A body, and headers of its response."""


class LargeResponses:
    """The large responses of a mission.

    Args:
        connections: to abort stalled clients.
        clients: names the clients of requests.
        share: the part of `MAX_RESPONSES` that one client may use.
        wait_s: seconds that a request waits.

    Attributes:
        pool: the responses that are encoded or sent.
        open: cancels each request that waits, is encoded or is sent.
    """

    def __init__(
        self, connections: Connections, clients: Clients, share: float, wait_s: float = WAIT_S
    ) -> None:
        self.connections = connections
        self.clients = clients
        self.pool = Pool("large responses", "", MAX_RESPONSES, share)
        self.encoding = CapacityLimiter(MAX_ENCODED)
        self.wait_s = wait_s
        self.open: set[CancelScope] = set()

    def close(self) -> None:
        """Abort the responses that are not sent, and refuse the requests that wait."""
        for sending in self.open:
            sending.cancel()

    def respond(
        self,
        encode: Callable[[], bytes],
        media_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        *,
        status: int = 200,
        tagged: bool = False,
    ) -> LargeResponse:
        """A response of known length. It raises `PoolFull` if others are not read in time.

        Args:
            encode: returns the body; a worker thread calls it when the response has a place. It
                may raise an error, which is then the response.
            media_type: of the body.
            headers: further headers. With `ETag`, the body is not compressed.
            status: 206 for a part.
            tagged: whether clients may keep the body, and ask by its `ETag` for changes.
        """

        async def load() -> Loaded:
            async with self.encoding:
                return await to_thread.run_sync(encode), headers or {}

        return LargeResponse(load, self, media_type, {}, status=status, tagged=tagged)

    def load(self, load: Callable[[], Awaitable[Loaded]], media_type: str) -> LargeResponse:
        """A response of known length. It raises `PoolFull` if others are not read in time.

        Args:
            load: returns the body and further headers; it is awaited when the response has a place.
                It may raise an error, which is then the response.
            media_type: of the body.
        """
        return LargeResponse(load, self, media_type, {})

    def stream(
        self,
        pieces: Iterator[bytes],
        media_type: str,
        headers: Mapping[str, str],
        *,
        status: int = 200,
        length: int | None = None,
    ) -> StreamedResponse:
        """A response that is sent in pieces. It raises `PoolFull` if others are not read in time.

        Args:
            pieces: of the body; a worker thread asks for each of them. An error before the first
                one is the response. After it, the response is visibly incomplete.
            media_type: of the body.
            headers: further headers.
            status: 206 for a part.
            length: bytes of the body; `None` if it is unknown.
        """
        return StreamedResponse(pieces, self, media_type, headers, status=status, length=length)


class _Response(Response):
    """The response to one request."""

    def __init__(
        self, responses: LargeResponses, media_type: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", **headers}, media_type=media_type)
        self._responses = responses
        self._started = False
        self._length_known = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for a place, encode, and send until the client has read nearly all.

        Raises:
            PoolFull: no place was free in time.
            Draining: the server is shutting down.
        """
        responses = self._responses
        client = responses.clients.name_of(scope, receive)
        with (
            CancelScope() as sending,
            responses.connections.watch(scope, receive, sending.cancel) as watched,
        ):
            responses.open.add(sending)
            try:
                async with responses.pool.place(client, responses.wait_s):
                    await self._respond(scope, watched.timed(send))
            except Exception:
                if not self._started:
                    raise
                logger.exception("a response is incomplete")
                sending.cancel()
                await checkpoint()
            finally:
                responses.open.discard(sending)
        if sending.cancelled_caught:
            if not self._started:
                raise Draining(RETRY_AFTER_S)
            await responses.connections.end_incomplete(
                scope, receive, length_known=self._length_known
            )

    async def _respond(self, scope: Scope, send: Send) -> None:
        raise NotImplementedError

    async def _start(self, send: Send, status: int = 200) -> None:
        self._started = True
        await send({"type": "http.response.start", "status": status, "headers": self.raw_headers})

    async def _send(self, body: bytes, send: Send) -> None:
        """Send a part of the body; each chunk waits until the client has read the earlier ones."""
        for start in range(0, len(body), CHUNK_BYTES):
            chunk = body[start : start + CHUNK_BYTES]
            await send({"type": "http.response.body", "body": chunk, "more_body": True})


class LargeResponse(_Response):
    """A response of known length, compressed if the client accepts that."""

    def __init__(
        self,
        load: Callable[[], Awaitable[Loaded]],
        responses: LargeResponses,
        media_type: str,
        headers: Mapping[str, str],
        *,
        status: int = 200,
        tagged: bool = False,
    ) -> None:
        super().__init__(responses, media_type, headers)
        self.status_code = status
        self._load = load
        self._tagged = tagged

    async def _respond(self, scope: Scope, send: Send) -> None:
        body, headers = await self._load()
        self.headers.update(headers)
        if self._tagged and self._is_current(body, scope):
            del self.headers["Content-Length"]
            await self._start(send, 304)
            await send({"type": "http.response.body", "body": b""})
            return
        self.headers["Content-Length"] = str(len(body))
        if "ETag" not in headers:  # it identifies these bytes
            body = await to_thread.run_sync(compress, body, self.headers, scope)
        await self._start(send, self.status_code)
        await self._send(body, send)
        await send({"type": "http.response.body", "body": b""})

    def _is_current(self, body: bytes, scope: Scope) -> bool:
        """Tag the response, and check whether the client has this body."""
        tag = entity_tag(body)
        self.headers["ETag"] = f"W/{tag}"  # weak: the body may be compressed
        self.headers["Cache-Control"] = "private, no-cache"
        return check_preconditions(Request(scope), tag, None)


class StreamedResponse(_Response):
    """A response whose pieces are encoded one at a time."""

    def __init__(
        self,
        pieces: Iterator[bytes],
        responses: LargeResponses,
        media_type: str,
        headers: Mapping[str, str],
        *,
        status: int = 200,
        length: int | None = None,
    ) -> None:
        super().__init__(responses, media_type, {"X-Accel-Buffering": "no", **headers})
        self.status_code = status
        self._length_known = length is not None
        self._pieces = pieces
        if length is None:
            del self.headers["Content-Length"]
        else:
            self.headers["Content-Length"] = str(length)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond; see `_Response`."""
        if scope["method"] == "HEAD":
            await self._start(send, self.status_code)
            await send({"type": "http.response.body", "body": b""})
        else:
            await super().__call__(scope, receive, send)

    async def _respond(self, scope: Scope, send: Send) -> None:
        del scope
        piece = await self._next()
        await self._start(send, self.status_code)
        while piece is not None:
            await self._send(piece, send)
            piece = await self._next()
        await send({"type": "http.response.body", "body": b""})

    async def _next(self) -> bytes | None:
        async with self._responses.encoding:
            return await to_thread.run_sync(next, self._pieces, None)
