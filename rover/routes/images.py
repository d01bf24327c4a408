"""Pictures over HTTP: the list, one of them, the latest, each streamed while it still arrives.

Source: RFC 9110, 8.8.3 (ETag), 13 (conditions), 14 (ranges); RFC 6266 (Content-Disposition).
"""

from __future__ import annotations

import logging
import mimetypes
import re
from hashlib import sha256
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from anyio import create_task_group, move_on_after
from anyio.lowlevel import checkpoint_if_cancelled
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from rover.asgi.query import whole_number
from rover.asgi.responses import json_response
from rover.supervise import State
from rover.wire import iso_or_none
from sources.base import SourceError

if TYPE_CHECKING:
    from anyio import CancelScope
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from rover.asgi.connections import Connections
    from rover.images import Downlink
    from rover.images.reader import Reader
    from sources.base import Image

logger = logging.getLogger("rover.images")

FIRST_PICTURE_S = 10.0
"""Who asks before the camera has said anything waits so long for its first picture to begin."""

MOST_LISTED = 1000
LISTED = 100

LEAST_CHUNK = 64 * 2**10
"""A reader that takes no byte is told from a slow one by this much: so it must be little."""

MOST_CHUNK = 2**19
QUICK_S = 0.05
"""A reader that takes a chunk within this gets a larger one next time; others get the least."""


def routes(downlink: Downlink, connections: Connections) -> list[BaseRoute]:
    """The routes of the pictures."""

    async def latest(request: Request) -> PictureResponse:
        image_id = request.query_params.get("id")
        if image_id is not None:
            image = await downlink.image(image_id)
        else:
            starting = downlink.health.state is State.STARTING
            image = await downlink.latest(FIRST_PICTURE_S if starting else 0.0)
        return PictureResponse(downlink, image, connections)

    async def one(request: Request) -> PictureResponse:
        image = await downlink.image(request.path_params["image_id"])
        return PictureResponse(downlink, image, connections)

    async def listing(request: Request) -> Response:
        limit = whole_number(request, "limit", at_least=1, at_most=MOST_LISTED)
        images = await downlink.images(LISTED if limit is None else limit)
        return json_response({"images": [described(image) for image in images]})

    by_id = Route("/images/{image_id:path}", one)
    # Starlette's `path` ends at a line break, which a file's name may hold
    by_id.path_regex = re.compile(by_id.path_regex.pattern, re.DOTALL)
    return [Route("/stream/rover-image", latest), Route("/images", listing), by_id]


def described(image: Image) -> dict[str, Any]:
    """A picture as clients are told of it; links are relative to where the app is mounted."""
    quoted = quote(image.id, safe="")
    return {
        "id": image.id,
        "content_type": image.content_type,
        "size": image.size,
        "received": image.received,
        "complete": image.complete,
        "revision": image.revision,
        "taken_at": iso_or_none(image.taken_at),
        "received_at": iso_or_none(image.received_at),
        "width": image.width,
        "height": image.height,
        "sha256": image.sha256,
        "metadata": image.metadata,
        "url": f"images/{quoted}",
        "stream": f"stream/rover-image?id={quoted}",
    }


def etag(image: Image) -> str:
    """A strong entity tag: one id and one revision always have the same bytes."""
    name = f"{image.id}\0{image.revision}".encode()
    return f'"{sha256(name).hexdigest()[:32]}"'


def requested_range(text: str, size: int) -> tuple[int, int] | None:
    """The `(start, stop)` that a Range header asks for; `None` if it is to be ignored.

    Several ranges are ignored, as RFC 9110, 14.2 allows, and so is what cannot be read. An empty
    range is one that the picture cannot satisfy.
    """
    match = re.fullmatch(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", text, re.ASCII | re.IGNORECASE)
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        return (max(size - int(last), 0), size) if last else None
    if last and int(last) < int(first):
        return None
    start = min(int(first), size)
    return start, min(int(last) + 1, size) if last else size


class _Stalled(Exception):
    """The client took nothing for too long."""


class PictureResponse:
    """One picture, or a part of it, as it comes; an ASGI app.

    The headers promise no more than is known: without a size the body is chunked and ranges are
    ignored. A part that has not arrived yet is waited for. A picture that breaks off leaves the
    response visibly incomplete: short of its length, or without the last chunk.

    Args:
        downlink: where the picture comes from.
        image: which one.
        connections: of the mission; a client that takes nothing for their timeout is cut off.
    """

    def __init__(self, downlink: Downlink, image: Image, connections: Connections) -> None:
        self._downlink = downlink
        self._image = image
        self._connections = connections
        self._ended = self._broke_off = False  # the picture
        self._gone = False  # the client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and return when the last byte is sent or the client is gone.

        Raises:
            SourceError: the picture cannot be read; only before the response began.
            HTTPException: the range is beyond its end.
        """
        request = Request(scope)
        image, size = self._image, self._image.size
        headers = self._headers()
        tags = request.headers.get("if-none-match")
        if tags is not None and _matches(tags, headers["ETag"]):
            for name in ("Content-Type", "Content-Disposition"):
                del headers[name]
            await _respond(send, 304, headers)
            return
        status, start, stop = 200, 0, size
        if size is not None and (part := self._part(request, size)):
            start, stop = part
            if start == stop:
                raise HTTPException(
                    416,
                    f"the picture ends after {size:,} bytes; ask for a range before that",
                    {"Content-Range": f"bytes */{size}"},
                )
            status = 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        if stop is not None:
            headers["Content-Length"] = str(stop - start)
        if scope["method"] == "HEAD":
            await _respond(send, status, headers)
            return
        async with self._downlink.open(image, start, stop) as reader:
            await _start(send, status, headers)
            await self._follow(reader, scope, receive, send)
        if self._ended:
            self._connections.leave(scope)
        elif not self._gone:
            await self._connections.hang_up(scope, receive, flush=self._broke_off)

    async def _follow(self, reader: Reader, scope: Scope, receive: Receive, send: Send) -> None:
        """Copy what is read to the client, until it has it all, or is gone, or takes nothing."""
        self._connections.expect_acks(scope, receive)
        async with create_task_group() as tasks:
            tasks.start_soon(self._watch, receive, tasks.cancel_scope)
            try:
                await self._copy(reader, send)
                self._ended = True
            except SourceError as exc:
                logger.info("a reader was given only a part: %s", exc)
                self._broke_off = True
            except _Stalled:
                logger.info("cut off a reader that took nothing of %r", self._image.id)
            tasks.cancel_scope.cancel()

    async def _watch(self, receive: Receive, both: CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        both.cancel()

    async def _copy(self, reader: Reader, send: Send) -> None:
        count = LEAST_CHUNK
        while chunk := await reader.read(count):
            began = perf_counter()
            await self._send(send, chunk, more=True)
            quick = perf_counter() - began < QUICK_S
            count = min(2 * count, MOST_CHUNK) if quick else LEAST_CHUNK
        await self._send(send, b"", more=False)

    async def _send(self, send: Send, body: bytes, *, more: bool) -> None:
        await checkpoint_if_cancelled()  # a read in a thread ends also when the client has gone
        with move_on_after(self._connections.timeout_s) as scope:
            await send({"type": "http.response.body", "body": body, "more_body": more})
        if scope.cancelled_caught:
            raise _Stalled

    def _part(self, request: Request, size: int) -> tuple[int, int] | None:
        """What is asked for, if it is a part. Ranges are for GET alone (RFC 9110, 14.2)."""
        text = request.headers.get("range")
        condition = request.headers.get("if-range")
        if text is None or request.method != "GET":
            return None
        if condition is not None and condition != etag(self._image):  # a date is never a match:
            return None  # there is no Last-Modified to compare it with
        return requested_range(text, size)

    def _headers(self) -> dict[str, str]:
        image = self._image
        headers = {
            "Content-Type": image.content_type,
            "Content-Disposition": _disposition(image),
            "ETag": etag(image),
            "Cache-Control": "private, no-cache",  # an id may get other bytes; the ETag tells
            "X-Image-Id": quote(image.id, safe=""),
            "X-Content-Type-Options": "nosniff",
            # a picture may come from anywhere, and an SVG may hold a script
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        }
        if image.size is not None:
            headers["Accept-Ranges"] = "bytes"
        if not image.complete:
            headers["X-Accel-Buffering"] = "no"  # or nginx shows it only when all has come
        return headers


def _disposition(image: Image) -> str:
    name = image.id.rpartition("/")[2]
    if mimetypes.guess_type(name)[0] != image.content_type:
        name += mimetypes.guess_extension(image.content_type) or ""
    plain = re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'inline; filename="{plain}"{extended}'


def _matches(tags: str, tag: str) -> bool:
    """Whether an If-None-Match names the tag; weakly compared (RFC 9110, 13.1.2)."""
    return tags.strip() == "*" or tag in (
        part.strip().removeprefix("W/") for part in tags.split(",")
    )


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _respond(send: Send, status: int, headers: dict[str, str]) -> None:
    await _start(send, status, headers)
    await send({"type": "http.response.body", "body": b""})
