"""The simulated rover's camera: `sim:`, `sim:?seed=3&link_kbps=500`.

Each picture is drawn by a process of its own (`python -m sources.simulated.panorama`), so that
seconds of arithmetic neither hold up the event loop nor stay in its memory. The file is whole on
disk then; what readers see of it grows with the relay link.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
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
from sources.simulated.world import World
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from types import TracebackType

LINK_KBPS = 2_048.0
"""The fastest return rate of the Electra UHF relay radio: one picture takes about ten seconds."""

_ROOT = Path(__file__).resolve().parents[2]
"""Where `sources` is imported from, wherever the server was started."""

_NICENESS = 10
_STEP_S = 0.1
_CHUNK_BYTES = 256 * 1024
_RENDER_TIMEOUT_S = 120.0
_KEPT_MAX = 1_000


@dataclass(slots=True)
class _Picture:
    """One picture on disk, and how much of it has come down."""

    serial: int
    image_id: str
    path: Path
    size: int
    sha256: str
    taken_at: float
    view: CameraView
    received: int = 0
    received_at: float | None = None
    dropped: bool = False

    @property
    def complete(self) -> bool:
        return self.received == self.size

    def image(self) -> Image:
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
            path=self.path if self.complete else None,
            metadata=self.view.metadata(),
        )


class SimulatedCamera:
    """A navigation camera on the simulated rover; enter it to have it take pictures.

    It looks ahead, to the left, ahead, to the right and back, in turn.

    Args:
        seed: chooses the world; the telemetry of the same seed and time scale drives in the same.
        link_kbps: what the link brings down, in 1,000 bits per second, above 0.
        time_scale: mission seconds per second while the rover works.
        period_s: from one picture to the next; never before the last has arrived.
        keep: how many pictures are held; the oldest is dropped for a new one.
        width: pixels, 64 to 8,192.
        height: pixels, 32 to 4,096.
        clock: POSIX seconds. What has arrived never becomes less, even if it goes back.

    Raises:
        SourceError: an option is out of range.
    """

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
    ) -> None:
        self._world = World(seed, time_scale)
        rate = Range(0.001, 100_000_000, "kbit/s").number("link_kbps", link_kbps)
        self._bytes_per_s = rate * 1000 / 8
        self._period_s = Range(0, 86_400, "s").number("period_s", period_s)
        self._keep = Range(2, _KEPT_MAX).whole("keep", keep)
        self._width = Range(64, 8_192, "pixels").whole("width", width)
        self._height = Range(32, 4_096, "pixels").whole("height", height)
        self._clock = clock
        self._pictures: deque[_Picture] = deque()
        self._taken = 0
        self._failure: SourceError | None = None
        self._failures = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        self._changed, self._closed = anyio.Event(), False
        async with AsyncExitStack() as stack:
            folder = tempfile.TemporaryDirectory(prefix="rover-camera-", ignore_cleanup_errors=True)
            self._folder = Path(stack.enter_context(folder))
            tasks = await stack.enter_async_context(anyio.create_task_group())
            tasks.start_soon(self._take_pictures)
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
        for picture in self._pictures:
            picture.dropped = True
        self._pictures.clear()
        self._notify()
        return await self._stack.__aexit__(exc_type, exc, traceback)

    # -------------------------------------------------------------------------- as a Camera

    async def images(self) -> Sequence[Image]:
        """Every picture held, newest first."""
        return [picture.image() for picture in reversed(self._pictures)]

    async def image(self, image_id: str) -> Image | None:
        """The picture of that id as it is now, or `None`."""
        picture = self._find(image_id)
        return None if picture is None else picture.image()

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the picture's bytes from `start` as they come down, ten times a second."""
        picture = self._find(image_id)
        if picture is None:
            raise UnknownImage(image_id)
        position = max(0, start)
        while position < picture.size:
            changed = self._changed
            if picture.dropped:
                raise ImageBroken(image_id, "it was dropped to make room, or the camera closed")
            if position >= picture.received:
                await changed.wait()
                continue
            wanted = min(_CHUNK_BYTES, picture.received - position)
            try:
                # Opened for each chunk: a reader that waits, or is left lying, holds no file.
                chunk = await to_thread.run_sync(_read, picture.path, position, wanted)
            except OSError as error:
                raise ImageBroken(image_id, f"its file is gone ({error.strerror})") from error
            if not chunk:
                raise ImageBroken(image_id, "its file is shorter than it was")
            position += len(chunk)
            yield chunk

    def new(self) -> AsyncIterator[str]:
        """Yield the id of each picture as it begins to arrive; one that is arriving now, first.

        Raises:
            SourceError: a picture could not be drawn. The camera tries again; so may the caller.
        """
        last = max((p.serial for p in self._pictures if p.complete), default=0)
        return self._announce(last, self._failures)

    async def _announce(self, last: int, failures: int) -> AsyncIterator[str]:
        while not self._closed:
            changed = self._changed
            for picture in [p for p in self._pictures if p.serial > last]:
                last = picture.serial
                yield picture.image_id
            if self._failures > failures and self._failure is not None:
                raise self._failure
            await changed.wait()

    # -------------------------------------------------------------------- taking pictures

    async def _take_pictures(self) -> None:
        while True:
            begun = anyio.current_time()
            try:
                picture = await self._take()
            except Exception as error:  # a task's boundary: `new()` reports it to whoever reads
                self._failure = (
                    error
                    if isinstance(error, SourceError)
                    else SourceError(f"the simulated camera failed: {error!r}")
                )
                self._failures += 1
                self._notify()
                # Without a pause a camera that cannot draw would do nothing but try.
                await anyio.sleep(max(1.0, self._period_s))
                continue
            self._hold(picture)
            await self._receive(picture)
            await anyio.sleep(max(0.0, begun + self._period_s - anyio.current_time()))

    async def _take(self) -> _Picture:
        taken_at = self._clock()
        view = camera_view(self._world, taken_at, self._taken, self._width, self._height)
        self._taken += 1
        image_id = f"sol-{view.sol:04}-{view.local_time.replace(':', '')}-navcam-{self._taken:03}"
        path = self._folder / f"{image_id}.jpg"
        # The first one somebody waits for; the others take only what nobody else wants.
        await _draw(view, path, niceness=_NICENESS if self._pictures else 0)
        size, sha256 = await to_thread.run_sync(_fingerprint, path)
        return _Picture(self._taken, image_id, path, size, sha256, taken_at, view)

    def _hold(self, picture: _Picture) -> None:
        while len(self._pictures) >= self._keep:
            oldest = self._pictures.popleft()
            oldest.dropped = True
            oldest.path.unlink(missing_ok=True)
        self._pictures.append(picture)
        self._notify()

    async def _receive(self, picture: _Picture) -> None:
        """Let the picture come down the link, by the clock, to its last byte."""
        before, credit = self._clock(), 0.0
        while not picture.complete:
            await anyio.sleep(_STEP_S)
            now = self._clock()
            credit += max(0.0, now - before) * self._bytes_per_s
            before = now
            received = min(picture.size, math.floor(credit))
            if received > picture.received:
                picture.received, picture.received_at = received, now
                self._notify()

    def _find(self, image_id: str) -> _Picture | None:
        return next((p for p in self._pictures if p.image_id == image_id), None)

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


async def _draw(view: CameraView, path: Path, niceness: int = 0) -> None:
    """Draw the view into a JPEG at `path`, in a process of its own.

    Raises:
        SourceError: it failed; the text is the process's last line.
    """
    root = str(_ROOT)
    inherited = os.environ.get("PYTHONPATH")
    # No threads of BLAS's own: the drawing has the two that it wants.
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([root, inherited] if inherited else [root]),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-P", "-m", "sources.simulated.panorama", str(path), str(niceness)]
    request = json.dumps(view.request()).encode()
    try:
        with anyio.fail_after(_RENDER_TIMEOUT_S):
            # Its own session, so that Ctrl-C in a terminal reaches the server alone.
            done = await anyio.run_process(
                command, input=request, check=False, env=environment, start_new_session=True
            )
    except TimeoutError as error:
        raise SourceError(
            f"the simulated camera needed over {_RENDER_TIMEOUT_S:g} s for a picture"
        ) from error
    except OSError as error:
        raise SourceError(f"the simulated camera cannot start {sys.executable}: {error}") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit status {done.returncode}"
        raise SourceError(f"the simulated camera could not draw a picture: {reason}")
