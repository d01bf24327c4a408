"""The images of several cameras, as one collection."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from anyio import create_task_group, sleep

from rover.errors import NoDataYet
from rover.images.frames import Frames
from rover.images.gallery import ANY, page
from rover.images.images import Images, age_key
from rover.images.thumbnails import Thumbnails
from rover.supervise import State
from rover.wire import iso_or_text
from sources.base import SourceError, UnknownImage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from rover.images.announcements import Announcements
    from rover.images.arrivals import Arrival, Arrivals, ImageState
    from rover.images.gallery import Cursor, ImageFilter
    from sources.base import Image


POLL_INTERVAL_S = 0.05
"""Seconds between two checks for the first image."""

MAX_CANDIDATES = 100
"""Number of images of a past moment among which one is found whose bytes can be read."""


class Shot(NamedTuple):
    """An image and the camera that it is from.

    Attributes:
        camera: the name of the camera.
        image: the image.
        state: of the image.
        reason: why it is stalled or broken; may be empty.
        available: whether its bytes can be read.
    """

    camera: str
    image: Image
    state: ImageState
    reason: str = ""
    available: bool = True


class Cameras:
    """The images of a mission.

    Args:
        images: those of each camera, by its name.
        arrivals: has the images of the past; `None` if nothing is recorded.
        thumbnails: makes smaller copies.
        announcements: of the images that have changed.

    Attributes:
        images: the same.
        thumbnails: the same.
        frames: the newest image of each camera, for videos.
    """

    def __init__(
        self,
        images: Mapping[str, Images],
        arrivals: Arrivals | None = None,
        thumbnails: Thumbnails | None = None,
        announcements: Announcements | None = None,
    ) -> None:
        self.images = images
        self.thumbnails = thumbnails or Thumbnails()
        self.frames = Frames()
        self._arrivals = arrivals
        self._announcements = announcements

    @property
    def readers(self) -> int:
        """Number of open readers."""
        return sum(images.readers for images in self.images.values())

    async def load(self) -> None:
        """Take the kept images from the log, and end interrupted arrivals; call it before `run`."""
        for images in self.images.values():
            await images.load()
        if self._arrivals is not None:
            await self._arrivals.end_interrupted()

    async def run(self) -> None:
        """Receive arriving images of all cameras until cancelled."""
        async with create_task_group() as tasks:
            if self._announcements is not None:
                tasks.start_soon(self._announcements.run)
            for images in self.images.values():
                tasks.start_soon(images.run)

    def close(self) -> None:
        """Abort all readers."""
        self.frames.close()
        for images in self.images.values():
            images.close()

    async def page(
        self,
        limit: int,
        chosen: ImageFilter = ANY,
        after: Cursor | None = None,
        camera: str | None = None,
    ) -> tuple[Sequence[Shot], bool]:
        """Some images of a camera, or of all, newest first, and whether there are more.

        Args:
            limit: maximum number of images.
            chosen: which images.
            after: the last image of the page before; `None` for the first page.
            camera: its name; `None` for all cameras.
        """
        lists = [self._shots(name, await images.listed()) for name, images in self._chosen(camera)]
        return await page(lists, chosen, limit, after)

    async def find(self, image_id: str, camera: str | None = None) -> Shot:
        """The image with that id; the first that any camera has, if `camera` is `None`.

        Args:
            image_id: any text.
            camera: its name; `None` for all cameras.

        Raises:
            UnknownImage: no image has that id.
            SourceError: no camera has it, and one of them failed.
        """
        failure: SourceError = UnknownImage(image_id)
        for name, images in self._chosen(camera):
            try:
                return self._shot(name, await images.find(image_id))
            except UnknownImage:
                continue
            except SourceError as exc:
                failure = exc
        raise failure

    async def known_at(self, t: float, limit: int, camera: str | None = None) -> Sequence[Shot]:
        """The images that were known at a time, each as it was then; newest first.

        Images that were complete before anything was recorded are among them.

        Args:
            t: POSIX seconds, exclusive.
            limit: maximum number of images.
            camera: its name; `None` for all cameras.

        Raises:
            LogDamaged: the log cannot be read.
        """
        arrivals = [] if self._arrivals is None else await self._arrivals.before(t, limit, camera)
        recorded = [await self.past(arrival) for arrival in arrivals]
        found = {(shot.camera, shot.image.id) for shot in recorded}
        for name, images in self._chosen(camera):
            without = {image_id for other, image_id in found if other == name}
            older = await images.complete_before(t, limit, without)
            recorded += [self._shot(name, image) for image in older]
        return sorted(recorded, key=_age)[:limit]

    async def past(self, arrival: Arrival) -> Shot:
        """A recorded image as it was then, and whether its bytes can be read now."""
        images = self.images.get(arrival.camera)
        try:
            now = None if images is None else await images.find_revision(arrival.image)
        except SourceError:
            now = None
        available = now is not None
        return Shot(arrival.camera, arrival.image, arrival.state, arrival.reason, available)

    async def latest_at(self, t: float, camera: str | None = None) -> Shot:
        """The newest image that was complete at a time and whose bytes can be read.

        Args:
            t: POSIX seconds, exclusive.
            camera: its name; `None` for all cameras.

        Raises:
            LogDamaged: the log cannot be read.
            NoDataYet: there is none.
        """
        for shot in await self.known_at(t, MAX_CANDIDATES, camera):
            if shot.available and shot.state == "complete":
                return await self.find(shot.image.id, shot.camera)
        raise NoDataYet(f"no image that was complete at {iso_or_text(t)} can be read")

    async def latest(self, camera: str | None = None, timeout_s: float = 0.0) -> Shot:
        """The newest image that has any bytes and is not broken.

        Args:
            camera: its name; `None` for all cameras.
            timeout_s: seconds to wait while a camera is starting and there is no image.

        Raises:
            NoDataYet: there is none.
            SourceError: no camera has one, and one of them failed.
        """
        shots = await self._newest(self._chosen(camera), Images.current, timeout_s)
        return min(shots, key=_age)

    async def shown(self, timeout_s: float = 0.0) -> str:
        """The name of the camera that has the newest frame of a video, or the newest image.

        Args:
            timeout_s: seconds to wait while a camera is starting and there is neither.

        Raises:
            NoDataYet: there is none.
            SourceError: no camera has one, and one of them failed.
        """

        async def frame(images: Images) -> Image | None:
            return await images.frame() or await images.current()

        return min(await self._newest(self._chosen(None), frame, timeout_s), key=_age).camera

    async def _newest(
        self,
        chosen: Sequence[tuple[str, Images]],
        newest: Callable[[Images], Awaitable[Image | None]],
        timeout_s: float,
    ) -> Sequence[Shot]:
        """The newest image of each camera that has one; a camera that fails hides no other."""
        starting = any(images.health.state is State.STARTING for _, images in chosen)
        deadline = monotonic() + (timeout_s if starting else 0.0)
        while True:
            found: list[Shot] = []
            failure: SourceError | None = None
            for name, images in chosen:
                try:
                    if (image := await newest(images)) is not None:
                        found.append(self._shot(name, image))
                except SourceError as exc:
                    failure = exc
            if found:
                return found
            if failure is not None:
                raise failure
            if monotonic() >= deadline or all(images.closed for _, images in chosen):
                raise NoDataYet(f"no image has arrived yet: {'; '.join(map(_reason, chosen))}")
            await sleep(POLL_INTERVAL_S)

    def _chosen(self, camera: str | None) -> Sequence[tuple[str, Images]]:
        return list(self.images.items()) if camera is None else [(camera, self.images[camera])]

    def _shots(self, name: str, images: Iterable[Image]) -> Iterator[Shot]:
        return (self._shot(name, image) for image in images)

    def _shot(self, name: str, image: Image) -> Shot:
        state, reason = self.images[name].state_of(image)
        return Shot(name, image, state, reason)


def _age(shot: Shot) -> float:
    return age_key(shot.image)


def _reason(one: tuple[str, Images]) -> str:
    name, images = one
    health = images.health
    return f"{name} is down: {health.detail}" if health.state is State.DOWN else f"{name} has none"
