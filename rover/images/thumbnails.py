"""Small copies of images, made on request and kept on disk up to a size limit."""

from __future__ import annotations

import logging
import os
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from anyio import Lock

from rover.errors import NoThumbnail
from rover.images.scaling import NotScalable, scaled
from sources.rules.describe import describe
from sources.values.blocking import BlockingCalls

if TYPE_CHECKING:
    from pathlib import Path

    from rover.images.images import Images
    from sources.base import Image

logger = logging.getLogger("rover.images")

WIDTHS = (160, 320, 640, 1280, 2560)
"""Pixels. Other widths are rounded up, so that the same copies serve all screens."""

MAX_SOURCE_BYTES = 64 * 2**20
"""Maximum size of an image that is scaled; it is read into memory."""

CHUNK_BYTES = 2**20

CACHE_TAG = "CACHEDIR.TAG"
CACHE_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n"
"""Marks the folder as a cache. `dir:` and programs for backups skip it.

Source: Cache Directory Tagging Specification 0.6.
"""

TIMEOUT_S = 30.0
"""Maximum seconds to scale an image."""


class Thumbnail(NamedTuple):
    """A small copy of an image.

    Attributes:
        data: WebP.
        etag: identifies the copy; without quotes.
    """

    data: bytes
    etag: str


class Thumbnails:
    """The small copies of the images of all cameras. One of each camera is made at a time.

    Args:
        folder: of the kept copies; created with the first one. `None` to keep none.
        max_bytes: maximum size of the kept copies; the ones that were used least lately are
            deleted.
    """

    def __init__(self, folder: Path | None = None, max_bytes: int = 0) -> None:
        self._folder = folder if max_bytes else None
        self._max_bytes = max_bytes
        self._kept: dict[str, int] | None = None  # bytes by name, the least lately used first
        self._turns: dict[str, Lock] = {}  # by camera: reading its file may take long
        self._scaling = Lock()
        self._calls = BlockingCalls(1, TIMEOUT_S)

    async def get(self, images: Images, image: Image, width: int) -> Thumbnail:
        """A copy of the image that is at most as wide as the next of `WIDTHS`.

        Args:
            images: those of its camera.
            image: a complete image.
            width: pixels, at most the largest of `WIDTHS`.

        Raises:
            NoThumbnail: the image is not complete, is too large, or cannot be decoded.
            SourceError: the image cannot be read.
        """
        if not image.complete:
            raise NoThumbnail(image.id, "it is not complete")
        if image.size is not None and image.size > MAX_SOURCE_BYTES:
            raise NoThumbnail(image.id, f"it is larger than {MAX_SOURCE_BYTES:,} bytes")
        width = next(one for one in WIDTHS if one >= width)
        key = f"{images.name}\0{image.id}\0{image.revision}\0{width}"
        name = sha256(key.encode()).hexdigest()[:32]
        async with self._turns.setdefault(images.name, Lock()):
            if (data := await self._calls.run(self._load, name)) is None:
                source = await read_all(images, image)
                async with self._scaling:
                    data = await self._scaled(source, image, width)
                await self._calls.run(self._keep, name, data)
        return Thumbnail(data, name)

    async def _scaled(self, source: bytes, image: Image, width: int) -> bytes:
        try:
            layout = image.metadata.get("layout")
            return await self._calls.run(scaled, source, width, "WEBP", layout)
        except (NotScalable, TimeoutError) as exc:
            raise NoThumbnail(image.id, str(exc)) from exc

    def _load(self, name: str) -> bytes | None:
        if self._folder is None:
            return None
        if self._kept is None:
            self._kept = _files_in(self._folder)
        if name not in self._kept:
            return None
        path = self._folder / name
        try:
            data = path.read_bytes()
            os.utime(path)  # the order of use, for the next start
        except OSError:
            self._kept.pop(name)
            return None
        self._kept[name] = self._kept.pop(name)
        return data

    def _keep(self, name: str, data: bytes) -> None:
        if self._folder is None or self._kept is None:
            return
        part = self._folder / f"{name}.part"
        try:
            self._folder.mkdir(0o700, parents=True, exist_ok=True)
            (self._folder / CACHE_TAG).write_text(CACHE_SIGNATURE)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            part.replace(self._folder / name)
            self._kept[name] = len(data)
            while sum(self._kept.values()) > self._max_bytes:
                oldest = next(iter(self._kept))
                (self._folder / oldest).unlink(missing_ok=True)
                del self._kept[oldest]
        except OSError as exc:  # for example, the disk is full: the copy is made again next time
            logger.warning("a thumbnail cannot be kept: %s", describe(exc))


async def read_all(images: Images, image: Image) -> bytes:
    """All bytes of an image.

    Raises:
        NoThumbnail: it is larger than `MAX_SOURCE_BYTES`.
        SourceError: it cannot be read.
    """
    data = bytearray()
    async with images.open(image) as reader:
        while chunk := await reader.read(CHUNK_BYTES):
            data += chunk
            if len(data) > MAX_SOURCE_BYTES:
                raise NoThumbnail(image.id, f"it is larger than {MAX_SOURCE_BYTES:,} bytes")
    return bytes(data)


def _files_in(folder: Path) -> dict[str, int]:
    """The kept copies and their sizes, the least lately used first."""
    try:
        entries = [entry for entry in os.scandir(folder) if entry.name != CACHE_TAG]
        found = [(entry.name, entry.stat()) for entry in entries]
    except OSError:
        return {}
    found.sort(key=lambda one: one[1].st_mtime)
    return {name: status.st_size for name, status in found}
