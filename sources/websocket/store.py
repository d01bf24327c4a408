"""The newest images of a camera, in bounded memory."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING

from sources.base import Image
from sources.values.images import is_whole, read_header
from sources.values.names import free_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png"}


class NotAnImage(ValueError):
    """Bytes are not a whole JPEG or PNG image; the text is the reason."""


class ImageStore:
    """Whole images, newest first. The oldest are dropped to keep the limits.

    Args:
        max_images: maximum number of images.
        max_bytes: maximum bytes of all images.
    """

    def __init__(self, max_images: int, max_bytes: int) -> None:
        self._max_images = max_images
        self._max_bytes = max_bytes
        self._bytes = 0
        self._held: dict[str, tuple[Image, bytes]] = {}  # oldest first

    @property
    def images(self) -> Sequence[Image]:
        """All images, newest first."""
        return [image for image, _ in reversed(self._held.values())]

    def get(self, image_id: str) -> tuple[Image, bytes] | None:
        """The image with that id, and its bytes."""
        return self._held.get(image_id)

    def add(
        self,
        data: bytes,
        taken_at: float | None,
        received_at: float,
        metadata: Mapping[str, str],
    ) -> Image | None:
        """Add an image; `None` if it is held already.

        Args:
            data: the whole image.
            taken_at: POSIX seconds; `None` if unknown.
            received_at: POSIX seconds.
            metadata: more facts for people.

        Raises:
            NotAnImage: the bytes are not a whole JPEG or PNG image, or exceed the limit.
        """
        if len(data) > self._max_bytes:
            raise NotAnImage(f"the image has {len(data):,} bytes, more than {self._max_bytes:,}")
        file = BytesIO(data)
        header = read_header(file)
        if header is None or header.content_type not in _SUFFIXES:
            raise NotAnImage("it is neither a JPEG nor a PNG image")
        if not is_whole(BytesIO(data), header.content_type, search=True):  # cameras pad with zeros
            raise NotAnImage(f"the image of {len(data):,} bytes is truncated")
        digest = sha256(data).hexdigest()
        moment = datetime.fromtimestamp(received_at if taken_at is None else taken_at, UTC)
        stem = moment.strftime("%Y%m%dT%H%M%S.%fZ")
        suffix = _SUFFIXES[header.content_type]
        same = self._held.get(stem + suffix)
        if same is not None and same[0].sha256 == digest:
            return None
        image = Image(
            free_name(stem, [held.removesuffix(suffix) for held in self._held]) + suffix,
            header.content_type,
            size=len(data),
            received=len(data),
            complete=True,
            revision=digest[:16],
            taken_at=taken_at,
            received_at=received_at,
            width=header.width,
            height=header.height,
            sha256=digest,
            metadata=metadata,
        )
        self._held[image.id] = (image, data)
        self._bytes += len(data)
        while len(self._held) > self._max_images or self._bytes > self._max_bytes:
            _, oldest = self._held.pop(next(iter(self._held)))
            self._bytes -= len(oldest)
        return image
