"""A source that plays the images of a recorded mission."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count
from time import time
from typing import TYPE_CHECKING, Any, Self

import anyio
from anyio.to_thread import run_sync

from rover.missions.playback import Playback, Times
from sources.base import UnknownImage
from sources.values.ranges import OptionError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from rover.missions.played import PlayedImage
    from sources.base import Image


class MissionCamera(Playback):
    """Plays the images of a recorded mission: each is complete at the time of its last byte.

    Use it as a context manager. It begins with the first call of `new`, so that its caller receives
    the first image too.

    Args:
        path: see `Playback` for this and the other options.
        name: of the camera, if the record has several.

    Raises:
        SourceError: the mission cannot be read, or an option is invalid.
    """

    def __init__(
        self,
        path: Path,
        speed: float = 1.0,
        loop: bool | None = None,
        times: Times = "now",
        since: str = "",
        until: str = "",
        name: str = "",
        *,
        clock: Callable[[], float] = time,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        super().__init__(path, speed, loop, times, since, until, clock=clock, sleep=sleep)
        images = self._mission.images
        names = sorted({one.camera for one in images})
        if name not in names and (name or len(names) > 1):
            raise OptionError("name", name, f"must be one of {', '.join(names)}")
        self.simulated = self._mission.was_simulated("camera", name)
        self._images = [one for one in images if not name or one.camera == name]
        self._shown: dict[str, tuple[PlayedImage, Image]] = {}  # by id, oldest first
        self._arrived = 0  # number of arrivals
        self._changed = anyio.Event()
        self._is_followed = anyio.Event()
        self._stack = AsyncExitStack()

    async def images(self) -> Sequence[Image]:
        """The images that have arrived, newest first."""
        return [image for _, image in reversed(self._shown.values())]

    async def image(self, image_id: str) -> Image | None:
        """The image with that id; `None` if it has not arrived."""
        found = self._shown.get(image_id)
        return None if found is None else found[1]

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of an image."""
        if image_id not in self._shown:
            raise UnknownImage(image_id)
        played, _ = self._shown[image_id]
        while data := await run_sync(self._mission.piece, played, start):
            yield data
            start += len(data)

    def new(self) -> AsyncIterator[str]:
        """Yield the id of each image that arrives after this call."""
        self._is_followed.set()
        return self._new_after(self._arrived)

    async def _new_after(self, arrived: int) -> AsyncIterator[str]:
        while True:
            changed = self._changed
            while arrived < self._arrived:
                arrived += 1
                yield self._images[(arrived - 1) % len(self._images)].image.id
            await changed.wait()

    async def __aenter__(self) -> Self:
        """Begin to play."""
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            tasks.start_soon(self._play)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: Any) -> bool | None:
        """Stop."""
        return await self._stack.__aexit__(*exc_info)

    async def _play(self) -> None:
        if not self._images:
            return
        await self._is_followed.wait()
        schedule = self._start()
        for run in count():
            for one in self._images:
                t = await self._wait(schedule, one.t)
                taken_at, revision = one.image.taken_at, one.image.revision
                image = replace(
                    one.image,
                    # an image that arrives again is received again, even if its bytes are the same
                    revision=f"{revision}-{run}" if run else revision,
                    received_at=t,
                    taken_at=None if taken_at is None else taken_at + t - one.t,
                )
                self._shown.pop(one.image.id, None)
                self._shown[one.image.id] = one, image
                self._arrived += 1
                changed, self._changed = self._changed, anyio.Event()
                changed.set()
            await self._repeat(schedule)
