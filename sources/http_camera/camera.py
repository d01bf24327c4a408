"""The camera: polls a URL, and downloads each image that is new."""

from __future__ import annotations

import logging
import time as clocks
from collections import Counter
from contextlib import aclosing
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

import httpx
from anyio import sleep

from sources.base import Image, SourceError
from sources.http_camera.download import Download
from sources.http_camera.links import is_index, links_in
from sources.http_camera.requests import (
    Failed,
    Interrupted,
    Requests,
    chunks,
    content_type,
    place,
)
from sources.values.held import HeldImage, suffix_of, time_id
from sources.values.held_camera import HeldCamera
from sources.values.ranges import POSITIVE_S, Range

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from sources.values.images import Header

logger = logging.getLogger("sources.http_camera")

MAX_INDEX_BYTES = 4 * 2**20

LINK_DIGITS = 16
"""Number of digits at the start of a revision that depend on the link alone."""

MAX_FAILURES = 3
"""Number of failed downloads of a link after which it is skipped."""


class HttpCamera(HeldCamera):
    """The images of a snapshot URL, or of the links in an index. They are held in memory.

    The response decides what the URL is: HTML or JSON is an index, anything else a snapshot. Each
    changed body of a snapshot is an image. Each link of an index is downloaded once.

    Use it as an async context manager. It polls while somebody reads `new`.

    Args:
        url: the URL without its query.
        poll_s: seconds between two requests of the URL.
        timeout_s: seconds without a byte after which a download is resumed.
        keep: maximum number of images that are held.
        memory_mib: maximum size of all images that are held.
        max_mib: maximum size of one image.
        hosts: other hosts that redirects and links may name, separated by commas.
        link: member of the objects in a JSON index whose values are the links.
        newest: where in the index the newest images are.
        clock: POSIX seconds.
        query: the query for the server.

    Raises:
        SourceError: the URL or an option is invalid.
    """

    def __init__(
        self,
        url: str,
        /,
        poll_s: float = 2.0,
        timeout_s: float = 10.0,
        keep: int = 100,
        memory_mib: int = 256,
        max_mib: int = 64,
        hosts: str = "",
        link: str = "",
        newest: Literal["first", "last"] = "last",
        *,
        clock: Callable[[], float] = clocks.time,
        **query: str,
    ) -> None:
        try:
            self._url = httpx.URL(url).copy_merge_params(query) if query else httpx.URL(url)
        except httpx.InvalidURL as exc:
            raise SourceError(f"not a URL: {exc}") from exc
        if not self._url.host:
            raise SourceError("the URL has no host")
        self._poll_s = POSITIVE_S.number("poll_s", poll_s)
        self._timeout_s = POSITIVE_S.number("timeout_s", timeout_s)
        self._keep = Range(1, 10_000).whole("keep", keep)
        max_bytes = Range(1, 65_536, "MiB").whole("memory_mib", memory_mib) * 2**20
        self._max_bytes = Range(1, 4096, "MiB").whole("max_mib", max_mib) * 2**20
        super().__init__(self._keep, max_bytes)
        self._hosts = [host.strip().lower() for host in hosts.split(",") if host.strip()]
        self._link = link
        self._newest = newest
        self._clock = clock
        self._validators: dict[str, str] = {}  # of the last body of the URL
        self._last = b""  # the last body of a snapshot
        self._done: set[httpx.URL] = set()  # links of the index
        self._failures: Counter[httpx.URL] = Counter()  # of downloads
        self._remembered: set[str] = set()  # digests of links that an earlier run downloaded

    def remember(self, images: Sequence[Image]) -> None:
        """Note images of earlier runs: their links are not downloaded again."""
        super().remember(images)
        self._remembered = {image.revision[:LINK_DIGITS] for image in images}

    async def _receive(self, announce: Callable[[str], None]) -> None:
        async with httpx.AsyncClient(timeout=self._timeout_s) as client:
            requests = Requests(client, self._url, self._hosts)
            while True:
                async with aclosing(self._poll(requests)) as ids:
                    async for image_id in ids:
                        announce(image_id)
                self._receptions.note_contact()
                await sleep(self._poll_s)

    async def _poll(self, requests: Requests) -> AsyncGenerator[str]:
        async with requests.get(self._url, self._validators) as response:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return
            kind = content_type(response)
            if kind.startswith("multipart/"):
                raise Failed(self._url, f"it is a video stream; read it with av:{place(self._url)}")
            if is_index(kind):
                links = await self._links(response, kind)
                ids = self._follow(requests, links)
            else:
                ids = self._snapshot(requests, response)
            async with aclosing(ids):
                async for image_id in ids:
                    yield image_id
            names = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
            found = {names[name]: response.headers.get(name, "") for name in names}
            self._validators = {name: value for name, value in found.items() if value}

    async def _snapshot(self, requests: Requests, response: httpx.Response) -> AsyncGenerator[str]:
        moment = time_id(self._clock())
        download = Download(requests, response, self._max_bytes, self._last)
        async with aclosing(self._download(download, moment, timed=True)) as ids:
            async for image_id in ids:
                yield image_id
        self._last = download.data

    async def _links(self, response: httpx.Response, kind: str) -> list[httpx.URL]:
        body = bytearray()
        async for chunk in chunks(response):
            body += chunk
            if len(body) > MAX_INDEX_BYTES:
                raise Failed(self._url, f"the index has more than {MAX_INDEX_BYTES:,} bytes")
        return links_in(bytes(body), kind, response.url, self._link)

    async def _follow(self, requests: Requests, links: list[httpx.URL]) -> AsyncGenerator[str]:
        """Download the links that are new, the oldest first."""
        oldest_first = links if self._newest == "last" else links[::-1]
        self._done.intersection_update(links)
        for url in oldest_first[-self._keep :]:
            digest = _digest(str(url.copy_with(username=None, password=None)))[:LINK_DIGITS]
            if url in self._done or digest in self._remembered:
                continue
            try:
                if not requests.allows(url):
                    raise Failed(url, "a link to another host; allow it with `hosts`")
                async with requests.get(url, {}) as response:
                    download = Download(requests, response, self._max_bytes)
                    arriving = self._download(download, _name_in(url), digest)
                    async with aclosing(arriving) as ids:
                        async for image_id in ids:
                            yield image_id
            except Failed as exc:
                self._failures[url] += 1
                if isinstance(exc, Interrupted) and self._failures[url] < MAX_FAILURES:
                    raise
                logger.warning("skipped an image of %s: %s", place(self._url), exc)
            del self._failures[url]
            self._done.add(url)

    async def _download(
        self, download: Download, name: str, link: str = "", *, timed: bool = False
    ) -> AsyncGenerator[str]:
        """Hold the image that arrives, and yield its id when it begins.

        Args:
            download: of its bytes.
            name: its id; the endings that other ids and, if `timed`, its format require are added.
            link: digest of its link in an index, with which its revision begins.
            timed: the name is a time.
        """
        held, reason = None, "its download ended"
        try:
            async for chunk, header in download.images():
                now = self._clock()
                if held is None:
                    held = self._hold(download, name, link, header, chunk, timed=timed)
                    yield held.image.id
                else:
                    held.add(chunk, now)
            if held is not None and (reason := held.complete()):
                raise Failed(download.url, reason)
        except Failed as exc:
            reason = str(exc)
            raise
        finally:
            if held is not None and not held.image.complete:
                held.break_off(reason)
        self._held.limit()

    def _hold(
        self,
        download: Download,
        name: str,
        link: str,
        header: Header,
        data: bytes,
        *,
        timed: bool,
    ) -> HeldImage:
        stem, suffix = name, ""
        if timed:
            suffix = suffix_of(header.content_type)
        elif "." in name:
            stem, dot, end = name.rpartition(".")
            suffix = dot + end
        now = self._clock()
        image = Image(
            self._held.free_id(stem, suffix),
            header.content_type,
            size=download.size,
            revision=link + _digest(f"{download.url}\0{download.etag}\0{now}")[:16],
            width=header.width,
            height=header.height,
            metadata={"url": place(download.url)},
        )
        held = HeldImage(image, data, now)
        self._held.add(held)
        return held


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _name_in(url: httpx.URL) -> str:
    """The last part of a path, without what no id may have."""
    name = unquote(PurePosixPath(url.path).name, errors="replace")
    return "".join(filter(str.isprintable, name)).replace("/", "_").strip(".")[-150:] or "image"
