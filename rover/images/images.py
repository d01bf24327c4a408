"""Images of one camera, for any number of clients.

Each arriving image is received once and spooled to disk, and all clients read the spool. A complete
image that is a regular file is read from there.
"""

from __future__ import annotations

import heapq
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import islice
from math import inf
from time import time
from typing import TYPE_CHECKING, Any

from anyio import TASK_STATUS_IGNORED, CancelScope, create_task_group

from rover.guard import closing
from rover.images.copying import copy_to_store
from rover.images.reader import CameraReader, FileReader
from rover.images.receiver import SHUTTING_DOWN, Receiver
from rover.images.served import ServedRevisions
from sources.base import ImageBroken, SourceError, UnknownImage
from sources.rules.describe import describe
from sources.values.blocking import BlockingCalls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from anyio.abc import TaskStatus

    from rover.images.arrivals import Arrivals, ImageState
    from rover.images.kept import KeptImages
    from rover.images.reader import Reader
    from rover.images.spool import Spool
    from rover.settings import Settings
    from rover.supervise import Health
    from rover.topic import Topic
    from sources.base import Camera, Image


MAX_THREADS = 16
"""Maximum number of threads that read files of images for clients."""

READ_TIMEOUT_S = 10.0
"""Maximum seconds of one read from a file."""

STALLED_S = 5.0
"""Seconds without a new byte after which an arriving image counts as stalled."""


class Images:
    """The images of one camera.

    Args:
        camera: holds the images.
        settings: the limits of the spool.
        spool_dir: the folder for arriving images; by default in the data folder of the settings.
        name: of the camera.
        notify: called with the topic of each image that has grown, as `Flusher.mark`.
        kept: keeps complete images without a file; `None` to keep none.
        arrivals: records when images arrive; `None` to record nothing.
        read_timeout_s: maximum seconds of one read from a file.

    Attributes:
        name: of the camera.
        receiver: receives arriving images.
        served: the revisions that clients have received.
        closed: whether `close` was called.
        sent_bytes: bytes of images that were sent to clients.
    """

    def __init__(
        self,
        camera: Camera,
        settings: Settings,
        spool_dir: Path | None = None,
        *,
        name: str = "camera",
        notify: Callable[[Topic[Any, Any]], None] | None = None,
        kept: KeptImages | None = None,
        arrivals: Arrivals | None = None,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self.name = name
        spool_dir = spool_dir or settings.data_dir / "spool"
        self._calls = BlockingCalls(MAX_THREADS, read_timeout_s)
        self.receiver = Receiver(
            name, camera, settings, spool_dir, notify, kept, arrivals, self._calls
        )
        self.served = ServedRevisions()
        self._kept = kept
        self._camera = self.receiver.camera
        self._reading: set[CancelScope] = set()
        self.closed = False
        self.sent_bytes = 0

    @property
    def health(self) -> Health:
        """The state of the camera."""
        return self.receiver.health

    @property
    def readers(self) -> int:
        """Number of open readers."""
        return len(self._reading)

    async def load(self) -> None:
        """Take the kept images from the log; call it before `run`."""
        if self._kept is not None:
            await self._kept.load()
            try:
                self._camera.remember(self._kept.newest())
            except SourceError as exc:
                self.receiver.supervisor.degrade(describe(exc))

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Receive arriving images until cancelled, and copy the kept ones to their store."""
        async with create_task_group() as tasks:
            if self._kept is not None and self._kept.store is not None:
                report = self.receiver.supervisor.set_mistake
                tasks.start_soon(copy_to_store, self._kept, report)
            await self.receiver.run(task_status=task_status)
            tasks.cancel_scope.cancel()

    def close(self) -> None:
        """Abort all readers. `open` raises afterwards."""
        self.closed = True
        for scope in self._reading:
            scope.cancel()

    async def listed(self) -> Iterator[Image]:
        """All images, newest first."""
        return map(self._as_received, await self._listed())

    async def complete_before(
        self, t: float, limit: int, without: Collection[str]
    ) -> Sequence[Image]:
        """The newest complete images that were received before a time, newest first.

        Args:
            t: POSIX seconds.
            limit: maximum number of images.
            without: ids of images that are left out.
        """
        listed = await self._listed()
        others = (self._as_received(image) for image in listed if image.id not in without)
        found = (one for one in others if one.complete and (one.received_at or t) < t)
        return list(islice(found, limit))

    async def find(self, image_id: str) -> Image:
        """The image with that id, which may be any string.

        Raises:
            UnknownImage: no image has that id.
        """
        image = await self._image(image_id)
        if image is None:
            raise UnknownImage(image_id)
        return self._as_received(image)

    async def find_revision(self, image: Image) -> Image | None:
        """The image of that id and revision as it is now; `None` if it no longer exists."""
        now = await self._image(image.id)
        return None if now is None or now.revision != image.revision else self._as_received(now)

    def state_of(self, image: Image) -> tuple[ImageState, str]:
        """The state of an image that `newest` or `find` has returned, and its reason if known."""
        spool = self.receiver.spool_of(image)
        if spool is not None and spool.broken:
            return "broken", spool.broken
        if image.complete:
            return "complete", ""
        if spool is not None and (silent_s := _silent_s(spool, image)) > STALLED_S:
            return "stalled", f"no byte has arrived for {silent_s:.0f} s"
        return "arriving", ""

    async def frame(self) -> Image | None:
        """The frame of the camera's video, or the newest complete image; `None` without both.

        Raises:
            SourceError: the camera failed.
        """
        if (frame := await self._camera.frame()) is not None:
            return frame
        for listed in await self._listed():
            image = self._as_received(listed)
            if self.state_of(image)[0] == "complete":
                return image
        return None

    async def current(self) -> Image | None:
        """The newest image that has any bytes and is not broken; `None` if there is none.

        A stalled image counts only if there is no other.
        """
        stalled = None
        for listed in await self._listed():
            state, _ = self.state_of(listed)
            if not (listed.complete or listed.received) or state == "broken":
                continue
            image = await self._image(listed.id)  # the list may be out of date
            if image is not None and state != "stalled":
                return self._as_received(image)
            stalled = stalled or image
        return self._as_received(stalled) if stalled is not None else None

    @asynccontextmanager
    async def open(
        self, image: Image, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[Reader]:
        """A reader of the image's bytes from `start` to before `stop`, or to the end.

        All bytes are of this revision, also if the image is replaced meanwhile; else the reader
        raises. `close` cancels the block and leaves it.

        Raises:
            UnknownImage: the camera no longer holds the image.
            ImageBroken: the image was replaced, or the server is shutting down.
        """
        opened = False
        with CancelScope() as scope:
            self._reading.add(scope)
            try:
                if not self.closed:
                    async with AsyncExitStack() as stack:
                        reader = await self._reader(stack, image, start, stop)
                        opened = True
                        yield reader
            finally:
                self._reading.discard(scope)
        if not opened:
            raise ImageBroken(image.id, SHUTTING_DOWN)

    async def _reader(
        self, stack: AsyncExitStack, image: Image, start: int, stop: int | None
    ) -> Reader:
        spool = self.receiver.spool_of(image)
        if spool is None and not image.complete:
            image = await self._check_revision(image)
            spool = await self.receiver.receive(image)
        if spool is not None:
            return await stack.enter_async_context(spool.read(start, stop))
        if image.path is not None:
            opening = FileReader.open(image, image.path, self._calls, start, stop)
            try:
                file = await stack.enter_async_context(opening)
            except OSError as exc:
                await self._check_revision(image)  # deleted or replaced
                raise ImageBroken(image.id, f"its file cannot be opened: {describe(exc)}") from exc
            await self._check_revision(image)  # after opening: the file is of this revision
            return file
        if self._kept is not None and await self._camera.image(image.id) is None:
            chunks = await stack.enter_async_context(closing(self._kept.open(image, start)))
        else:
            chunks = await stack.enter_async_context(self._camera.open(image.id, start))
        reader = CameraReader(image, chunks, start, stop)
        await reader.begin()
        await self._check_revision(image)  # after the first bytes: they are of this revision
        return reader

    async def _check_revision(self, image: Image) -> Image:
        """The image as it is now.

        Raises:
            UnknownImage: the camera no longer holds it.
            ImageBroken: it has another revision.
        """
        now = await self._image(image.id)
        if now is None:
            raise UnknownImage(image.id)
        if now.revision != image.revision:
            raise ImageBroken(image.id, "it was replaced; request it again")
        return now

    async def _listed(self) -> Iterable[Image]:
        """The images of the camera, and the kept ones that it no longer has, newest first."""
        images = await self._camera.images()
        kept = self._kept.newest() if self._kept is not None else ()
        if not kept:
            return images
        listed = list(images)
        ids = {image.id for image in listed}
        return heapq.merge(listed, (one for one in kept if one.id not in ids), key=age_key)

    async def _image(self, image_id: str) -> Image | None:
        image = await self._camera.image(image_id)
        return self._kept.find(image_id) if image is None and self._kept is not None else image

    def _as_received(self, image: Image) -> Image:
        """The image with the number of bytes that clients can read now."""
        spool = self.receiver.spool_of(image)
        if spool is None or (image.complete and image.path is not None):
            return image
        return replace(
            image,
            received=spool.received,
            received_at=spool.received_at or image.received_at,
            complete=spool.complete,
            size=spool.received if spool.complete else image.size,
        )


def _silent_s(spool: Spool, image: Image) -> float:
    """Seconds since a byte arrived: also one that cannot be read yet, as the first of a TIFF."""
    if image.received_at is None or (silent_s := time() - image.received_at) < 0:
        return spool.silent_s
    return min(spool.silent_s, silent_s)


def age_key(image: Image) -> float:
    """A number that is smaller for newer images: by their arrival here.

    The time at which an image was taken is of the camera's clock, which may be wrong.
    """
    if image.received_at is not None:
        return -image.received_at
    return -image.taken_at if image.complete and image.taken_at is not None else -inf
