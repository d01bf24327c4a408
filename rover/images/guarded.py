"""A camera whose results are checked, and whose failures are all a `SourceError`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, cast

from rover.guard import Guard
from sources.base import HasContact, HasMemory, HasVideo, ImageBroken, SourceError
from sources.rules import chunk_mistake, image_mistake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from rover.guard import Items
    from sources.base import Camera, Image

logger = logging.getLogger("rover.images")


class InvalidImage(SourceError):
    """The camera returned an image with an invalid attribute. The text names it."""


class GuardedCamera:
    """Calls a camera. All methods raise `SourceError` for anything that goes wrong in it.

    Args:
        name: of the camera, for log lines.
        camera: the camera.
        on_mistake: called with the text if the camera lists an invalid image.

    Attributes:
        guard: calls the camera.
    """

    def __init__(self, name: str, camera: Camera, on_mistake: Callable[[str], None]) -> None:
        self.guard = Guard(name, camera)
        self._camera = camera
        self._on_mistake = on_mistake
        self._mistakes = 0

    async def images(self) -> Iterator[Image]:
        """The valid images that the camera lists, newest first. Each is checked when it is read."""
        images: object = await self.guard.call("images()", self._camera.images)
        if not isinstance(images, Sequence) or isinstance(images, str | bytes):
            kind = type(images).__name__
            raise SourceError(f"images() returned {kind}: must be a sequence of Image")
        return (image for image in images if self._is_valid(image))

    def _is_valid(self, image: object) -> bool:
        mistake = self.guard.read("images()", image_mistake, image)
        if mistake is None:
            return True
        self._mistakes += 1
        if self._mistakes.bit_count() == 1:  # the 1st, 2nd, 4th, 8th … only
            logger.warning(
                "%s: invalid image %d: %s", self.guard.name, self._mistakes, mistake.text
            )
        self._on_mistake(mistake.text)
        return False

    async def image(self, image_id: str) -> Image | None:
        """The image with that id as it is now; `None` if the camera does not hold it.

        Raises:
            InvalidImage: the camera returned an invalid image.
        """
        image = await self.guard.call("image()", self._camera.image, image_id)
        return self._checked("image()", image)

    def remember(self, images: Sequence[Image]) -> None:
        """Pass the images of earlier runs to a camera that asks for them.

        Raises:
            SourceError: the camera failed.
        """
        if self.guard.read("remember()", isinstance, self._camera, HasMemory):
            self.guard.read("remember()", cast("HasMemory", self._camera).remember, images)

    @property
    def has_contact(self) -> bool:
        """Whether the camera knows when its machine answered."""
        with suppress(SourceError):
            return self.guard.read("contact_at", isinstance, self._camera, HasContact)
        return False

    @property
    def contact_at(self) -> float | None:
        """POSIX seconds at which its machine answered last; `None` if that is unknown."""
        with suppress(SourceError):
            found: object = self.guard.read("contact_at", getattr, self._camera, "contact_at", None)
            return found if isinstance(found, int | float) else None
        return None

    @property
    def has_video(self) -> bool:
        """Whether the camera may have a video."""
        with suppress(SourceError):
            return self.guard.read("frame", isinstance, self._camera, HasVideo)
        return False

    async def frame(self) -> Image | None:
        """The frame that the camera's video shows; `None` if it has no video.

        Raises:
            InvalidImage: the camera returned an invalid image.
        """
        if not self.has_video:
            return None
        camera = cast("HasVideo", self._camera)
        return self._checked("frame()", await self.guard.call("frame()", camera.frame))

    def _checked(self, call: str, image: Image | None) -> Image | None:
        if image is None:
            return None
        mistake = self.guard.read(call, image_mistake, image)
        if mistake is not None:
            raise InvalidImage(mistake.text)
        return image

    @asynccontextmanager
    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[Chunks]:
        """The image's chunks from `start`, for this block."""
        args = (image_id, start) if start else (image_id,)
        async with self.guard.iterate("open()", self._camera.open, *args) as chunks:
            yield Chunks(image_id, chunks)

    @asynccontextmanager
    async def new(self) -> AsyncIterator[NewIds]:
        """The ids of images that start to arrive, for this block."""
        async with self.guard.iterate("new()", self._camera.new) as ids:
            yield NewIds(ids)


class Chunks:
    """The chunks of an image. Iteration raises `ImageBroken` for an invalid chunk."""

    def __init__(self, image_id: str, chunks: Items[bytes]) -> None:
        self._image_id = image_id
        self._chunks = chunks

    def __aiter__(self) -> Chunks:
        """The same object."""
        return self

    async def __anext__(self) -> bytes:
        """The next chunk; never empty."""
        chunk = await anext(self._chunks)
        if mistake := chunk_mistake(chunk):
            raise ImageBroken(self._image_id, mistake.text)
        return chunk


class NewIds:
    """The ids of images that start to arrive."""

    def __init__(self, ids: Items[str]) -> None:
        self._ids = ids

    def __aiter__(self) -> NewIds:
        """The same object."""
        return self

    async def __anext__(self) -> str:
        """The next id."""
        image_id: object = await anext(self._ids)
        if not isinstance(image_id, str):
            raise SourceError(
                f"new() yielded {type(image_id).__name__}: must be the id of an image"
            )
        return image_id
