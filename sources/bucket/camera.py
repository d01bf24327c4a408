"""The camera: lists a bucket, and announces new objects."""

from __future__ import annotations

import io
import logging
import time as clocks
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from anyio import move_on_after, sleep

from sources.base import Image, SourceError, UnknownImage
from sources.bucket.objects import Bucket, Object
from sources.bucket.store import FOLDER
from sources.values.images import (
    problem_of_name,
    read_facts,
    read_header,
    time_in_name,
    type_of_name,
)
from sources.values.ranges import POSITIVE_S, Range
from sources.values.reception import Receptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

logger = logging.getLogger("sources.bucket")

FIRST_LIST_S = 2.0
"""Seconds that the start waits for the first listing."""

LIST_PAUSE_RATIO = 10
"""The pause between two listings is at least this many times the duration of a listing."""

START_BYTES = 256 * 2**10
"""Bytes of a new object that are read for its size in pixels and its facts."""


@dataclass(frozen=True, slots=True)
class Held:
    """An image and its object."""

    image: Image
    object: Object


class BucketCamera:
    """The images in a bucket of S3, the newest arrival first; ids are keys below the prefix.

    An object is an image if its key ends like the name of one. A new object is read to see whether
    it is one, and for its facts. The objects that are there at the start are not read.

    Use it as an async context manager. It lists the bucket while somebody reads `new`.

    Args:
        url: `s3://BUCKET/PREFIX`.
        poll_s: seconds between two listings; longer in buckets that take long to list.
        endpoint: URL of another server that speaks the protocol of S3.
        region: of the bucket.
        anonymous: send no credentials.
        timeout_s: maximum seconds of an answer.
        keep: maximum number of images in the list.
        clock: POSIX seconds.

    Raises:
        SourceError: the URL or an option is invalid.
    """

    def __init__(
        self,
        url: str,
        /,
        poll_s: float = 5.0,
        endpoint: str = "",
        region: str = "",
        anonymous: bool = False,
        timeout_s: float = 30.0,
        keep: int = 10_000,
        *,
        clock: Callable[[], float] = clocks.time,
    ) -> None:
        self._bucket = Bucket.s3(url, endpoint, region, timeout_s, anonymous=anonymous)
        self._poll_s = POSITIVE_S.number("poll_s", poll_s)
        self._keep = Range(1, 100_000).whole("keep", keep)
        self._clock = clock
        self._held: dict[str, Held] = {}  # oldest first
        self._is_first = True  # listing
        self._skipped: dict[str, str] = {}  # the ETag of each object that is not an image
        self._receptions = Receptions(self._receive, self._keep)

    async def __aenter__(self) -> Self:
        await self._receptions.__aenter__()
        with move_on_after(FIRST_LIST_S), suppress(SourceError):  # `new` reports it
            await self._update(await self._bucket.objects())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._receptions.__aexit__()

    @property
    def contact_at(self) -> float | None:
        """POSIX seconds of the last listing."""
        return self._receptions.contact_at

    async def images(self) -> Sequence[Image]:
        """The images at the last listing."""
        return [held.image for held in reversed(self._held.values())]

    async def image(self, image_id: str) -> Image | None:
        """The image at the last listing; `None` if it was not there."""
        held = self._held.get(image_id)
        return None if held is None else held.image

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of an object, as long as it is the one of the last listing."""
        held = self._held.get(image_id)
        if held is None:
            raise UnknownImage(image_id)
        async for chunk in self._bucket.read(held.object, start):
            yield chunk

    def new(self) -> AsyncIterator[str]:
        """List the bucket, and yield the ids of new and replaced images.

        It ends the iterator of an earlier call.

        Raises:
            SourceError: the bucket cannot be listed.
        """
        return self._receptions.begin()

    async def _receive(self, announce: Callable[[str], None]) -> None:
        while True:
            began = clocks.perf_counter()
            for image_id in await self._update(await self._bucket.objects()):
                announce(image_id)
            self._receptions.note_contact()
            duration_s = clocks.perf_counter() - began
            await sleep(max(self._poll_s, LIST_PAUSE_RATIO * duration_s))

    async def _update(self, objects: list[Object]) -> list[str]:
        """Compare a listing with the images; returns the ids of those that are new or replaced."""
        is_first, self._is_first = self._is_first, False
        present = {one.key for one in objects}
        for gone in self._held.keys() - present:
            del self._held[gone]
        self._skipped = {key: etag for key, etag in self._skipped.items() if key in present}
        added: list[str] = []
        for one in sorted(objects, key=lambda one: one.modified)[-self._keep :]:
            held = self._held.get(one.key)
            is_known = self._skipped.get(one.key) == one.etag
            if is_known or (held is not None and held.object.etag == one.etag):
                continue
            image = self._listed(one) if is_first else await self._inspected(one)
            self._held.pop(one.key, None)
            if image is None:
                self._skipped[one.key] = one.etag
                continue
            self._held[one.key] = Held(image, one)
            if not is_first:
                added.append(one.key)
        while len(self._held) > self._keep:
            del self._held[next(iter(self._held))]
        return added

    def _listed(self, one: Object) -> Image | None:
        """The image of an object, by its name and size; `None` if it is not one."""
        content_type = type_of_name(one.key)
        is_copy = FOLDER in one.key.split("/")
        if content_type is None or not one.size or is_copy or problem_of_name(one.key):
            return None
        return Image(
            one.key,
            content_type,
            size=one.size,
            received=one.size,
            complete=True,
            revision=sha256(one.etag.encode()).hexdigest()[:16],
            taken_at=time_in_name(one.key),
            received_at=min(one.modified, self._clock()),
        )

    async def _inspected(self, one: Object) -> Image | None:
        """The image of a new object, with its facts; `None` if it is not one."""
        if (image := self._listed(one)) is None:
            return None
        try:
            file = io.BytesIO(await self._bucket.beginning(one, START_BYTES))
        except UnknownImage:
            return None  # deleted after it was listed
        if (header := read_header(file)) is None:
            logger.info("skipped %r: not an image of a known format", one.key)
            return None
        facts = read_facts(file, one.key)
        return replace(
            image,
            content_type=header.content_type,
            width=header.width,
            height=header.height,
            taken_at=facts.taken_at,
            received_at=self._clock(),
            metadata=facts.metadata,
        )
