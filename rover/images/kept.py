"""Complete images of a camera that has no files of its own: in a folder, with a size limit.

The files are in `<data_dir>/images/<camera>`, and what is known of each image is in the log. With a
store, all images are copied there (`copying`), and remain when their files are deleted.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

from anyio import Event, to_thread

from rover.guard import closing
from rover.wire import dumps
from sources.base import Image, ImageBroken, UnknownImage
from sources.rules.describe import describe
from sources.values.held import suffix_of, time_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from rover.images.spool import Spool
    from rover.logs.base import Log
    from sources.bucket import BucketStore

logger = logging.getLogger("rover.images")

BLOCK_BYTES = 4096
"""An image uses at least this much of the limit, so that their number is limited too."""

COPY_BYTES = 2**20
"""Size of the pieces in which an image is copied."""

MAX_IMAGES = 100_000
"""Maximum number of images that are listed. Older copies stay in the store."""


@dataclass(slots=True)
class Kept:
    """A kept image.

    Attributes:
        image: without a path once its file was deleted.
        number: counts up from the first image.
        etag: of its copy in the store; empty without one.
    """

    image: Image
    number: int
    etag: str = ""

    @classmethod
    def parse(cls, text: str, path: Path | None) -> tuple[Self, str]:
        """An image as the log has it, and the store of its copy; empty without one.

        Args:
            text: the value in the log.
            path: of its file.

        Raises:
            LookupError, TypeError, ValueError: the value is damaged.
        """
        known: dict[str, Any] = json.loads(text)
        number, etag = int(known.pop("number")), str(known.pop("etag", ""))
        place = str(known.pop("store", ""))
        return cls(Image(**known, path=path), number, etag), place


class KeptImages:
    """The kept images of one camera.

    Args:
        log: has what is known of each image.
        folder: of the files; created with the first one.
        camera: the name of the camera.
        max_bytes: maximum size of the files; the oldest are deleted.
        store: has copies; `None` for none.

    Attributes:
        camera: the same.
        store: the same.
        waiting: the images without a copy in the store, oldest first; empty without a store.
        lost: number of images that were deleted before they had one.
        changed: set when an image begins to wait.
    """

    def __init__(
        self,
        log: Log,
        folder: Path,
        camera: str,
        max_bytes: int,
        store: BucketStore | None = None,
    ) -> None:
        self._log = log
        self._folder = folder
        self.camera = camera
        self._prefix = f"image/{camera}/"
        self._max_bytes = max_bytes
        self.store = store
        self._kept: dict[str, Kept] = {}  # by id, oldest first
        self._files: dict[str, Kept] = {}  # those with a file
        self.waiting: dict[str, Kept] = {}
        self.lost = 0
        self.changed = Event()
        self._bytes = 0  # of the files
        self._number = 0

    async def load(self) -> None:
        """Take the images from the log whose bytes exist; call it once, before `keep`."""
        place = self.store.place if self.store is not None else ""
        elsewhere: dict[str, int] = {}
        found: list[Kept] = []
        for key, text in self._log.values(self._prefix).items():
            try:
                one, other = Kept.parse(text, self._folder / key.removeprefix(self._prefix))
            except (LookupError, TypeError, ValueError) as exc:
                logger.warning("%s of the log cannot be read: %s", key, describe(exc))
                continue
            if other and other != place:
                one.etag = ""
                elsewhere[other] = elsewhere.get(other, 0) + 1
            found.append(one)
        for other, count in elsewhere.items():
            logger.warning(
                "the image store of %d images of %s is %s; set ROVER_IMAGE_STORE to that, or their "
                "files alone are listed",
                count,
                self.camera,
                other,
            )
        await to_thread.run_sync(self._delete_parts)
        exist = await to_thread.run_sync(lambda: [_exists(one.image) for one in found])
        for kept, exists in sorted(zip(found, exist, strict=True), key=lambda one: one[0].number):
            self._number = max(kept.number, self._number)
            if exists or kept.etag:
                if not exists:
                    kept.image = replace(kept.image, path=None)
                self._add(kept)
            elif not elsewhere:
                self._log.put(self._prefix + stored_name(kept.image), None)

    def newest(self) -> Sequence[Image]:
        """All kept images, newest first."""
        return [one.image for one in reversed(self._kept.values())]

    def find(self, image_id: str) -> Image | None:
        """The kept image with that id; `None` if there is none."""
        kept = self._kept.get(image_id)
        return None if kept is None else kept.image

    async def open(self, image: Image, start: int) -> AsyncIterator[bytes]:
        """Yield the bytes of an image whose file was deleted, from `start`.

        Raises:
            UnknownImage: its copy was deleted.
            ImageBroken: its copy was replaced, or the connection broke off.
            SourceError: the store cannot be read.
        """
        kept = self._kept.get(image.id)
        if self.store is None or kept is None or not kept.etag:
            raise UnknownImage(image.id)
        name = copy_name(self.camera, kept.image)
        try:
            async with closing(
                self.store.read(name, kept.image.size or 0, kept.etag, start)
            ) as chunks:
                async for chunk in chunks:
                    yield chunk
        except UnknownImage as exc:
            if self._kept.get(image.id) is kept:
                self._forget(kept)
            raise UnknownImage(image.id) from exc
        except ImageBroken as exc:
            raise ImageBroken(image.id, exc.reason) from exc

    async def keep(self, image: Image, spool: Spool) -> None:
        """Copy a complete image from its spool. An image larger than the limit is not kept.

        Raises:
            OSError: it cannot be copied, for example because the disk is full.
        """
        complete = replace(
            image,
            complete=True,
            size=spool.received,
            received=spool.received,
            received_at=spool.received_at,
            path=self._folder / stored_name(image),
        )
        if max(spool.received, BLOCK_BYTES) > self._max_bytes:
            logger.warning(
                "image %r is not kept: %d bytes exceed ROVER_KEEP_IMAGE_BYTES",
                image.id,
                spool.received,
            )
            return
        await to_thread.run_sync(self._copy, complete, spool)
        if replaced := self._kept.get(image.id):
            self._forget(replaced)
            if replaced.image.path not in (None, complete.path):
                await to_thread.run_sync(_unlink, replaced.image.path)
        self._number += 1
        kept = Kept(complete, self._number)
        self._add(kept)
        self._record(kept)
        while self._bytes > self._max_bytes:
            await self._delete_file(next(iter(self._files.values())))
        if len(self._kept) > MAX_IMAGES and (oldest := next(iter(self._kept.values()))).etag:
            self._forget(oldest)

    async def make_room(self, size: int) -> bool:
        """Delete the oldest file on a full disk; `False` if all files leave no room for `size`."""
        if not self._files:
            return False
        free = (await to_thread.run_sync(shutil.disk_usage, self._folder)).free
        if not self._files or free + self._bytes < size:
            return False
        await self._delete_file(next(iter(self._files.values())))
        return True

    def copied(self, kept: Kept, etag: str) -> None:
        """Record that an image has a copy in the store."""
        if self._kept.get(kept.image.id) is kept:
            kept.etag = etag
            self.waiting.pop(kept.image.id, None)
            self._record(kept)

    def _add(self, kept: Kept) -> None:
        image = kept.image
        self._kept[image.id] = kept
        if image.path is not None:
            self._files[image.id] = kept
            self._bytes += _size(image)
            if self.store is not None and not kept.etag:
                self.waiting[image.id] = kept
                self.changed.set()

    def _record(self, kept: Kept) -> None:
        image = kept.image
        known = {info.name: getattr(image, info.name) for info in fields(Image)}
        del known["path"]
        if self.store is not None and kept.etag:
            known |= {"store": self.store.place, "etag": kept.etag}
        name = self._prefix + stored_name(image)
        self._log.put(name, dumps({"number": kept.number, **known}))

    def _forget(self, kept: Kept) -> None:
        """Leave an image out of the list and of the log."""
        image_id = kept.image.id
        del self._kept[image_id]
        if self._files.pop(image_id, None):
            self._bytes -= _size(kept.image)
        self.waiting.pop(image_id, None)
        self._log.put(self._prefix + stored_name(kept.image), None)

    async def _delete_file(self, kept: Kept) -> None:
        image = kept.image
        if kept.etag:
            del self._files[image.id]
            self._bytes -= _size(image)
            kept.image = replace(image, path=None)
        else:
            if image.id in self.waiting:
                self.lost += 1
                logger.warning("image %r is deleted before it was copied", image.id)
            self._forget(kept)
        if image.path is not None:
            await to_thread.run_sync(_unlink, image.path)

    def _delete_parts(self) -> None:
        """Delete the files that were being copied when the server ended."""
        for part in self._folder.glob("*.part"):
            _unlink(part)

    def _copy(self, image: Image, spool: Spool) -> None:
        assert image.path is not None  # noqa: S101 # `keep` sets it
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
        part = image.path.with_suffix(".part")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                position = 0
                while data := spool.pread(position, COPY_BYTES):
                    file.write(data)
                    position += len(data)
            part.replace(image.path)
        except OSError:
            _unlink(part)
            raise


def copy_name(camera: str, image: Image) -> str:
    """The name of an image's copy: ids may contain anything, and may be used again."""
    stem = f"{time_id(image.received_at or 0.0)}-{stored_name(image)[:8]}"
    return f"{camera}/{stem}{suffix_of(image.content_type)}"


def stored_name(image: Image) -> str:
    """The name of the file of one revision of an image: ids may contain anything."""
    return sha256(f"{image.id}\0{image.revision}".encode()).hexdigest()[:32]


def _exists(image: Image) -> bool:
    return image.path is not None and image.path.exists()


def _size(image: Image) -> int:
    return max(image.size or 0, BLOCK_BYTES)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        logger.warning("%s cannot be deleted: %s", path, describe(exc))
