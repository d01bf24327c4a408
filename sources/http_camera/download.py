"""The download of an image, which resumes where its connection breaks off."""

from __future__ import annotations

from contextlib import aclosing
from io import BytesIO
from typing import TYPE_CHECKING

from anyio import sleep

from sources.http_camera.requests import (
    Failed,
    Interrupted,
    Replaced,
    chunks,
    continues_at,
    strong_etag,
)
from sources.values.images import read_header

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import httpx

    from sources.http_camera.requests import Requests
    from sources.values.images import Header

MAX_RESUMES = 5
"""Maximum number of times that a download is resumed without a new byte."""

RESUME_S = 0.1
"""Seconds before the first of these times; each further one waits twice as long."""

MAX_HEADER_BYTES = 128 * 2**10
"""Maximum bytes that decide whether a body is an image."""


class Download:
    """Receives the body of a response.

    Args:
        requests: for the rest of a body that broke off.
        response: open.
        max_bytes: maximum bytes of the image.
        last: the body before this one; the same body again is not an image.

    Attributes:
        url: of the image.
        etag: strong; empty if the response has none.
        size: bytes of the image; `None` if unknown.
        data: the body, once it has arrived.
    """

    def __init__(
        self, requests: Requests, response: httpx.Response, max_bytes: int, last: bytes = b""
    ) -> None:
        length = response.headers.get("Content-Length", "")
        self.url = response.url
        self.etag = strong_etag(response)
        self.size = int(length) if length.isdecimal() and len(length) < 16 else None
        self.data = b""
        self._requests = requests
        self._response = response
        self._max_bytes = max_bytes
        self._last = last

    async def images(self) -> AsyncIterator[tuple[bytes, Header]]:
        """Yield the bytes of the image, and its header; nothing if it is the last body again.

        Raises:
            Failed: the body is not an image, is too large, or broke off and cannot be resumed.
        """
        header: Header | None = None
        data, is_last = bytearray(), True
        async with aclosing(self._body()) as body:
            async for chunk in body:
                is_last = is_last and self._last[len(data) : len(data) + len(chunk)] == chunk
                data += chunk
                if header is not None:
                    yield chunk, header
                elif not is_last:
                    header = read_header(BytesIO(data))
                    if header is not None:
                        yield bytes(data), header
                    elif len(data) > MAX_HEADER_BYTES:
                        break
        if header is None and not (is_last and data and len(data) == len(self._last)):
            header = read_header(BytesIO(data))  # a shorter body may be the start of the last one
            if header is None:
                raise Failed(self.url, "the server sent bytes that are not an image", 200)
            yield bytes(data), header
        self.data = bytes(data)

    async def _body(self) -> AsyncGenerator[bytes]:
        received, failures = 0, 0
        part = chunks(self._response)
        while True:
            before = received
            try:
                async with aclosing(part):
                    async for chunk in part:
                        received += len(chunk)
                        if max(received, self.size or 0) > self._max_bytes:
                            reason = f"the image has more than {self._max_bytes:,} bytes"
                            raise Failed(self.url, f"{reason}, its limit (`max_mib`)", 200)
                        yield chunk
                return
            except Interrupted as exc:
                failures = 0 if received > before else failures + 1
                if isinstance(exc, Replaced) or not self.etag or failures > MAX_RESUMES:
                    raise
            await sleep(RESUME_S * 2**failures)
            part = self._rest(received)

    async def _rest(self, position: int) -> AsyncGenerator[bytes]:
        """The bytes from `position` on, if the image is still the same."""
        headers = {"Range": f"bytes={position}-", "If-Range": self.etag}
        async with self._requests.get(self.url, headers) as response:
            if response.headers.get("Content-Range") == f"bytes */{position}":  # 416: its end
                return
            if not continues_at(response, position):
                raise Replaced(self.url, "the image was replaced while it arrived")
            async for chunk in chunks(response):
                yield chunk
