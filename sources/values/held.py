"""The images of a camera in memory, the newest first, while they arrive and after that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING

from anyio import Event

from sources.base import Image, ImageBroken, UnknownImage
from sources.values.images import is_whole, read_facts, read_header
from sources.values.names import free_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

CHUNK_BYTES = 2**20
"""Maximum bytes of one chunk, the limit of the contract."""


class NotAnImage(ValueError):
    """Bytes are not a whole image of a known format, or too many; the text is the reason."""


class HeldImage:
    """An image and the bytes that have arrived.

    Args:
        image: without a byte.
        data: the first bytes.
        received_at: POSIX seconds.
    """

    def __init__(self, image: Image, data: bytes, received_at: float) -> None:
        self.image = image
        self.data = bytearray()
        self._problem = ""
        self._changed = Event()
        self.add(data, received_at)

    def add(self, data: bytes, received_at: float) -> None:
        """Add bytes that have arrived."""
        self.data += data
        self.image = replace(self.image, received=len(self.data), received_at=received_at)
        self._publish()

    def complete(self) -> str:
        """Mark the image as complete; returns why it is not, or an empty text."""
        file = BytesIO(self.data)
        header = read_header(file)
        if header is None or not is_whole(file, header.content_type, search=True):
            return "a part of it is missing"
        facts = read_facts(file, self.image.id)
        self.image = replace(
            self.image,
            size=len(self.data),
            complete=True,
            width=header.width,
            height=header.height,
            sha256=sha256(self.data).hexdigest(),
            taken_at=facts.taken_at,
            metadata={**self.image.metadata, **facts.metadata},
        )
        self._publish()
        return ""

    def break_off(self, reason: str) -> None:
        """End the image before it is complete."""
        self._problem = reason
        self._publish()

    async def read(self, start: int) -> AsyncIterator[bytes]:
        """Yield bytes from `start` as they arrive.

        Raises:
            ImageBroken: the image broke off.
        """
        position = start
        while True:
            changed = self._changed
            while position < len(self.data):
                chunk = bytes(self.data[position : position + CHUNK_BYTES])
                position += len(chunk)
                yield chunk
            if self.image.complete:
                return
            if self._problem:
                raise ImageBroken(self.image.id, self._problem)
            await changed.wait()

    def _publish(self) -> None:
        changed, self._changed = self._changed, Event()
        changed.set()


class HeldImages:
    """The newest images. The oldest are deleted to keep the limits.

    Args:
        max_images: maximum number of images.
        max_bytes: maximum bytes of all images.

    Attributes:
        taken: ids of images that are no longer held; no new image gets one.
    """

    def __init__(self, max_images: int, max_bytes: int) -> None:
        self.taken: Collection[str] = ()
        self._max_images = max_images
        self._max_bytes = max_bytes
        self._held: dict[str, HeldImage] = {}  # oldest first

    @property
    def images(self) -> Sequence[Image]:
        """All images, newest first."""
        return [held.image for held in reversed(self._held.values())]

    def get(self, image_id: str) -> Image | None:
        """The image with that id; `None` if it is not held."""
        held = self._held.get(image_id)
        return None if held is None else held.image

    async def open(self, image_id: str, start: int) -> AsyncIterator[bytes]:
        """Yield the bytes of an image, even if newer images replace it meanwhile.

        Raises:
            UnknownImage: it is not held.
            ImageBroken: the image broke off.
        """
        held = self._held.get(image_id)
        if held is None:
            raise UnknownImage(image_id)
        async for chunk in held.read(start):
            yield chunk

    def free_id(self, stem: str, suffix: str) -> str:
        """An id with that ending, which no complete image has."""
        used = [image.id.removesuffix(suffix) for image in self.images if image.complete]
        while (free := free_name(stem, used)) + suffix in self.taken:
            used.append(free)
        return free + suffix

    def add_whole(
        self,
        data: bytes,
        received_at: float,
        taken_at: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Image | None:
        """Add an image that arrived at once. Its id is the time at which it was taken or received.

        Args:
            data: the whole image.
            received_at: POSIX seconds.
            taken_at: POSIX seconds; by default what the image says.
            metadata: more facts for people.

        Returns:
            The image; `None` if the image of that time has the same bytes.

        Raises:
            NotAnImage: the bytes are not a whole image, or exceed the limit.
        """
        if len(data) > self._max_bytes:
            raise NotAnImage(f"the image has {len(data):,} bytes, more than {self._max_bytes:,}")
        file = BytesIO(data)
        header = read_header(file)
        if header is None:
            raise NotAnImage("it is not an image of a known format")
        if not is_whole(file, header.content_type, search=True):  # cameras pad with zeros
            raise NotAnImage(f"the image of {len(data):,} bytes is truncated")
        facts = read_facts(file, "")
        stem = time_id(received_at if taken_at is None else taken_at)
        suffix = suffix_of(header.content_type)
        digest = sha256(data).hexdigest()
        same = self.get(stem + suffix)
        if same is not None and same.sha256 == digest:
            return None
        image = Image(
            self.free_id(stem, suffix),
            header.content_type,
            size=len(data),
            complete=True,
            revision=digest[:16],
            taken_at=facts.taken_at if taken_at is None else taken_at,
            width=header.width,
            height=header.height,
            sha256=digest,
            metadata={**facts.metadata, **(metadata or {})},
        )
        held = HeldImage(image, data, received_at)
        self.add(held)
        return held.image

    def add(self, held: HeldImage) -> None:
        """Add an image, or replace the one with the same id."""
        self._held.pop(held.image.id, None)
        self._held[held.image.id] = held
        self.limit()

    def limit(self) -> None:
        """Delete the oldest images that exceed the limits, but the newest one never."""
        total = sum(len(held.data) for held in self._held.values())
        while len(self._held) > 1 and (
            len(self._held) > self._max_images or total > self._max_bytes
        ):
            oldest = self._held.pop(next(iter(self._held)))
            total -= len(oldest.data)
            if not oldest.image.complete:
                oldest.break_off("newer images took its place")


def time_id(t: float) -> str:
    """The time of an image as the beginning of its id."""
    return datetime.fromtimestamp(t, UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def suffix_of(content_type: str) -> str:
    """The ending of a name for a format."""
    subtype = content_type.removeprefix("image/").removeprefix("x-")
    return ".jpg" if subtype == "jpeg" else f".{subtype}"
