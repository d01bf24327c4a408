"""The images of several cameras, as one collection."""

from __future__ import annotations

import heapq
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from anyio import create_task_group, sleep

from rover.errors import NoDataYet
from rover.images.images import age_key
from rover.supervise import State
from sources.base import UnknownImage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rover.images.images import Images
    from sources.base import Image


POLL_INTERVAL_S = 0.05
"""Seconds between two checks for the first image."""


class Shot(NamedTuple):
    """An image and the camera that it is from.

    Attributes:
        camera: its name; `None` if the mission has only one.
        images: the images of that camera.
        image: the image.
    """

    camera: str | None
    images: Images
    image: Image


class Cameras:
    """The images of a mission.

    Args:
        images: those of each camera, by its name.

    Attributes:
        images: the same.
    """

    def __init__(self, images: Mapping[str, Images]) -> None:
        self.images = images

    @property
    def readers(self) -> int:
        """Number of open readers."""
        return sum(images.readers for images in self.images.values())

    async def load(self) -> None:
        """Take the kept images from the log; call it before `run`."""
        for images in self.images.values():
            await images.load()

    async def run(self) -> None:
        """Receive arriving images of all cameras until cancelled."""
        async with create_task_group() as tasks:
            for images in self.images.values():
                tasks.start_soon(images.run)

    def close(self) -> None:
        """Abort all readers."""
        for images in self.images.values():
            images.close()

    async def newest(self, limit: int, camera: str | None = None) -> Sequence[Shot]:
        """The newest images of a camera, or of all, newest first.

        Args:
            limit: maximum number of images.
            camera: its name; `None` for all cameras.
        """
        lists = [
            [self._shot(name, image) for image in await images.newest(limit)]
            for name, images in self._chosen(camera)
        ]
        return list(heapq.merge(*lists, key=_age))[:limit]

    async def find(self, image_id: str, camera: str | None = None) -> Shot:
        """The image with that id; the first that any camera has, if `camera` is `None`.

        Args:
            image_id: any text.
            camera: its name; `None` for all cameras.

        Raises:
            UnknownImage: no image has that id.
        """
        for name, images in self._chosen(camera):
            try:
                return self._shot(name, await images.find(image_id))
            except UnknownImage:
                continue
        raise UnknownImage(image_id)

    async def latest(self, camera: str | None = None, timeout_s: float = 0.0) -> Shot:
        """The newest image that has any bytes and is not broken.

        Args:
            camera: its name; `None` for all cameras.
            timeout_s: seconds to wait while a camera is starting and there is no image.

        Raises:
            NoDataYet: there is none.
        """
        chosen = self._chosen(camera)
        starting = any(images.health.state is State.STARTING for _, images in chosen)
        deadline = monotonic() + (timeout_s if starting else 0.0)
        while not (
            found := [
                self._shot(name, image)
                for name, images in chosen
                if (image := await images.current()) is not None
            ]
        ):
            if monotonic() >= deadline or all(images.closed for _, images in chosen):
                raise NoDataYet(f"no image has arrived yet: {'; '.join(map(_reason, chosen))}")
            await sleep(POLL_INTERVAL_S)
        return min(found, key=_age)

    def _chosen(self, camera: str | None) -> Sequence[tuple[str, Images]]:
        return list(self.images.items()) if camera is None else [(camera, self.images[camera])]

    def _shot(self, name: str, image: Image) -> Shot:
        return Shot(name if len(self.images) > 1 else None, self.images[name], image)


def _age(shot: Shot) -> float:
    return age_key(shot.image)


def _reason(one: tuple[str, Images]) -> str:
    name, images = one
    health = images.health
    return f"{name} is down: {health.detail}" if health.state is State.DOWN else f"{name} has none"
