"""Receives each arriving image of a camera once, into a spool that any number of clients read."""

from __future__ import annotations

import errno
import logging
from asyncio import CancelledError
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from anyio import TASK_STATUS_IGNORED, create_task_group, sleep

from rover.guard import absorb_stray_cancellation
from rover.images.arrivals import Arrival
from rover.images.guarded import GuardedCamera, InvalidImage
from rover.images.spool import Spool
from rover.supervise import STEADY_S, State, Supervisor, idle_state, source_key
from sources.base import ImageBroken, SourceError
from sources.rules.describe import describe, one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from anyio.abc import TaskGroup, TaskStatus

    from rover.images.arrivals import Arrivals, ImageState
    from rover.images.kept import KeptImages
    from rover.settings import Settings
    from rover.supervise import Health
    from rover.topic import Topic
    from sources.base import Camera, Image
    from sources.values.blocking import BlockingCalls

logger = logging.getLogger("rover.images")

FRAME_CHECK_S = 1.0
"""Seconds between two looks for the first frame of a video."""

UNREADABLE = "files of images cannot be read: the file system does not answer"

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

SHUTTING_DOWN = "the server is shutting down"

NO_ROOM = "newer images replaced it in the spool"


class Receiver:
    """Follows a camera, and receives its arriving images into spools.

    A complete image that is a regular file needs no spool. At most `ROVER_SPOOL_IMAGES` spools are
    kept, the newest ones.

    Args:
        name: of the camera.
        camera: sends the images.
        settings: the limits.
        spool_dir: the folder of the spools.
        notify: called with the topic of each spool that has grown, as `Flusher.mark`.
        kept: keeps complete images without a file; `None` to keep none.
        arrivals: records when images arrive; `None` to record nothing.
        calls: read the files of images for clients; `None` if nothing does.

    Attributes:
        spools: by image id, oldest first.
        camera: the camera; all calls go through it.
        supervisor: follows the camera.
    """

    def __init__(
        self,
        name: str,
        camera: Camera,
        settings: Settings,
        spool_dir: Path,
        notify: Callable[[Topic[Any, Any]], None] | None,
        kept: KeptImages | None = None,
        arrivals: Arrivals | None = None,
        calls: BlockingCalls | None = None,
    ) -> None:
        self._name = name
        self._calls = calls
        self._kept = kept
        self._arrivals = arrivals
        self.spools: dict[str, Spool] = {}
        self._settings = settings
        self._spool_dir = spool_dir
        self._notify = notify
        label = source_key("camera", name)
        self.supervisor = Supervisor(label, idle=idle_state(camera), silence=self._check)
        self._following_since: float | None = None  # monotonic
        self._has_room = True  # on the disk, since an image began to arrive
        self._contact_at: float | None = None
        self.camera = GuardedCamera(label, camera, self.supervisor.degrade)
        self._tasks: TaskGroup | None = None

    @property
    def health(self) -> Health:
        """The state of the camera."""
        return self.supervisor.health

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Receive images until cancelled."""
        try:
            async with create_task_group() as self._tasks:
                task_status.started()
                self._tasks.start_soon(self._look_for_frame)
                await self.supervisor.run(self._follow)
        finally:
            self._tasks = None
            for image_id in list(self.spools):
                await self._discard(image_id, SHUTTING_DOWN)

    def spool_of(self, image: Image) -> Spool | None:
        """The spool of this revision of the image, if there is one.

        A broken spool is not used if the camera has the complete image, unless the camera then
        sends more or fewer bytes than it says.
        """
        spool = self.spools.get(image.id)
        if spool is None or spool.revision != image.revision:
            return None
        if spool.broken and image.complete and not spool.has_wrong_size:
            return None
        return spool

    async def receive(self, image: Image) -> Spool | None:
        """Start to receive the image, unless it is being received already.

        Returns:
            Its spool. `None` if the image needs no spool, or if `run` is not running.
        """
        if self._tasks is None or (image.complete and image.path is not None):
            return None
        spool = self.spool_of(image)
        if spool is None:
            replaced = self.spools.pop(image.id, None)
            timeout_s = self._settings.stalled_image_s
            spool = self.spools[image.id] = Spool(image, self._notify, timeout_s)
            self._tasks.start_soon(self._receive, image, spool)
            if replaced is not None:
                await replaced.discard("it was replaced")
            while len(self.spools) > self._settings.spool_images:
                await self._discard(next(iter(self.spools)), NO_ROOM)
        return spool

    async def _follow(self) -> None:
        self._contact_at = self.camera.contact_at
        async with self.camera.new() as new, self._following():
            is_first = self.supervisor.health.state is State.STARTING
            if is_first and next(await self.camera.images(), None):
                self.supervisor.data()
            async for image_id in new:
                try:
                    image = await self.camera.image(image_id)
                except InvalidImage as exc:
                    self.supervisor.degrade(describe(exc))
                    continue
                self.supervisor.data()
                if image is None:
                    continue
                spool = self.spool_of(image)
                if spool is None or spool.broken:  # else the camera repeats it after a restart
                    if not image.complete:
                        self._add(image, "arriving")  # before a task may record its end
                    elif image.path is not None:
                        self._add(image, "complete")
                    await self._discard(image_id, "the camera sends it again from the start")
                    await self.receive(image)
                    await self._commit()

    @asynccontextmanager
    async def _following(self) -> AsyncIterator[None]:
        self._following_since = monotonic()
        try:
            yield
        finally:
            self._following_since = None

    def _check(self) -> None:
        hangs = self._calls is not None and self._calls.unanswered
        self.supervisor.set_mistake(UNREADABLE if hangs else "", "files")
        self._look_for_contact()

    async def _look_for_frame(self) -> None:
        """Record that a video works which has no image yet: it may never have one."""
        while self.camera.has_video:
            if self._following_since is not None and self.health.state is State.STARTING:
                with suppress(SourceError):
                    if await self.camera.frame() is not None:
                        self.supervisor.data()
            await sleep(FRAME_CHECK_S)

    def _look_for_contact(self) -> None:
        """Record that a camera that was down works again, which may be long before a new image."""
        since = self._following_since
        if since is None or self.supervisor.health.state is not State.DOWN:
            return
        if not self.camera.has_contact:
            works = monotonic() - since >= STEADY_S
        else:
            works = self.camera.contact_at != self._contact_at
        if works:
            self.supervisor.data()

    async def _discard(self, image_id: str, reason: str) -> None:
        if spool := self.spools.pop(image_id, None):
            await spool.discard(reason)

    def _add(self, image: Image, state: ImageState, reason: str = "") -> None:
        if self._arrivals is not None:
            self._arrivals.add(Arrival(self._name, image, state, reason))

    async def _commit(self) -> None:
        if self._arrivals is not None:
            await self._arrivals.commit()

    async def _receive(self, image: Image, spool: Spool) -> None:
        reason = SHUTTING_DOWN
        received = image
        try:
            with spool.receiving:
                try:
                    received = await self._copy(image, spool)
                    reason = ""
                except OSError as exc:
                    reason = f"it could not be spooled: {describe(exc)}"
                    await spool.finish(reason)
                    received = await self._await_end(image, spool)
            if spool.receiving.cancelled_caught:
                reason = spool.discard_reason
                if reason is NO_ROOM:
                    received = await self._now(image)
        except ImageBroken as exc:
            reason = one_line(exc.reason)
        except SourceError as exc:
            reason = describe(exc)
        except CancelledError as exc:
            if not absorb_stray_cancellation():
                raise
            reason = describe(exc)
        finally:
            self._add_end(received, spool, reason)
            if not spool.ended:
                await spool.finish(reason)
        await self._commit()

    def _add_end(self, image: Image, spool: Spool, reason: str) -> None:
        """Record the state of an image that is no longer received."""
        if reason is SHUTTING_DOWN or self.spools.get(image.id, spool) is not spool:
            return  # it arrives again, and is recorded then
        if not (image.complete and image.path is not None) and spool.received:
            image = replace(image, received=spool.received, received_at=spool.received_at)
        if not reason:
            self._add(replace(image, complete=True, size=spool.received), "complete")
        elif image.complete and not spool.has_wrong_size:  # clients read it from the camera
            logger.warning("image %r is complete without the spool: %s", image.id, reason)
            self._add(image, "complete")
        else:
            logger.warning(
                "image %r is broken after %d bytes: %s", image.id, image.received, reason
            )
            self._add(image, "broken", reason)

    async def _await_end(self, image: Image, spool: Spool) -> Image:
        """The image that the spool has no room for, as it is when all its bytes have arrived."""
        async with self.camera.open(image.id, spool.received) as chunks:
            async for _ in chunks:
                pass
        return await self._now(image)

    async def _now(self, image: Image) -> Image:
        """The image as it is now; as it was, if it was deleted or replaced since."""
        now = await self.camera.image(image.id)
        return image if now is None or now.revision != image.revision else now

    async def _append(self, spool: Spool, chunk: bytes) -> None:
        """Spool a chunk. Older images are deleted if the spool or the disk is full."""
        max_bytes = self._settings.spool_bytes
        while sum(one.received for one in self.spools.values()) + len(chunk) > max_bytes:
            if not await self._discard_oldest(spool):
                raise ImageBroken(
                    spool.image_id, f"it is larger than the spool, {max_bytes:,} bytes"
                )
        await self._make_room_for(spool, lambda: spool.append(chunk))

    async def _make_room_for(self, spool: Spool, write: Callable[[], Awaitable[None]]) -> None:
        """Write; while the disk is full, delete the oldest image and write again.

        Raises:
            OSError: it cannot be written, also without the other images.
        """
        while True:
            try:
                await write()
                return
            except OSError as exc:
                if exc.errno not in DISK_FULL:
                    raise
                self._has_room = False
                self.supervisor.set_mistake(f"older images make room: {describe(exc)}", "disk")
                if not await self._discard_oldest(spool) and not (
                    self._kept is not None and await self._kept.make_room(spool.received)
                ):
                    raise

    async def _discard_oldest(self, spool: Spool) -> bool:
        """Delete the oldest image of the spool but this one; whether there was any."""
        oldest = next((one for one in self.spools.values() if one is not spool), None)
        if oldest is not None:
            await self._discard(oldest.image_id, NO_ROOM)
        return oldest is not None

    async def _copy(self, image: Image, spool: Spool) -> Image:
        """Receive all bytes; returns the image as the camera then describes it."""
        max_bytes = self._settings.max_image_bytes
        self._has_room = True
        await spool.create_file(self._spool_dir)
        async with self.camera.open(image.id) as chunks:
            async for chunk in chunks:
                received = spool.received + len(chunk)
                if received > max_bytes:
                    raise ImageBroken(
                        image.id, f"it is larger than {max_bytes:,} bytes (ROVER_MAX_IMAGE_BYTES)"
                    )
                if image.size is not None and received > image.size:
                    spool.has_wrong_size = True
                    raise ImageBroken(image.id, f"it is larger than its size, {image.size:,} bytes")
                await self._append(spool, chunk)
        now = await self._now(image)
        if now.size not in (None, spool.received) or not spool.received:
            spool.has_wrong_size = True
            if not spool.received:
                raise ImageBroken(image.id, "it has no bytes")
            raise ImageBroken(image.id, f"only {spool.received:,} of {now.size:,} bytes arrived")
        if now.complete and now.path is not None and self.spools.get(image.id) is spool:
            del self.spools[image.id]  # new readers read the file
            await spool.release()
        if now.path is None and self._kept is not None:
            try:
                await self._make_room_for(spool, partial(self._kept.keep, now, spool))
                self.supervisor.set_mistake("", "kept")
            except OSError as exc:
                self.supervisor.set_mistake(f"images cannot be kept: {describe(exc)}", "kept")
        if self._has_room:
            self.supervisor.set_mistake("", "disk")
        return now
