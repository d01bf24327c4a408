"""The newest frame of a camera as a JPEG, shared by all viewers of a width."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from anyio import Lock

from rover.errors import NoThumbnail
from rover.images.scaling import NotScalable, scaled
from rover.images.thumbnails import read_all
from sources.base import SourceError
from sources.values.blocking import BlockingCalls

if TYPE_CHECKING:
    from collections.abc import Hashable

    from anyio import CancelScope

    from rover.images.images import Images
    from sources.base import Image

JPEG_START = b"\xff\xd8\xff"

MAX_SHAPES = 64
"""Maximum number of combinations of camera and width whose newest frame is kept."""

TIMEOUT_S = 10.0
"""Maximum seconds to encode a frame."""


class Frame(NamedTuple):
    """One frame.

    Attributes:
        image: the image that it shows.
        data: JPEG.
    """

    image: Image
    data: bytes


class Frames:
    """The frames of all cameras.

    Each frame is read and encoded once for all viewers of the same width. A JPEG in its own width
    is not encoded again.

    Attributes:
        viewers: the scopes of the open video streams.
    """

    def __init__(self) -> None:
        self.viewers: set[CancelScope] = set()
        self._newest: dict[tuple[str, int | None], tuple[Hashable, Frame | None]] = {}
        self._locks: dict[tuple[str, int | None], Lock] = {}
        self._calls = BlockingCalls(2, TIMEOUT_S)

    async def newest(self, images: Images, width: int | None) -> Frame | None:
        """The newest frame that can be shown; `None` if there is none, or if it cannot.

        It is of the camera's video, or its newest complete image.

        Args:
            images: those of a camera.
            width: maximum width in pixels; `None` for the image's own.
        """
        shape = images.name, width
        async with self._locks.setdefault(shape, Lock()):
            try:
                image = await images.frame()
            except SourceError:
                return None  # the state of the camera has the reason
            if image is None:
                return None
            revision = image.id, image.revision
            known, frame = self._newest.get(shape, (None, None))
            if known != revision:
                frame = await self._encoded(images, image, width)
                self._newest.pop(shape, None)
                self._newest[shape] = revision, frame
                while len(self._newest) > MAX_SHAPES:
                    oldest = next(iter(self._newest))
                    del self._newest[oldest]
                    self._locks.pop(oldest, None)
        return frame

    async def _encoded(self, images: Images, image: Image, width: int | None) -> Frame | None:
        try:
            data = await read_all(images, image)
            is_narrow = width is None or (image.width or width + 1) <= width
            if not (data.startswith(JPEG_START) and is_narrow):
                size, layout = width or image.width or 4096, image.metadata.get("layout")
                data = await self._calls.run(scaled, data, size, "JPEG", layout)
        except (NoThumbnail, NotScalable, SourceError, TimeoutError):
            return None  # the next image may be shown again
        return Frame(image, data)

    def close(self) -> None:
        """End all video streams."""
        for viewer in self.viewers:
            viewer.cancel()
