"""The camera of the simulated rover: `sim:`, `sim:?seed=3&link_kbps=500`.

A process of its own renders each image to a file. The file is complete at once; readers receive it
at the rate of the simulated relay link.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
import time
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import anyio
from anyio import to_thread

from sources.base import Image, ImageBroken, SourceError, UnknownImage
from sources.simulated.camera_view import CameraView, camera_view
from sources.simulated.render_process import render_in_process
from sources.simulated.world import World
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from types import TracebackType

LINK_KBPS = 2_048.0
"""Fastest return rate of the Electra UHF relay radio. An image takes about ten seconds."""

_NICENESS = 10
_STEP_S = 0.1
_CHUNK_BYTES = 256 * 1024
_MAX_KEEP = 1_000


@dataclass(slots=True)
class _StoredImage:
    """One image on disk, and the number of its bytes that have been received."""

    serial: int
    image_id: str
    path: Path
    size: int
    sha256: str
    taken_at: float
    view: CameraView
    received: int = 0
    received_at: float | None = None
    removed: bool = False

    @property
    def complete(self) -> bool:
        return self.received == self.size

    def snapshot(self) -> Image:
        return Image(
            id=self.image_id,
            content_type="image/jpeg",
            size=self.size,
            received=self.received,
            complete=self.complete,
            revision=self.sha256,
            taken_at=self.taken_at,
            received_at=self.received_at,
            width=self.view.width,
            height=self.view.height,
            sha256=self.sha256,
            metadata=self.view.metadata(),
        )


class SimulatedCamera:
    """The navigation cameras of the simulated rover. Enter it to start taking images.

    The images look ahead, left, ahead, right and back, in turn.

    Args:
        seed: selects the world. Use the seed and time scale of the telemetry for the same world.
        link_kbps: rate of the relay link in kbit/s, above 0.
        time_scale: mission seconds per second while the rover works.
        period_s: seconds between two images; an image that takes longer to arrive delays the next.
        keep: maximum number of images; a new image removes the oldest.
        width: pixels, 64 to 8,192.
        height: pixels, 32 to 4,096.
        clock: returns POSIX seconds. If it is set back, received bytes stay received.
        render: writes the image of a view to a path, in a process with the given niceness.

    Raises:
        SourceError: an option is out of range.
    """

    simulated = True

    def __init__(
        self,
        seed: int = 1,
        link_kbps: float = LINK_KBPS,
        time_scale: float = 1.0,
        period_s: float = 30.0,
        keep: int = 12,
        width: int = 4_096,
        height: int = 2_048,
        clock: Callable[[], float] = time.time,
        render: Callable[[CameraView, Path, int], Awaitable[None]] = render_in_process,
    ) -> None:
        self._world = World(seed, time_scale)
        rate = Range(0.001, 100_000_000, "kbit/s").number("link_kbps", link_kbps)
        self._bytes_per_s = rate * 1000 / 8
        self._period_s = Range(0, 86_400, "s").number("period_s", period_s)
        self._keep = Range(2, _MAX_KEEP).whole("keep", keep)
        self._width = Range(64, 8_192, "pixels").whole("width", width)
        self._height = Range(32, 4_096, "pixels").whole("height", height)
        self._clock = clock
        self._render = render
        self._images: deque[_StoredImage] = deque()
        self._count = 0
        self._failure: SourceError | None = None
        self._failures = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        self._changed, self._closed = anyio.Event(), False
        async with AsyncExitStack() as stack:
            folder = tempfile.TemporaryDirectory(prefix="rover-camera-", ignore_cleanup_errors=True)
            self._folder = Path(stack.enter_context(folder))
            tasks = await stack.enter_async_context(anyio.create_task_group())
            tasks.start_soon(self._capture_images)
            stack.callback(tasks.cancel_scope.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        self._closed = True
        for stored in self._images:
            stored.removed = True
        self._images.clear()
        self._notify()
        return await self._stack.__aexit__(exc_type, exc, traceback)

    async def images(self) -> Sequence[Image]:
        """Every stored image, newest first."""
        return [stored.snapshot() for stored in reversed(self._images)]

    async def image(self, image_id: str) -> Image | None:
        """The current state of the image with that id, or `None`."""
        stored = self._find(image_id)
        return None if stored is None else stored.snapshot()

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of the image from `start` as they arrive, ten times per second."""
        stored = self._find(image_id)
        if stored is None:
            raise UnknownImage(image_id)
        position = max(0, start)
        while position < stored.size:
            changed = self._changed
            if stored.removed:
                raise ImageBroken(image_id, "it was removed for a newer one, or the camera closed")
            if position >= stored.received:
                await changed.wait()
                continue
            wanted = min(_CHUNK_BYTES, stored.received - position)
            try:
                # Open the file for each chunk: a reader that waits, or is abandoned, holds none.
                chunk = await to_thread.run_sync(_read, stored.path, position, wanted)
            except OSError as error:
                raise ImageBroken(
                    image_id, f"its file cannot be read ({error.strerror})"
                ) from error
            if not chunk:
                raise ImageBroken(image_id, "its file was truncated")
            position += len(chunk)
            yield chunk

    def new(self) -> AsyncIterator[str]:
        """Yield the id of each image when it begins to arrive, first of the one arriving now.

        Raises:
            SourceError: an image could not be rendered. The camera tries again; call `new` again.
        """
        last = max((stored.serial for stored in self._images if stored.complete), default=0)
        return self._new_after(last, self._failures)

    async def _new_after(self, last: int, failures: int) -> AsyncIterator[str]:
        while not self._closed:
            changed = self._changed
            for stored in [each for each in self._images if each.serial > last]:
                last = stored.serial
                yield stored.image_id
            if self._failures > failures and self._failure is not None:
                raise self._failure
            await changed.wait()

    async def _capture_images(self) -> None:
        while True:
            started = anyio.current_time()
            try:
                stored = await self._capture()
            except Exception as error:  # the boundary of the task: `new()` raises it
                self._failure = (
                    error
                    if isinstance(error, SourceError)
                    else SourceError(f"the simulated camera failed: {error!r}")
                )
                self._failures += 1
                self._notify()
                # Wait at least a second: a camera that cannot render must not use all the CPU.
                await anyio.sleep(max(1.0, self._period_s))
                continue
            self._store(stored)
            await self._receive(stored)
            await anyio.sleep(max(0.0, started + self._period_s - anyio.current_time()))

    async def _capture(self) -> _StoredImage:
        taken_at = self._clock()
        view = camera_view(self._world, taken_at, self._count, self._width, self._height)
        self._count += 1
        image_id = f"sol-{view.sol:04}-{view.local_time.replace(':', '')}-navcam-{self._count:03}"
        path = self._folder / f"{image_id}.jpg"
        # People wait for the first image; later ones only use CPU time that is idle.
        await self._render(view, path, _NICENESS if self._images else 0)
        size, sha256 = await to_thread.run_sync(_fingerprint, path)
        return _StoredImage(self._count, image_id, path, size, sha256, taken_at, view)

    def _store(self, stored: _StoredImage) -> None:
        while len(self._images) >= self._keep:
            oldest = self._images.popleft()
            oldest.removed = True
            oldest.path.unlink(missing_ok=True)
        self._images.append(stored)
        self._notify()

    async def _receive(self, stored: _StoredImage) -> None:
        """Receive the image over the link, at its rate by the clock, until it is complete."""
        before, credit = self._clock(), 0.0
        while not stored.complete:
            await anyio.sleep(_STEP_S)
            now = self._clock()
            credit += max(0.0, now - before) * self._bytes_per_s
            before = now
            received = min(stored.size, math.floor(credit))
            if received > stored.received:
                stored.received, stored.received_at = received, now
                self._notify()

    def _find(self, image_id: str) -> _StoredImage | None:
        return next((stored for stored in self._images if stored.image_id == image_id), None)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _read(path: Path, position: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(position)
        return file.read(size)


def _fingerprint(path: Path) -> tuple[int, str]:
    data = path.read_bytes()
    return len(data), hashlib.sha256(data).hexdigest()
