"""The contract of a camera."""

from __future__ import annotations

from contextlib import AsyncExitStack
from time import monotonic
from typing import TYPE_CHECKING

from rover.testing.arrival import Arrival
from rover.testing.cancellation import check_cancellation
from rover.testing.checked_camera import CheckedCamera, shown
from rover.testing.clauses import Clause, ContractBroken
from rover.testing.images import check_bytes
from rover.testing.lifecycle import run_check
from rover.testing.timeouts import Timeouts
from sources.base import ImageBroken, SourceError, UnknownImage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from sources.base import Camera, Image

UNUSUAL_IDS = (
    "",
    ".",
    "..",
    "/",
    "no-such-image",
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "%2e%2e/%2e%2e",
    "with\0nul",
    "with\nline break",
    "\ud800",
    "x" * 10_000,
)
"""Ids that clients may request, and that no camera holds."""

MAX_IMAGES_READ = 3
"""Maximum number of complete images that are read, the newest first."""


async def check_camera(
    camera: Camera,
    *,
    arrive: Callable[[], Awaitable[object]] | None = None,
    timeout_s: float = 30.0,
    cancel_timeout_s: float = 2.0,
    max_stall_s: float = 0.25,
) -> None:
    """Return if a camera keeps the contract.

    The check enters the camera, follows an image while it arrives, reads complete images with
    several readers, cancels every iterator at many moments, and exits the camera. An image must
    arrive during the check.

    Args:
        camera: the camera; not entered yet.
        arrive: makes an image start to arrive. It may return at once, or when the image is
            complete. Without it, the check waits for the camera.
        timeout_s: Seconds in which an image must start to arrive, and in which it must be complete.
        cancel_timeout_s: Seconds in which an iterator and its tasks must end after a cancellation.
        max_stall_s: Seconds for which the camera may block the event loop at a time.

    Raises:
        ContractBroken: it breaks a clause; the text has the code and the observed behaviour.
        SourceError: as the camera raised it.
    """
    timeouts = Timeouts(timeout_s, cancel_timeout_s, max_stall_s)
    check = _CameraCheck(camera, arrive, timeouts)
    await run_check(camera, check.run, timeouts)


class _CameraCheck:
    def __init__(
        self,
        camera: Camera,
        arrive: Callable[[], Awaitable[object]] | None,
        timeouts: Timeouts,
    ) -> None:
        self._source = camera
        self._camera = CheckedCamera(camera, timeouts)
        self._arrival = Arrival(self._camera, arrive, timeouts)
        self._timeouts = timeouts

    async def run(self) -> None:
        await self._check_list()
        await self._check_unknown_ids()
        started_s = monotonic()
        await self._arrival.follow()
        arrival_s = monotonic() - started_s
        complete = [image for image in await self._check_list() if image.complete]
        Clause.CAMERA_COMPLETE.require(
            complete, "an image arrived, and images() returned no complete image"
        )
        for image in complete[:MAX_IMAGES_READ]:
            await self._check_complete_image(image)
        await self._cancel_iterators(complete[0].id, arrival_s)

    async def _check_list(self) -> Sequence[Image]:
        """Return the list of images, after comparing each with what `image()` returns."""
        images = await self._camera.images()
        for listed in images:
            image = await self._camera.image(listed.id)
            if image is None:
                now = {one.id for one in await self._camera.images()}
                Clause.CAMERA_LOOKUP.require(
                    listed.id not in now,
                    f"image({listed.id!r}) returned None, and images() returned that image",
                )
                continue
            Clause.CAMERA_LOOKUP.require(
                image.id == listed.id,
                f"image({listed.id!r}) returned the image with the id {image.id!r}",
            )
            if image.revision == listed.revision and image.complete and listed.complete:
                Clause.CAMERA_LOOKUP.require(
                    image == listed,
                    f"image({listed.id!r}) returned {image!r}, and images() returned {listed!r}:"
                    " must be equal",
                )
        return images

    async def _check_unknown_ids(self) -> None:
        held = {image.id for image in await self._camera.images()}
        paths = [path for one in sorted(held)[:1] for path in (f"./{one}", f"x/../{one}")]
        for image_id in {*UNUSUAL_IDS, *paths} - held:
            try:
                image = await self._camera.image(image_id)
            except (ContractBroken, SourceError) as exc:
                raise ContractBroken(
                    Clause.CAMERA_ANY_ID, f"image({shown(image_id)}) raised: {exc}"
                ) from exc
            Clause.CAMERA_ANY_ID.require(
                image is None,
                f"image({shown(image_id)}) returned {image!r}: must be None for an id that images()"
                " does not return",
            )
            async with self._camera.open(image_id) as reading:
                await reading.wait_until_done()
            Clause.CAMERA_UNKNOWN.require(
                isinstance(reading.failure, UnknownImage),
                f"{reading.name} raised {reading.shown_failure}: must raise UnknownImage",
            )

    async def _check_complete_image(self, image: Image) -> None:
        """Read the image twice, and compare the bytes."""
        try:
            first = await self._read(image)
            second = await self._read(image)
        except (UnknownImage, ImageBroken):
            if await self._camera.is_replaced(image):
                return  # a camera may delete or replace an image at any time
            raise
        if not await self._camera.is_replaced(image):
            Clause.CAMERA_REVISION.require(
                first == second,
                f"revision={image.revision!r} of image {image.id!r}: must change when the bytes do",
            )

    async def _read(self, image: Image) -> bytes:
        """Return the image's bytes, after reading them from several positions at once."""
        size = image.size or 0
        starts = sorted({min(1, size), size // 2, max(size - 1, 0), size})
        async with AsyncExitStack() as stack:
            slow = await stack.enter_async_context(self._camera.open(image.id, pause_after=1))
            tails = {
                start: await stack.enter_async_context(self._camera.open(image.id, start))
                for start in starts
            }
            reading = await stack.enter_async_context(self._camera.open(image.id))
            data = await self._camera.read_all(image.id, reading)
            check_bytes(image, data)
            for start, tail in tails.items():
                Clause.CAMERA_START.require(
                    await self._camera.read_all(image.id, tail) == data[start:],
                    f"{tail.name} yielded other bytes than open({image.id!r}) from {start}",
                )
            slow.resume()
            Clause.CAMERA_READERS.require(
                await self._camera.read_all(image.id, slow) == data,
                f"two readers of image {image.id!r} received different bytes",
            )
        return data

    async def _cancel_iterators(self, image_id: str, arrival_s: float) -> None:
        source, timeouts = self._source, self._timeouts
        await check_cancellation(
            "images()", self._images_once, Clause.CAMERA_LISTED, timeouts, first_s=0.01
        )
        await check_cancellation(
            "open()", lambda: source.open(image_id), Clause.CAMERA_WHOLE, timeouts, first_s=0.01
        )
        await check_cancellation(
            "new()", source.new, Clause.CAMERA_NEW, timeouts, first_s=arrival_s, has_items=False
        )

    async def _images_once(self) -> AsyncIterator[Sequence[Image]]:
        yield await self._source.images()
