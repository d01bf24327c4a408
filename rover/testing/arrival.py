"""Follows an image while it arrives at a camera."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from time import monotonic
from typing import TYPE_CHECKING

from anyio import sleep

from rover.testing.clauses import Clause, ContractBroken
from rover.testing.images import check_bytes
from rover.testing.leaks import NewTasks
from rover.testing.lifecycle import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rover.testing.checked_camera import CheckedCamera
    from rover.testing.reading import Reading
    from rover.testing.timeouts import Timeouts
    from sources.base import Image

POLL_INTERVAL_S = 0.01
"""Seconds between two calls of `images()` or `image()`, because neither reports changes."""


class Arrival:
    """Follows one image from its start to its last byte, with every method of the camera.

    Args:
        camera: the camera.
        arrive: makes an image start to arrive; see `check_camera`.
        timeouts: how long to wait for the image.
    """

    def __init__(
        self,
        camera: CheckedCamera,
        arrive: Callable[[], Awaitable[object]] | None,
        timeouts: Timeouts,
    ) -> None:
        self._camera = camera
        self._arrive = arrive
        self._timeouts = timeouts

    async def follow(self) -> None:
        """Return when the image is complete.

        Raises:
            ContractBroken: no image arrives, or the camera breaks a clause meanwhile.
            SourceError: as the camera raised it.
        """
        known = {(image.id, image.revision) for image in await self._camera.images()}
        async with AsyncExitStack() as stack:
            # No id is requested yet: the camera must keep the ids of images that start meanwhile.
            new = await stack.enter_async_context(self._camera.new())
            arriving = asyncio.create_task(run(self._arrive)) if self._arrive else None
            if arriving is not None:
                stack.push_async_callback(_cancel, arriving)
            image = await self._wait_for_start(known, arriving)
            new.resume()
            await self._require_yielded(
                new, image, Clause.CAMERA_NEW_FROM, "started to arrive after new() was called"
            )
            await new.stop()
            await self._read_while_arriving(image)

    async def _wait_for_start(
        self, known: set[tuple[str, str]], arriving: asyncio.Task[None] | None
    ) -> Image:
        """Return the image that starts to arrive."""
        deadline = monotonic() + self._timeouts.wait_s
        while monotonic() < deadline:
            for image in await self._camera.images():
                if (image.id, image.revision) not in known:
                    return image
            if arriving is not None and arriving.done():
                arriving.result()  # raises the error of `arrive`
            await sleep(POLL_INTERVAL_S)
        fix = "" if self._arrive else "; pass a function that makes one arrive: `arrive=…`"
        raise ContractBroken(
            Clause.CAMERA_LISTED,
            f"no image started to arrive within {self._timeouts.wait_s:g} s{fix}",
        )

    async def _require_yielded(
        self, new: Reading[str], image: Image, clause: Clause, reason: str
    ) -> None:
        """Return when `new()` has yielded the image's id."""
        count = 0
        while image.id not in new.items:
            count += 1
            came = await new.wait_for_items(count)
            new.raise_failure()
            clause.require(
                came,
                f"image {image.id!r} {reason}, and new() did not yield its id within"
                f" {self._timeouts.wait_s:g} s",
            )
        for image_id in new.items:
            Clause.CAMERA_NEW.require(
                isinstance(image_id, str), f"new() yielded {image_id!r}: must be the id, a str"
            )

    async def _read_while_arriving(self, image: Image) -> None:
        """Read the image with a reader that keeps up, a slow one, and one that is cancelled."""
        async with (
            self._camera.open(image.id) as reading,
            self._camera.open(image.id, pause_after=1) as slow_reading,
        ):
            await self._cancel_reader(image.id)
            await self._call_new_again(image)
            await self._watch_growth(image, reading)
            data = await self._camera.read_all(image.id, reading)
            now = await self._camera.image(image.id)
            if now is not None and now.revision == image.revision:
                Clause.CAMERA_COMPLETE.require(
                    now.complete,
                    f"open({image.id!r}) ended, and complete=False: must not end before the image"
                    " is complete",
                )
                check_bytes(now, data)
            slow_reading.resume()
            slow_data = await self._camera.read_all(image.id, slow_reading)
        Clause.CAMERA_READERS.require(
            data == slow_data, f"two readers of image {image.id!r} received different bytes"
        )

    async def _cancel_reader(self, image_id: str) -> None:
        tasks = NewTasks(self._timeouts.cancel_s)
        async with self._camera.open(image_id) as reading:
            await reading.wait_for_items(1)
        await tasks.require_done(f"{reading.name} was cancelled")

    async def _call_new_again(self, image: Image) -> None:
        async with self._camera.new() as new:
            now = await self._camera.image(image.id)
            if now is not None and not now.complete and now.revision == image.revision:
                new.resume()
                await self._require_yielded(
                    new, image, Clause.CAMERA_ARRIVING, "was arriving when new() was called"
                )

    async def _watch_growth(self, image: Image, reading: Reading[bytes]) -> None:
        """Compare each state of the image with the one before, until the reading has ended."""
        deadline = monotonic() + self._timeouts.wait_s
        while not reading.done and monotonic() < deadline:
            now = await self._camera.image(image.id)
            if now is None:
                return
            Clause.CAMERA_REVISION.require(
                now.revision == image.revision,
                f"revision={now.revision!r} of image {image.id!r}: must stay {image.revision!r}"
                " while it arrives",
            )
            Clause.CAMERA_VALUE.require(
                now.received >= image.received,
                f"received={now.received} of image {image.id!r}: must not decrease, and was"
                f" {image.received}",
            )
            image = now
            await sleep(POLL_INTERVAL_S)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
