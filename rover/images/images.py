"""Pictures from the machine, for any number of viewers over one radio link.

Each picture that arrives is received once and spooled to disk; its viewers follow the spool. One
that is complete and lies in a plain file is read from there.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, create_task_group, sleep

from rover.errors import NothingYet
from rover.images.reader import CameraReader, FileReader
from rover.images.spool import Spool
from rover.supervise import State, Supervisor, closing
from sources.base import ImageBroken, SourceError, UnknownImage
from sources.none import Off

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from anyio.abc import TaskGroup

    from rover.images.reader import Reader
    from rover.settings import Settings
    from rover.supervise import Health
    from rover.topic import Topic
    from sources.base import Camera, Image

logger = logging.getLogger("rover.images")

PATIENCE_STEP_S = 0.05

GOING_DOWN = "the server is going down"


class Images:
    """The pictures of one camera.

    Args:
        camera: where they come from.
        settings: bounds of the spool.
        spool_dir: where arriving pictures are kept; by default within the data folder.
        notify: for the topics of their growth; see `rover.topic.Topic`.
    """

    def __init__(
        self,
        camera: Camera,
        settings: Settings,
        spool_dir: Path | None = None,
        *,
        notify: Callable[[Topic[Any, Any]], None] | None = None,
    ) -> None:
        self._camera = camera
        self._settings = settings
        self._spool_dir = spool_dir or settings.data_dir / "spool"
        self._notify = notify
        self._supervisor = Supervisor("camera", is_off=isinstance(camera, Off))
        self._spools: dict[str, Spool] = {}  # by picture's id, oldest first
        self._reading: set[CancelScope] = set()
        self._tasks: TaskGroup | None = None
        self._closed = False

    @property
    def health(self) -> Health:
        """How the camera is."""
        return self._supervisor.health

    @property
    def readers(self) -> int:
        """How many are reading pictures now."""
        return len(self._reading)

    async def run(self) -> None:
        """Receive what arrives, until cancelled."""
        try:
            async with create_task_group() as tasks:
                self._tasks = tasks
                await self._supervisor.run(self._follow)
        finally:
            self._tasks = None
            for image_id in list(self._spools):
                await self._drop(image_id, GOING_DOWN)

    def close(self) -> None:
        """Cut off everyone who is still reading; nobody can read from here on."""
        self._closed = True
        for scope in self._reading:
            scope.cancel()

    async def newest(self, limit: int | None = None) -> Sequence[Image]:
        """Every picture, or the newest `limit` of them, newest first, as received here."""
        return [self._as_received(image) for image in (await self._camera.images())[:limit]]

    async def find(self, image_id: str) -> Image:
        """The picture of that id, as received here. Any string may be asked for.

        Raises:
            UnknownImage: there is none.
        """
        image = await self._camera.image(image_id)
        if image is None:
            raise UnknownImage(image_id)
        return self._as_received(image)

    async def latest(self, patience_s: float = 0.0) -> Image:
        """The newest picture of which something has arrived, and which has not broken off.

        Args:
            patience_s: where there is none yet, one may take so long to begin.

        Raises:
            NothingYet: there is none.
        """
        until = monotonic() + patience_s
        while (image := await self._latest()) is None:
            if self._closed or monotonic() >= until:
                down = self.health.state is State.DOWN
                why = f" is down: {self.health.detail}" if down else " holds none so far"
                raise NothingYet(f"no picture has arrived yet; the camera{why}")
            await sleep(PATIENCE_STEP_S)
        return image

    async def _latest(self) -> Image | None:
        for listed in await self._camera.images():
            spool = self._spool_of(listed)
            if not (listed.complete or listed.received) or (spool is not None and spool.broken):
                continue
            image = await self._camera.image(listed.id)  # the list may be older than the picture
            if image is not None:
                return self._as_received(image)
        return None

    @asynccontextmanager
    async def open(
        self, image: Image, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[Reader]:
        """A reader of the picture's bytes from `start` to before `stop`, or to the end.

        What it reads is of this revision, whatever becomes of the picture meanwhile, or it raises.
        When the downlink is closed, the block inside is cancelled and left.

        Raises:
            UnknownImage: the picture is no longer held.
            ImageBroken: it was replaced since; ask for it again.
        """
        opened = False
        with CancelScope() as scope:
            self._reading.add(scope)
            try:
                if not self._closed:
                    async with AsyncExitStack() as stack:
                        reader = await self._reader(stack, image, start, stop)
                        opened = True
                        yield reader
            finally:
                self._reading.discard(scope)
        if not opened:
            raise ImageBroken(image.id, GOING_DOWN)

    # ------------------------------------------------------------------------------ readers

    async def _reader(
        self, stack: AsyncExitStack, image: Image, start: int, stop: int | None
    ) -> Reader:
        spool = self._spool_of(image)
        if spool is None and not image.complete:
            image = await self._same(image)
            spool = await self._receive(image)
        if spool is not None:
            return await stack.enter_async_context(spool.read(start, stop))
        if image.path is not None:
            file = await stack.enter_async_context(FileReader.open(image, image.path, start, stop))
            await self._same(image)  # so the file that was opened is the one
            return file
        chunks = closing(self._camera.open(image.id, start))
        reader = CameraReader(await stack.enter_async_context(chunks), start, stop)
        await reader.begin()
        await self._same(image)  # so these are its bytes, or the camera says that they are not
        return reader

    async def _same(self, image: Image) -> Image:
        now = await self._camera.image(image.id)
        if now is None:
            raise UnknownImage(image.id)
        if now.revision != image.revision:
            raise ImageBroken(image.id, "it was replaced by a new one; ask again")
        return now

    def _spool_of(self, image: Image) -> Spool | None:
        spool = self._spools.get(image.id)
        if spool is None or spool.revision != image.revision or (spool.broken and image.complete):
            return None  # or the camera has what the spool failed to receive
        return spool

    def _as_received(self, image: Image) -> Image:
        spool = self._spool_of(image)
        if spool is None or (image.complete and image.path is not None):
            return image
        return replace(
            image,
            received=spool.received,
            received_at=spool.received_at or image.received_at,
            complete=spool.complete,
            size=spool.received if spool.complete else image.size,
        )

    # ---------------------------------------------------------------------------- receiving

    async def _follow(self) -> None:
        async with closing(self._camera.new()) as new:
            if await self._camera.images():
                self._supervisor.data()
            async for image_id in new:
                self._supervisor.data()
                image = await self._camera.image(image_id)
                if image is None:
                    continue
                known = self._spool_of(image)
                if known is None or known.broken:  # else it is told of again after a restart
                    await self._drop(image_id, "it begins anew")
                    await self._receive(image)

    async def _receive(self, image: Image) -> Spool | None:
        """The spool that receives the picture, where it needs one and somebody runs this."""
        if self._tasks is None or (image.complete and image.path is not None):
            return None
        spool = self._spool_of(image)
        if spool is None:
            replaced = self._spools.pop(image.id, None)
            spool = self._spools[image.id] = Spool(image, self._notify)
            self._tasks.start_soon(self._spool, image, spool)
            if replaced is not None:
                await replaced.dismiss("it was replaced")
            while len(self._spools) > self._settings.spool_pictures:
                await self._drop(next(iter(self._spools)), "newer ones took its place")
        return spool

    async def _drop(self, image_id: str, why: str) -> None:
        if spool := self._spools.pop(image_id, None):
            await spool.dismiss(why)

    async def _spool(self, image: Image, spool: Spool) -> None:
        why = GOING_DOWN
        try:
            with spool.receiving:
                await self._fill(image, spool)
                why = ""
            if spool.receiving.cancelled_caught:
                why = spool.dismissed
        except ImageBroken as exc:
            why = exc.reason
        except SourceError as exc:
            why = str(exc)
        except OSError as exc:
            why = f"it could not be received or spooled: {exc}"
        except Exception as exc:  # whatever a driver raises, the mission goes on
            logger.exception("the camera failed while it sent %r", image.id)
            why = f"{type(exc).__name__}: {exc}"
        finally:
            if why:
                log = logger.debug if why is GOING_DOWN else logger.warning
                log("%r broke off after %d bytes: %s", image.id, spool.received, why)
            await spool.end(why)

    async def _fill(self, image: Image, spool: Spool) -> None:
        most = self._settings.max_picture_bytes
        await spool.begin(self._spool_dir)
        async with closing(self._camera.open(image.id)) as chunks:
            async for chunk in chunks:
                came = spool.received + len(chunk)
                if came > most:
                    raise ImageBroken(
                        image.id, f"it is larger than {most:,} bytes (ROVER_MAX_PICTURE_BYTES)"
                    )
                if image.size is not None and came > image.size:
                    raise ImageBroken(image.id, f"more than its {image.size:,} bytes came")
                await spool.append(chunk)
        now = await self._camera.image(image.id)
        if now is None or now.revision != image.revision:  # dropped or replaced, but it came whole
            now = image
        if now.size not in (None, spool.received):
            raise ImageBroken(image.id, f"{spool.received:,} of {now.size:,} bytes came")
        if now.complete and now.path is not None and self._spools.get(image.id) is spool:
            del self._spools[image.id]  # from now on it is read from there
            await spool.release()
