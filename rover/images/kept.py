"""Complete images of a camera that has no files of its own: in a folder, with a size limit.

The files are in `<data_dir>/images/<camera>`, and what is known of each image is in the log.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import fields, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from rover.wire import dumps
from sources.base import Image
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rover.images.spool import Spool
    from rover.logs.base import Log

logger = logging.getLogger("rover.images")

BLOCK_BYTES = 4096
"""An image uses at least this much of the limit, so that their number is limited too."""

COPY_BYTES = 2**20
"""Size of the pieces in which an image is copied."""


class KeptImages:
    """The kept images of one camera.

    Args:
        log: has what is known of each image.
        folder: of the files; created with the first one.
        camera: the name of the camera.
        max_bytes: maximum size of the files; the oldest are deleted.
    """

    def __init__(self, log: Log, folder: Path, camera: str, max_bytes: int) -> None:
        self._log = log
        self._folder = folder
        self._prefix = f"image/{camera}/"
        self._max_bytes = max_bytes
        self._images: dict[str, Image] = {}  # by id, oldest first
        self._bytes = 0
        self._number = 0

    async def load(self) -> None:
        """Take the images from the log whose files exist; call it once, before `keep`."""
        found: list[tuple[int, Image]] = []
        for key, text in self._log.values(self._prefix).items():
            try:
                known: dict[str, Any] = json.loads(text)
                number = int(known.pop("number"))
                path = self._folder / key.removeprefix(self._prefix)
                found.append((number, Image(**known, path=path)))
            except (LookupError, TypeError, ValueError) as exc:
                logger.warning("%s of the log cannot be read: %s", key, describe(exc))
        exist = await to_thread.run_sync(
            lambda: [one[1].path is not None and one[1].path.exists() for one in found]
        )
        for (number, image), exists in sorted(
            zip(found, exist, strict=True), key=lambda x: x[0][0]
        ):
            self._number = max(number, self._number)
            if exists:
                self._add(image)
            else:
                self._log.put(self._prefix + stored_name(image), None)

    def newest(self) -> Sequence[Image]:
        """All kept images, newest first."""
        return list(reversed(self._images.values()))

    def find(self, image_id: str) -> Image | None:
        """The kept image with that id; `None` if there is none."""
        return self._images.get(image_id)

    async def keep(self, image: Image, spool: Spool) -> None:
        """Copy a complete image from its spool. If that fails, the log line says so."""
        complete = replace(
            image,
            complete=True,
            size=spool.received,
            received=spool.received,
            received_at=spool.received_at,
            path=self._folder / stored_name(image),
        )
        if max(spool.received, BLOCK_BYTES) > self._max_bytes:
            return
        try:
            await to_thread.run_sync(self._copy, complete, spool)
        except OSError as exc:
            logger.warning("image %r cannot be kept: %s", image.id, describe(exc))
            return
        if replaced := self._images.pop(image.id, None):
            await self._delete(replaced, is_replaced=replaced.path == complete.path)
        self._add(complete)
        self._number += 1
        known = {
            info.name: getattr(complete, info.name) for info in fields(Image) if info.name != "path"
        }
        self._log.put(
            self._prefix + stored_name(complete), dumps({"number": self._number, **known})
        )
        while self._bytes > self._max_bytes:
            await self._delete(self._images.pop(next(iter(self._images))))

    def _add(self, image: Image) -> None:
        self._images[image.id] = image
        self._bytes += _size(image)

    async def _delete(self, image: Image, *, is_replaced: bool = False) -> None:
        self._bytes -= _size(image)
        if image.path is not None and not is_replaced:
            self._log.put(self._prefix + stored_name(image), None)
            await to_thread.run_sync(_unlink, image.path)

    def _copy(self, image: Image, spool: Spool) -> None:
        assert image.path is not None  # noqa: S101 # `keep` sets it
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
        part = image.path.with_suffix(".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            position = 0
            while data := spool.pread(position, COPY_BYTES):
                file.write(data)
                position += len(data)
        part.replace(image.path)


def stored_name(image: Image) -> str:
    """The name of the file of one revision of an image: ids may contain anything."""
    return sha256(f"{image.id}\0{image.revision}".encode()).hexdigest()[:32]


def _size(image: Image) -> int:
    return max(image.size or 0, BLOCK_BYTES)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        logger.warning("%s cannot be deleted: %s", path, describe(exc))
