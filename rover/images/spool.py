"""One picture on its way: written to disk once, read by any number, each at its own position.

The growth of a picture is a topic like any other: readers that keep up share the bytes as they
come, and one that fell behind reads them from disk. So memory does not depend on the picture's
size, nor one reader on another.

The file has no name: nothing is left on disk when the process ends, however it ends.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import asynccontextmanager
from time import time
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from anyio import CancelScope
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


class Growth(NamedTuple):
    """Bytes that came, and where in the picture they belong."""

    start: int
    data: bytes


class Spool:
    """The bytes of one arriving picture, so far.

    Used by one receiver and any number of readers. The file is closed when neither is left and it
    is no longer kept.

    Args:
        image: the picture; its id and revision stay.
        notify: for the topic of its growth; see `rover.topic.Topic`.

    Attributes:
        received: how many bytes have come.
        received_at: POSIX seconds of the last of them.
        complete: whether all have.
        broken: why no more will, though some are missing; empty if that is not so.
        receiving: the receiver runs in it.
        dismissed: why it was told to stop; empty if it was not.
    """

    def __init__(
        self, image: Image, notify: Callable[[Topic[Any, Any]], None] | None = None
    ) -> None:
        self.image_id = image.id
        self.revision = image.revision
        self.received = 0
        self.received_at: float | None = None
        self.complete = False
        self.broken = ""
        self.receiving = CancelScope()
        self.dismissed = ""
        self.growth: Topic[Growth, Growth] = Topic(
            lambda _, growth: growth,
            size=lambda growth: len(growth.data),
            max_events=RECENT_EVENTS,
            max_bytes=RECENT_BYTES,
            notify=notify,
        )
        self._file: BinaryIO | None = None
        self._holders = 2  # the receiver and whoever keeps it, and each reader

    async def begin(self, folder: Path) -> None:
        """Make the file, in a folder that is made if need be.

        Raises:
            OSError: it cannot be made.
        """
        self._file = await run_sync(_nameless_file, folder)

    async def append(self, data: bytes) -> None:
        """Write what came, then show it to the readers.

        Raises:
            OSError: the disk is full, or broken.
        """
        if not data:
            return
        await run_sync(self._write, data)
        growth = Growth(self.received, data)
        self.received += len(data)
        self.received_at = time()
        self.growth.publish(growth)

    async def end(self, broken: str = "") -> None:
        """The receiver is done: all bytes have come, or `broken` says why not."""
        self.complete = not broken
        self.broken = broken
        self.growth.close()
        await self.release()

    async def dismiss(self, why: str) -> None:
        """Keep it no longer and stop its receiver; readers read what there is."""
        self.dismissed = why
        self.receiving.cancel()
        await self.release()

    async def release(self) -> None:
        """One holder fewer; the last one closes the file. Never interrupted."""
        self._holders -= 1
        if self._holders == 0 and self._file is not None:
            with CancelScope(shield=True):
                await run_sync(self._file.close)

    @asynccontextmanager
    async def read(self, start: int, stop: int | None) -> AsyncIterator[SpoolReader]:
        """A reader's position, from `start` to before `stop` or the end."""
        self._holders += 1
        try:
            with self.growth.subscribe() as subscriber:
                yield SpoolReader(self, subscriber, start, stop)
        finally:
            await self.release()

    async def read_file(self, position: int, at_most: int) -> bytes:
        """Bytes that have been received, at least one of them.

        Raises:
            ImageBroken: the disk is broken.
        """
        try:
            return await run_sync(self._pread, position, at_most)
        except OSError as exc:
            raise ImageBroken(self.image_id, f"it cannot be read from the spool: {exc}") from exc

    def _write(self, data: bytes) -> None:
        assert self._file is not None  # noqa: S101 # begin() comes first
        self._file.write(data)
        self._file.flush()

    def _pread(self, position: int, at_most: int) -> bytes:
        assert self._file is not None  # noqa: S101 # something was received
        return os.pread(self._file.fileno(), at_most, position)


class SpoolReader:
    """One reader's position in a spool."""

    def __init__(
        self, spool: Spool, subscriber: Subscriber[Growth, Growth], start: int, stop: int | None
    ) -> None:
        self._spool = spool
        self._subscriber = subscriber
        self._position = start
        self._stop = stop
        self._known = spool.received  # the reader may go up to here without asking
        self._recent = Growth(0, b"")  # part of that, in memory

    async def read(self, at_most: int) -> bytes:
        """The next bytes, waiting for them; nothing at the end.

        Raises:
            ImageBroken: the picture broke off.
        """
        if self._stop is not None:
            at_most = min(at_most, self._stop - self._position)
            if at_most <= 0:
                return b""
        while self._position >= self._known:
            if not await self._learn():
                return b""
        offset = self._position - self._recent.start
        if 0 <= offset < len(self._recent.data):
            data = self._recent.data[offset : offset + at_most]
        else:
            at_most = min(at_most, self._known - self._position)
            data = await self._spool.read_file(self._position, at_most)
        self._position += len(data)
        return data

    async def _learn(self) -> bool:
        """Whether there may be more; waits for news."""
        try:
            news = await anext(self._subscriber)
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


def _nameless_file(folder: Path) -> BinaryIO:
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)
