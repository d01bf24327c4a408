"""Images as bytes, while they arrive and across cuts."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote

import httpx
from anyio import sleep, to_thread

from rover.client.backoff import Backoff
from rover.client.errors import (
    ConnectionFailed,
    ImageChanged,
    ImageIncomplete,
    NotARover,
    Refused,
)
from rover.client.http import check_status, translated_errors
from rover.client.stream import CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SILENCE_S = 120.0
"""Seconds without a byte after which a download counts as cut. An image may arrive slowly."""

MAX_FAILURES = 6
"""Maximum number of attempts in a row that bring no new byte."""

VERY_LARGE = 2**53 - 1
"""The end of a range that stands for the end of an image of unknown size (RFC 8673, 2)."""

CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", re.ASCII)


class ImageDownload:
    """The bytes of one image, across any number of connections.

    Iterate over it in `async with`. After a cut, it requests the missing rest of the same image:
    `Range` with the entity tag in `If-Range`. It never joins bytes of two images.

    Args:
        http: sends the requests.
        url: of the image.
        params: of the query.
        on_retry: called with the reason and the seconds until the next attempt.

    Attributes:
        id: of the image; empty before the first byte.
        etag: its entity tag.
        content_type: its media type.
        size: in bytes; `None` while the server does not know it.
        received: number of bytes that have arrived.

    Raises:
        ConnectionFailed: the first attempt failed.
        Refused: the server has no such image, or does not allow it.
        ImageChanged: the image was replaced meanwhile.
        ImageIncomplete: the rest does not arrive.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        url: str,
        params: dict[str, str],
        on_retry: Callable[[str, float], None] = lambda *_: None,
    ) -> None:
        self.id = self.etag = self.content_type = ""
        self.size: int | None = None
        self.received = 0
        self._http = http
        self._url = url
        self._params = params
        self._on_retry = on_retry
        self._backoff = Backoff(0.5)
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._skip = 0
        self._begun = self._complete = False

    async def __aenter__(self) -> Self:
        """Connect, so that the attributes are known."""
        await self._connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._disconnect()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._complete:
            try:
                if self._response is None:
                    await self._connect()
                elif chunk := await self._read():
                    return chunk
            except (ConnectionFailed, Refused) as exc:
                await self._disconnect()
                await self._retry(exc)
        raise StopAsyncIteration

    async def _read(self) -> bytes:
        """The next bytes; empty if there are none that are new."""
        assert self._chunks is not None  # noqa: S101 # for mypy
        assert self._response is not None  # noqa: S101
        with translated_errors(self._url):
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                self._check_end(self._response)
                return b""
        skipped = min(self._skip, len(chunk))
        self._skip -= skipped
        chunk = chunk[skipped:]
        if chunk:
            self.received += len(chunk)
            self._backoff.succeed()
        return chunk

    def _check_end(self, response: httpx.Response) -> None:
        """The response has ended as its header says: this is the end of the image."""
        headers = response.headers
        chunked = "chunked" in headers.get("transfer-encoding", "")
        if not (chunked or "content-length" in headers or response.http_version == "HTTP/2"):
            raise ImageIncomplete(self.received, "a proxy hides whether the image is complete")
        if self._skip or (self.size is not None and self.received != self.size):
            raise ImageIncomplete(self.received, "the server sent fewer bytes than before")
        self._complete = True

    async def _retry(self, exc: ConnectionFailed | Refused) -> None:
        temporary = isinstance(exc, ConnectionFailed) or exc.is_temporary
        if not self._begun or not temporary:
            raise exc
        if self._backoff.failures >= MAX_FAILURES or not self.etag:
            raise ImageIncomplete(self.received, str(exc)) from exc
        delay_s = self._backoff.next_delay_s(getattr(exc, "retry_after_s", None))
        self._on_retry(str(exc), delay_s)
        await sleep(delay_s)

    async def _connect(self) -> None:
        headers = {"Accept-Encoding": "identity"}
        if self.received:
            end = VERY_LARGE if self.size is None else ""
            headers |= {"Range": f"bytes={self.received}-{end}", "If-Range": self.etag}
        timeout = httpx.Timeout(SILENCE_S, connect=CONNECT_TIMEOUT_S)
        with translated_errors(self._url):
            request = self._http.build_request(
                "GET", self._url, params=self._params or None, headers=headers, timeout=timeout
            )
            response = await self._http.send(request, stream=True)
            try:
                if not self._ends_here(response):
                    await check_status(response)
                    self._accept(response)
            except BaseException:
                await response.aclose()
                raise
        self._begun = True
        self._response = response
        self._chunks = response.aiter_raw()  # with a size, it would hold bytes back

    def _ends_here(self, response: httpx.Response) -> bool:
        """Whether the bytes that have arrived are the whole image, which is why nothing follows."""
        match = CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        self._complete = (
            response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE
            and match is not None
            and match[2] == str(self.received)
        )
        return self._complete

    def _accept(self, response: httpx.Response) -> None:
        """Check that a response has the image, or its missing rest."""
        headers = response.headers
        kind = headers.get("content-type", "")
        if "x-image-id" not in headers:
            raise NotARover(f"{self._url} is not an image of a Cosmic Rover server but {kind}")
        etag = headers.get("etag", "")
        if self._begun and etag != self.etag:
            raise ImageChanged("the image was replaced while it was being received")
        self._skip = self.received
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            match = CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
            if match is None or match[1] != str(self.received):
                raise ImageIncomplete(self.received, "the server sent another part of the image")
            self._skip = 0
            self.size = int(match[2]) if match[2] != "*" else self.size
        elif headers.get("content-length", "").isdecimal():
            self.size = int(headers["content-length"])
        self.etag, self.content_type = etag, kind
        self.id = unquote(headers["x-image-id"])
        self._params["id"] = self.id  # a later request must not get a newer image

    async def _disconnect(self) -> None:
        response, self._response, self._chunks = self._response, None, None
        if response is not None:
            await response.aclose()

    async def save(
        self,
        path: Path | str,
        on_progress: Callable[[ImageDownload], None] = lambda _: None,
        *,
        overwrite: bool = False,
    ) -> None:
        """Write the image to a file, which appears only when it is complete.

        Args:
            path: of the file.
            on_progress: called after each part.
            overwrite: whether to replace a file at this path.

        Raises:
            ClientError: as the class.
            FileExistsError: a file is at this path.
            OSError: the file cannot be written.
        """
        path = Path(path)
        part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
        try:
            with part.open("xb") as file:
                async for chunk in self:
                    await to_thread.run_sync(file.write, chunk)
                    on_progress(self)
                file.flush()
                os.fsync(file.fileno())
            if overwrite:
                part.replace(path)
            else:
                os.link(part, path)  # fails if the file exists, where a rename would replace it
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
