"""The contract of a camera."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from anyio import sleep

from rover.testing.cancellation import cancel_everywhere
from rover.testing.clauses import Clause, ContractBroken
from rover.testing.images import check_bytes, check_chunks, check_image, check_list
from rover.testing.leaks import Leftovers
from rover.testing.lifecycle import live
from rover.testing.reading import Reading, call
from sources.base import ImageBroken, SourceError, UnknownImage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from sources.base import Camera, Image

STRANGE = (
    "",
    ".",
    "..",
    "/",
    "no-such-picture",
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "%2e%2e/%2e%2e",
    "with\0nul",
    "with\nline break",
    "\ud800",
    "x" * 10_000,
)
"""What somebody will ask for. No camera holds a picture of such an id."""

POLL_S = 0.01

PICTURES = 3
"""So many complete pictures are read, the newest first."""


async def check_camera(
    camera: Camera,
    *,
    arrive: Callable[[], Awaitable[object]] | None = None,
    timeout_s: float = 30.0,
    max_stall_s: float = 0.25,
) -> None:
    """Return if the camera keeps its contract; one picture must arrive meanwhile.

    It is entered, a picture is followed as it arrives, those held are read by several readers,
    every iterator is cancelled at many moments, and the camera is exited.

    Args:
        camera: not entered yet.
        arrive: has a picture begin to arrive, soon after it is called; it may go on until the
            picture is there. Without it, the camera is waited for.
        timeout_s: in which a picture must begin to arrive, and in which one must be whole.
        max_stall_s: for so long the event loop may stand still at a time.

    Raises:
        ContractBroken: it does not keep it; the text says which clause and what was seen.
        SourceError: as the camera raised it.
    """
    trial = _Trial(camera, arrive, timeout_s)
    await live(camera, trial.run, beside=None, timeout_s=timeout_s, max_stall_s=max_stall_s)


class _Trial:
    """One camera, and how long to wait for it."""

    def __init__(
        self,
        camera: Camera,
        arrive: Callable[[], Awaitable[object]] | None,
        timeout_s: float,
    ) -> None:
        self._camera = camera
        self._arrive = arrive
        self._timeout_s = timeout_s

    async def run(self) -> None:
        await self._listed()
        await self._strange_ids()
        first_s = await self._arrival()
        held = [image for image in await self._listed() if image.complete]
        Clause.CAMERA_COMPLETE.require(
            held, "a picture arrived, and images() has none that is complete"
        )
        for image in held[:PICTURES]:
            await self._held(image)
        await self._cancelled(held[0].id, first_s)

    # ----------------------------------------------------------------------------- one call

    async def _images(self) -> Sequence[Image]:
        return check_list(await call("images()", self._camera.images, self._timeout_s))

    async def _image(self, image_id: str) -> Image | None:
        image = await call(
            f"image({image_id[:80]!r})", lambda: self._camera.image(image_id), self._timeout_s
        )
        if image is not None:
            check_image(image)
        return image

    def _open(
        self, image_id: str, start: int | None = None, *, pause_at: int | None = None
    ) -> Reading[bytes]:
        """A reader, left to itself until `_bytes` is called."""
        given = (image_id,) if start is None else (image_id, start)
        what = f"open({', '.join(repr(one)[:80] for one in given)})"
        return Reading(
            what, lambda: self._camera.open(*given), Clause.CAMERA_WHOLE, pause_at=pause_at
        )

    async def _bytes(self, image_id: str, reading: Reading[bytes]) -> bytes:
        """All that it reads."""
        ended = await reading.ended(self._timeout_s)
        reading.require_well()
        Clause.CAMERA_WHOLE.require(
            ended, f"{reading.what} had not ended after {self._timeout_s:g} s"
        )
        return check_chunks(image_id, reading.items)

    # --------------------------------------------------------------------------- what is asked

    async def _listed(self) -> Sequence[Image]:
        """The list, compared with what is said of each picture alone."""
        images = await self._images()
        for listed in images:
            image = await self._image(listed.id)
            if image is None:
                now = {one.id for one in await self._images()}
                Clause.CAMERA_LOOKUP.require(
                    listed.id not in now, f"images() has {listed.id!r}, and image() gives None"
                )
                continue
            Clause.CAMERA_LOOKUP.require(
                image.id == listed.id, f"image({listed.id!r}) gave one with the id {image.id!r}"
            )
            if image.revision == listed.revision and image.complete and listed.complete:
                Clause.CAMERA_LOOKUP.require(
                    image == listed, f"images() has {listed!r}, and image() gives {image!r}"
                )
        return images

    async def _strange_ids(self) -> None:
        held = {image.id for image in await self._images()}
        traversals = [name for one in sorted(held)[:1] for name in (f"./{one}", f"x/../{one}")]
        for image_id in {*STRANGE, *traversals} - held:
            try:
                image = await self._image(image_id)
            except (ContractBroken, SourceError) as exc:
                raise ContractBroken(Clause.CAMERA_ANY_ID, f"for {image_id[:80]!r}: {exc}") from exc
            Clause.CAMERA_ANY_ID.require(
                image is None, f"image({image_id[:80]!r}) gave {image!r}, which images() lacks"
            )
            async with self._open(image_id) as reading:
                await reading.ended(self._timeout_s)
            raised = f"raised {reading.failure!r}" if reading.failure else "raised nothing"
            Clause.CAMERA_UNKNOWN.require(
                isinstance(reading.failure, UnknownImage),
                f"{reading.what} {raised}; raise UnknownImage",
            )

    async def _arrival(self) -> float:
        """Follow a picture from `new()` to its last byte.

        Returns:
            The seconds it took.
        """
        known = {(image.id, image.revision) for image in await self._images()}
        began = monotonic()
        async with AsyncExitStack() as stack:
            # Not asked for an item yet: what begins to arrive from here on is yielded later.
            new = await stack.enter_async_context(
                Reading("new()", self._camera.new, Clause.CAMERA_NEW, pause_at=0)
            )
            arriving = asyncio.create_task(_run(self._arrive)) if self._arrive else None
            if arriving is not None:
                stack.push_async_callback(_end, arriving)
            image = await self._begun(known, arriving)
            new.go()
            await self._yielded(
                new, image, Clause.CAMERA_NEW_FROM, "began to arrive after new() was called"
            )
            await new.stop()
            await self._followed(image)
        return monotonic() - began

    async def _begun(
        self, known: set[tuple[str, str]], arriving: asyncio.Task[None] | None
    ) -> Image:
        """The picture that begins to arrive."""
        deadline = monotonic() + self._timeout_s
        while monotonic() < deadline:
            for image in await self._images():
                if (image.id, image.revision) not in known:
                    return image
            if arriving is not None and arriving.done():
                arriving.result()  # raises what it raised
            await sleep(POLL_S)
        way_out = "" if self._arrive else "; say how one is made to: `arrive=…`"
        raise ContractBroken(
            Clause.CAMERA_LISTED,
            f"no picture began to arrive within {self._timeout_s:g} s{way_out}",
        )

    async def _yielded(self, new: Reading[str], image: Image, clause: Clause, when: str) -> None:
        """Return when `new()` yields the picture's id."""
        count = 0
        while image.id not in new.items:
            came = await new.came(count + 1, self._timeout_s)
            new.require_well()
            clause.require(
                came, f"{image.id!r} {when}, and in {self._timeout_s:g} s new() did not yield it"
            )
            count += 1
        for one in new.items:
            Clause.CAMERA_NEW.require(
                isinstance(one, str), f"new() yielded {one!r}, which is no id"
            )

    async def _followed(self, image: Image) -> None:
        """Read a picture while it arrives: as a whole, slowly, and anew after a cancellation."""
        async with (
            self._open(image.id) as reading,
            self._open(image.id, pause_at=1) as slow_reading,
        ):
            await self._dropped(image.id)
            await self._again(image)
            await self._grown(image, reading)
            whole = await self._bytes(image.id, reading)
            now = await self._image(image.id)
            if now is not None and now.revision == image.revision:
                Clause.CAMERA_COMPLETE.require(
                    now.complete, f"open({image.id!r}) ended, and the picture is not complete"
                )
                check_bytes(now, whole)
            slow_reading.go()
            slow = await self._bytes(image.id, slow_reading)
        Clause.CAMERA_READERS.require(
            whole == slow, f"two readers of {image.id!r} got different bytes"
        )

    async def _dropped(self, image_id: str) -> None:
        """A reader that goes away while the picture arrives leaves nothing behind."""
        left = Leftovers()
        async with self._open(image_id) as reading:
            await reading.came(1, self._timeout_s)
        await left.require_none(f"{reading.what} was cancelled")

    async def _again(self, image: Image) -> None:
        """Whoever calls `new()` while the picture arrives is told of it too."""
        async with Reading("new()", self._camera.new, Clause.CAMERA_NEW, pause_at=0) as new:
            now = await self._image(image.id)
            if now is not None and not now.complete and now.revision == image.revision:
                new.go()
                await self._yielded(
                    new, image, Clause.CAMERA_ARRIVING, "was arriving when new() was called"
                )

    async def _grown(self, image: Image, reading: Reading[bytes]) -> None:
        """See the picture grow, until the reader has all of it."""
        deadline = monotonic() + self._timeout_s
        while not reading.over and monotonic() < deadline:
            now = await self._image(image.id)
            if now is None:
                return
            Clause.CAMERA_REVISION.require(
                now.revision == image.revision,
                f"the revision of {image.id!r} changed while it arrived: {image.revision!r},"
                f" {now.revision!r}",
            )
            Clause.CAMERA_VALUE.require(
                now.received >= image.received,
                f"of {image.id!r}, {image.received:,} bytes had arrived, and later"
                f" {now.received:,}",
            )
            image = now
            await sleep(POLL_S)

    async def _held(self, image: Image) -> None:
        """Read a complete picture: several readers at once, from several places, and again."""
        try:
            data = await self._read(image)
            again = await self._read(image)
        except (UnknownImage, ImageBroken):
            now = await self._image(image.id)
            if now is None or now.revision != image.revision:
                return  # dropped or replaced meanwhile, as a camera may
            raise
        now = await self._image(image.id)
        if now is not None and now.revision == image.revision:
            Clause.CAMERA_REVISION.require(
                again == data, f"{image.id!r} has other bytes, and the same revision"
            )

    async def _read(self, image: Image) -> bytes:
        size = image.size or 0
        starts = sorted({min(1, size), size // 2, max(size - 1, 0), size})
        async with AsyncExitStack() as stack:
            slow = await stack.enter_async_context(self._open(image.id, pause_at=1))
            tails = {
                start: await stack.enter_async_context(self._open(image.id, start))
                for start in starts
            }
            reading = await stack.enter_async_context(self._open(image.id))
            data = await self._bytes(image.id, reading)
            check_bytes(image, data)
            for start, tail in tails.items():
                Clause.CAMERA_START.require(
                    await self._bytes(image.id, tail) == data[start:],
                    f"{tail.what} yielded something else than open({image.id!r}) from there on",
                )
            slow.go()
            Clause.CAMERA_READERS.require(
                await self._bytes(image.id, slow) == data,
                f"two readers of {image.id!r} got different bytes",
            )
        return data

    async def _cancelled(self, image_id: str, first_s: float) -> None:
        every = partial(cancel_everywhere, timeout_s=self._timeout_s)
        await every("images()", self._images_once, Clause.CAMERA_LISTED, first_s=0.01)
        await every(
            "open()", lambda: self._camera.open(image_id), Clause.CAMERA_WHOLE, first_s=0.01
        )
        await every("new()", self._camera.new, Clause.CAMERA_NEW, first_s=first_s, always=False)

    async def _images_once(self) -> AsyncIterator[Sequence[Image]]:
        yield await self._camera.images()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def _run(job: Callable[[], Awaitable[object]]) -> None:
    await job()
