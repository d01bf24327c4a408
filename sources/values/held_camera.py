"""A camera that receives its images from elsewhere and holds the newest in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from sources.values.held import HeldImages
from sources.values.reception import Receptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sources.base import Image


class HeldCamera:
    """The part that such cameras share. Use it as an async context manager.

    It receives images while somebody reads `new`.

    Args:
        keep: maximum number of images that are held.
        max_bytes: maximum size of all images that are held.
    """

    def __init__(self, keep: int, max_bytes: int) -> None:
        self._held = HeldImages(keep, max_bytes)
        self._receptions = Receptions(self._receive, keep)

    async def __aenter__(self) -> Self:
        await self._receptions.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._receptions.__aexit__()

    @property
    def contact_at(self) -> float | None:
        """POSIX seconds of the last answer of the camera; see `HasContact`."""
        return self._receptions.contact_at

    def remember(self, images: Sequence[Image]) -> None:
        """Note images of earlier runs: their ids are not given to others."""
        self._held.taken = {image.id for image in images}

    async def images(self) -> Sequence[Image]:
        """The images in memory, newest first."""
        return self._held.images

    async def image(self, image_id: str) -> Image | None:
        """The image with that id; `None` if newer images have replaced it."""
        return self._held.get(image_id)

    def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of an image, even if newer images replace it meanwhile."""
        return self._held.open(image_id, start)

    def new(self) -> AsyncIterator[str]:
        """Receive images, and yield their ids as they arrive.

        It ends the iterator of an earlier call. Ids that are not read in time are dropped, once
        there are more than the images in memory.

        Raises:
            SourceError: the camera cannot be reached, or sends something else.
        """
        return self._receptions.begin()

    async def _receive(self, announce: Callable[[str], None]) -> None:
        """Receive images, and announce their ids, until the connection is lost."""
        raise NotImplementedError
