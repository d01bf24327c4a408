"""The spool of one arriving image: a file that is written once, for any number of readers.

The growth of an image is a topic. Readers that keep up share the newest bytes in memory; a slower
reader reads the file. So memory does not depend on the image's size, and a slow reader does not
delay another.

The file has no name, so no file remains on disk when the process ends or crashes.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import asynccontextmanager
from math import inf
from time import monotonic, time
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from anyio import CancelScope, fail_after
from anyio.to_thread import run_sync

from rover.topic import Batch, Topic
from sources.base import ImageBroken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from rover.topic import Subscriber
    from sources.base import Image

RECENT_EVENTS = 64
RECENT_BYTES = 2**20
"""Maximum size of the newest chunks of an image, which readers receive from memory."""


class Growth(NamedTuple):
    """New bytes of an image.

    Attributes:
        start: the offset of the first byte in the image.
        data: the bytes.
    """

    start: int
    data: bytes


class Spool:
    """The received bytes of one image.

    It has one owner, which keeps it, one receiving task and any number of readers. It closes its
    file when all of them have released it.

    Args:
        image: the image. The spool is of this revision only.
        notify: called with the topic of the growth; see `rover.topic.Topic`.
        timeout_s: maximum seconds that a reader waits for the next byte.

    Attributes:
        image_id: the id of the image.
        revision: the revision of the image.
        received: number of bytes that have arrived.
        received_at: POSIX seconds of the last byte received.
        complete: whether all bytes have arrived.
        broken: the reason why the image will not be complete; empty if it is not broken.
        has_wrong_size: whether it is broken because it has not the size that the camera states.
        receiving: the receiving task runs in this scope.
        discard_reason: why the owner discarded the spool; empty if it did not.
        growth: the topic of new bytes.
    """

    def __init__(
        self,
        image: Image,
        notify: Callable[[Topic[Any, Any]], None] | None = None,
        timeout_s: float = inf,
    ) -> None:
        self.image_id = image.id
        self.revision = image.revision
        self.received = 0
        self.received_at: float | None = None
        self.complete = False
        self.broken = ""
        self.has_wrong_size = False
        self.timeout_s = timeout_s
        self.receiving = CancelScope()
        self.discard_reason = ""
        self.growth: Topic[Growth, Growth] = Topic(
            lambda _, growth: growth,
            size=lambda growth: len(growth.data),
            max_events=RECENT_EVENTS,
            max_bytes=RECENT_BYTES,
            notify=notify,
        )
        self._grown_at = monotonic()
        self._file: IO[bytes] | None = None
        self._references = 2  # of the owner and the receiving task; a reader adds one

    @property
    def ended(self) -> bool:
        """Whether `finish` was called."""
        return self.complete or bool(self.broken)

    @property
    def silent_s(self) -> float:
        """Seconds since the last byte arrived, or since the image began to arrive."""
        return monotonic() - self._grown_at

    async def create_file(self, folder: Path) -> None:
        """Create the file, and the folder if it does not exist.

        Raises:
            OSError: one of them cannot be created.
        """
        self._file = await run_sync(_unnamed_file, folder)

    async def append(self, data: bytes) -> None:
        """Write received bytes to the file, then publish them to the readers.

        Raises:
            OSError: for example, the disk is full.
        """
        if not data:
            return
        await run_sync(self._write, data)
        growth = Growth(self.received, data)
        self.received += len(data)
        self.received_at = time()
        self._grown_at = monotonic()
        self.growth.publish(growth)

    async def finish(self, broken: str = "") -> None:
        """End the receiving task's part: the image is complete, or broken with that reason."""
        self.complete = not broken
        self.broken = broken
        self.growth.close()
        await self.release()

    async def discard(self, reason: str) -> None:
        """Stop the receiving task, and release the spool. Readers can read the received bytes."""
        self.discard_reason = reason
        self.receiving.cancel()
        await self.release()

    async def release(self) -> None:
        """Release one reference. The last one closes the file. It is shielded from cancellation."""
        self._references -= 1
        if self._references == 0 and self._file is not None:
            with CancelScope(shield=True):
                await run_sync(self._file.close)

    @asynccontextmanager
    async def read(self, start: int, stop: int | None) -> AsyncIterator[SpoolReader]:
        """A reader of the bytes from `start` to before `stop`, or to the end."""
        self._references += 1
        try:
            with self.growth.subscribe() as subscriber:
                yield SpoolReader(self, subscriber, start, stop)
        finally:
            await self.release()

    async def read_file(self, position: int, at_most: int) -> bytes:
        """Received bytes, at least one.

        Raises:
            ImageBroken: the file cannot be read.
        """
        try:
            return await run_sync(self.pread, position, at_most)
        except OSError as exc:
            raise ImageBroken(self.image_id, f"it cannot be read from the spool: {exc}") from exc

    def _write(self, data: bytes) -> None:
        assert self._file is not None  # noqa: S101 # create_file() comes first
        position, left = self.received, memoryview(data)
        while left:  # at its position, so that a failed write may be repeated
            written = os.pwrite(self._file.fileno(), left, position)
            position, left = position + written, left[written:]

    def pread(self, position: int, at_most: int) -> bytes:
        """Received bytes; empty at the end. Blocks.

        Raises:
            OSError: the file cannot be read.
        """
        assert self._file is not None  # noqa: S101 # bytes were received
        return os.pread(self._file.fileno(), at_most, position)


class SpoolReader:
    """A position in a spool."""

    def __init__(
        self, spool: Spool, subscriber: Subscriber[Growth, Growth], start: int, stop: int | None
    ) -> None:
        self._spool = spool
        self._subscriber = subscriber
        self._position = start
        self._stop = stop
        self._known = spool.received  # bytes that are readable without waiting
        self._began = monotonic()
        self._recent = Growth(0, b"")  # those of them that are in memory

    async def read(self, at_most: int) -> bytes:
        """The next bytes; empty at the end. Waits until bytes arrive.

        Raises:
            ImageBroken: the image is broken, or its next byte does not arrive in time.
        """
        if self._stop is not None:
            at_most = min(at_most, self._stop - self._position)
            if at_most <= 0:
                return b""
        while self._position >= self._known:
            if not await self._wait():
                return b""
        offset = self._position - self._recent.start
        if 0 <= offset < len(self._recent.data):
            data = self._recent.data[offset : offset + at_most]
        else:
            at_most = min(at_most, self._known - self._position)
            data = await self._spool.read_file(self._position, at_most)
        self._position += len(data)
        return data

    async def _wait(self) -> bool:
        """Wait for new bytes. Returns `False` at the end of the image."""
        waited_s = min(monotonic() - self._began, self._spool.silent_s)
        try:
            with fail_after(max(self._spool.timeout_s - waited_s, 0)):
                news = await anext(self._subscriber)
        except TimeoutError:
            reason = f"no byte has arrived for {self._spool.silent_s:.0f} s"
            raise ImageBroken(self._spool.image_id, reason) from None
        except StopAsyncIteration:
            if self._spool.broken:
                raise ImageBroken(self._spool.image_id, self._spool.broken) from None
            return False
        if isinstance(news, Batch):
            frames = news.frames
            data = frames[0].data if len(frames) == 1 else b"".join(f.data for f in frames)
            self._recent = Growth(frames[0].start, data)
            self._known = self._recent.start + len(data)
        return True


def _unnamed_file(folder: Path) -> IO[bytes]:
    folder.mkdir(0o700, parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder, buffering=0)
