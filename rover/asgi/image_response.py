"""One image as an HTTP response, streamed while it arrives.

Source: RFC 9110, 8.7 (Content-Location), 8.8.3 (ETag); RFC 6266 (Content-Disposition).
"""

from __future__ import annotations

import logging
import mimetypes
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

from anyio import current_time
from anyio.lowlevel import checkpoint_if_cancelled
from starlette.requests import Request

from rover.asgi.connected import while_connected
from rover.asgi.disposition import disposition
from rover.asgi.preconditions import check_preconditions, last_modified
from rover.asgi.ranges import requested_part
from rover.identity import IDENTITY
from sources.base import SourceError
from sources.rules.describe import describe

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from rover.asgi.connections import Connections
    from rover.images import Images
    from rover.images.reader import Reader
    from sources.base import Image

logger = logging.getLogger("rover.images")

MIN_CHUNK_BYTES = 64 * 2**10
"""Size of the first chunk, and of a chunk for a slow client."""

MAX_CHUNK_BYTES = 2**20
"""Maximum size of a chunk. Each chunk from a file costs a call in a worker thread."""

MAX_BUFFERED_BYTES = 16 * 2**20
"""Approximate bytes of the chunks of all readers of a camera; more readers get smaller chunks."""

FAST_SEND_S = 0.05
"""Seconds within which a chunk must be sent for the next one to be twice as large, else half."""


def etag(camera: str, image: Image) -> str:
    """The strong entity tag: the same camera, id and revision mean the same bytes."""
    name = f"{camera}\0{image.id}\0{image.revision}".encode()
    return f'"{sha256(name).hexdigest()[:32]}"'


class ImageResponse:
    """An ASGI app that responds with one image, or a range of it, while it arrives.

    If the size is unknown, the body is chunked. The response waits for bytes that have not arrived.
    If the image breaks, the response is visibly incomplete: shorter than its `Content-Length`, or
    without the last chunk.

    Args:
        images: reads the image.
        image: the image.
        connections: aborts a client that reads no data for its timeout.
        location: the URL of this revision of the image.
        url_is_stable: whether the requested URL always stands for this revision; see
            `rover.asgi.ranges`. `None` if it stands for all revisions of this id.
    """

    def __init__(
        self,
        images: Images,
        image: Image,
        connections: Connections,
        location: str = "",
        *,
        url_is_stable: bool | None = None,
    ) -> None:
        self._images = images
        self._image = image
        self._connections = connections
        self._location = location
        self._url_is_stable = url_is_stable
        self._complete = self._broken = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond; returns after the last byte, or when the client has disconnected.

        Raises:
            AccessEnded: the client has lost its access. Raised only before the response begins.
            SourceError: the image cannot be read. Raised only before the response begins.
            HTTPException: a precondition is false, or the range begins after the last byte.
        """
        request = Request(scope)
        self._connections.grants.check(scope.get(IDENTITY))
        image, size = self._image, self._image.size
        is_stable = self._url_is_stable
        if is_stable is None:
            is_stable = self._images.served.add(image)
        headers = self._headers(is_stable=is_stable)
        tag = headers["ETag"]
        if check_preconditions(request, tag, headers.get("Last-Modified")):
            del headers["Content-Type"], headers["Content-Disposition"]
            await _respond(send, 304, headers)
            return
        status, start, stop = 200, 0, size
        if part := requested_part(request, size, tag, url_is_stable=is_stable):
            status, start, stop = 206, part.start, part.stop
            headers["Content-Range"] = part.content_range
        if stop is not None:
            headers["Content-Length"] = str(stop - start)
        if scope["method"] == "HEAD":
            await _respond(send, status, headers)
            return
        async with self._images.open(image, start, stop) as reader:
            await _start(send, status, headers)
            async with while_connected(scope, receive, self._connections.grants) as client:
                with self._connections.watch(scope, receive, client.cancel_scope.cancel) as watched:
                    await self._stream(reader, watched.timed(send))
        if self._complete:
            self._connections.end(receive)
        elif not client.has_disconnected:
            await self._connections.end_incomplete(
                scope, receive, flush=self._broken, length_known=stop is not None
            )

    async def _stream(self, reader: Reader, send: Send) -> None:
        """Send the image until its end or an error."""
        try:
            await self._copy(reader, send)
            self._complete = True
        except SourceError as exc:
            logger.info("a response is incomplete: %s", describe(exc))
            self._broken = True

    async def _copy(self, reader: Reader, send: Send) -> None:
        count = MIN_CHUNK_BYTES
        while chunk := await reader.read(count):
            await checkpoint_if_cancelled()  # a read in a thread does not notice a disconnect
            began = current_time()
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            self._images.sent_bytes += len(chunk)
            fast = current_time() - began < FAST_SEND_S
            most = min(MAX_CHUNK_BYTES, MAX_BUFFERED_BYTES // max(self._images.readers, 1))
            count = max(min(2 * count if fast else count // 2, most), MIN_CHUNK_BYTES)
        await send({"type": "http.response.body", "body": b""})

    def _headers(self, *, is_stable: bool) -> dict[str, str]:
        image = self._image
        headers = {
            "Content-Type": image.content_type,
            "Content-Disposition": _disposition(image),
            "ETag": etag(self._images.name, image),
            "Cache-Control": "private, no-cache",  # an image may be replaced; the ETag changes then
            "X-Image-Id": quote(image.id, safe=""),
            "X-Content-Type-Options": "nosniff",
            # an image may come from anywhere, and an SVG may contain a script
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        }
        if self._location:
            headers["Content-Location"] = self._location
        if image.complete and (modified := last_modified(image.received_at)):
            headers["Last-Modified"] = modified
        if image.size is not None and is_stable:
            headers["Accept-Ranges"] = "bytes"
        if not image.complete:
            headers["X-Accel-Buffering"] = "no"  # else nginx buffers the image
        return headers


def _disposition(image: Image) -> str:
    name = image.id.rpartition("/")[2]
    if mimetypes.guess_type(name)[0] != image.content_type:
        name += mimetypes.guess_extension(image.content_type) or ""
    return disposition("inline", name)


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _respond(send: Send, status: int, headers: dict[str, str]) -> None:
    await _start(send, status, headers)
    await send({"type": "http.response.body", "body": b""})
