"""The camera: polls a folder, and follows the files in it that grow.

Polled, not notified, because that works on every file system, network ones too. One scan per poll
serves all readers.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from typing import TYPE_CHECKING, BinaryIO, Self

from anyio import CancelScope, Event, Lock, create_task_group, sleep
from anyio.to_thread import run_sync

from sources.base import ImageBroken, SourceError, UnknownImage
from sources.directory.folder import NOTHING, Folder, Look, Scan, Signature, flaw_of_name
from sources.values.files import unreadable
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from anyio.abc import TaskGroup

    from sources.base import Image

logger = logging.getLogger("sources.directory")

CHUNK_BYTES = 2**20

REST = 10
"""The pause between two scans is at least so many times as long as a scan takes."""

WAY_OUT = {
    errno.ENOENT: "make the folder, or name another",
    errno.ENOTDIR: "name the folder that the images are in",
    errno.EACCES: "give this user the right to list the folder",
}


class DirectoryCamera:
    """The images in a folder, newest first by time of change, then by name; ids are file names.

    Use it as an async context manager. `sources.directory.folder` says what counts as an image,
    and when it is complete.

    Args:
        path: the folder; may be a symlink, and may vanish and come back.
        poll_s: pause between two scans; longer in folders that take long to scan.
        settle_s: a file without a telling end is complete when it has not changed for so long.
        clock: seconds, monotonic.

    Raises:
        SourceError: it is no folder, or cannot be read.
    """

    def __init__(
        self,
        path: Path,
        poll_s: float = 0.5,
        settle_s: float = 5.0,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._poll_s = Range(more_than=0, unit="s").number("poll_s", poll_s)
        settle_s = Range(at_least=0, unit="s").number("settle_s", settle_s)
        self._folder = Folder(path, settle_s, clock)
        self._last = NOTHING
        self._trouble = ""
        self._changed = Event()
        self._scanning = Lock()
        self._news: dict[str, None] = {}  # an ordered set, bounded by the names in the folder
        self._tasks: TaskGroup | None = None
        try:
            os.scandir(path).close()
        except OSError as exc:
            raise self._unreadable(exc) from exc

    async def __aenter__(self) -> Self:
        await self.refresh()
        self._tasks = await create_task_group().__aenter__()
        self._tasks.start_soon(self._poll)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
            await self._tasks.__aexit__(None, None, None)

    async def images(self) -> Sequence[Image]:
        """As of the last poll."""
        return self._last.images

    async def image(self, image_id: str) -> Image | None:
        """As of now where it matters: whether a complete image's file is still the same one."""
        if flaw_of_name(image_id):
            return None
        look = self._last.looks.get(image_id)
        if look is None or (look.image is not None and look.image.complete):
            now = await run_sync(self._folder.signature, image_id)
            if now != (None if look is None else look.signature):
                await self.refresh()
        return self._known(image_id)

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Bytes as polls find them; those of a complete image even when its file is deleted."""
        image = await self.image(image_id)
        if image is None:
            raise UnknownImage(image_id)
        look = self._last.looks[image_id]
        file = await run_sync(self._open, image_id, look.signature)
        try:
            position = start
            while True:
                changed = self._changed
                now = self._last.looks.get(image_id)
                if now and now.image and now.image.revision == image.revision:
                    image, look = now.image, now
                elif not image.complete:
                    raise ImageBroken(image_id, "it was replaced" if now else "it was removed")
                while position < image.received:
                    count = min(CHUNK_BYTES, image.received - position)
                    data = await run_sync(_read, file, position, count, image, look)
                    position += len(data)
                    yield data
                if image.complete:
                    return
                await changed.wait()
        finally:
            with CancelScope(shield=True):
                await run_sync(file.close)

    def new(self) -> AsyncIterator[str]:
        """Ids as polls find them.

        Raises:
            SourceError: the folder is gone or cannot be read; polling goes on meanwhile.
        """
        arriving = [image.id for image in reversed(self._last.images) if not image.complete]
        self._news = dict.fromkeys(arriving)
        return self._announce(self._news)

    async def refresh(self) -> None:
        """Look at the folder now instead of at the next poll."""
        async with self._scanning:
            try:
                scan, trouble = await run_sync(self._folder.scan, self._last), ""
            except OSError as exc:
                gone = exc.errno in (errno.ENOENT, errno.ENOTDIR)
                scan, trouble = NOTHING if gone else self._last, str(self._unreadable(exc))
            if scan is not self._last or trouble != self._trouble:
                self._take(scan, trouble)

    def _take(self, scan: Scan, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            logger.warning("%s", trouble)
        elif self._trouble and not trouble:
            logger.info("the folder %s: it is back", self._folder.path)
        if scan is not self._last:
            self._last = scan
            self._news.update(dict.fromkeys(scan.begun))
            for name, flaw in scan.passed_over:
                logger.info("passed over %r in %s: %s", name, self._folder.path, flaw)
        self._trouble = trouble
        changed, self._changed = self._changed, Event()
        changed.set()

    async def _poll(self) -> None:
        while True:
            began = time.perf_counter()
            await self.refresh()
            await sleep(max(self._poll_s, REST * (time.perf_counter() - began)))

    async def _announce(self, news: dict[str, None]) -> AsyncIterator[str]:
        while True:
            changed = self._changed
            while news:
                name = next(iter(news))
                del news[name]
                yield name
            if self._trouble:
                raise SourceError(self._trouble)
            await changed.wait()

    def _known(self, image_id: str) -> Image | None:
        look = self._last.looks.get(image_id)
        return None if look is None else look.image

    def _open(self, image_id: str, signature: Signature) -> BinaryIO:
        try:
            file = self._folder.open(image_id)
        except OSError as exc:
            raise UnknownImage(image_id) from exc
        if not Signature.of(os.fstat(file.fileno())).is_same_file(signature):
            file.close()
            raise ImageBroken(image_id, "it was replaced")
        return file

    def _unreadable(self, exc: OSError) -> SourceError:
        return unreadable(self._folder.path, exc, WAY_OUT.get(exc.errno or 0, ""))


def _read(file: BinaryIO, position: int, count: int, image: Image, look: Look) -> bytes:
    try:
        data = os.pread(file.fileno(), count, position)
    except OSError as exc:
        raise ImageBroken(image.id, f"its file cannot be read: {exc}") from exc
    now = Signature.of(os.fstat(file.fileno()))
    if not data or (image.complete and not now.is_same_content(look.signature)):
        raise ImageBroken(image.id, "its file was written anew while it was read")
    return data
