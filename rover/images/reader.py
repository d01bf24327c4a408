"""Positions in images: in a file, or in the chunks of a camera."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import asynccontextmanager
from io import FileIO
from typing import TYPE_CHECKING, Protocol, Self

from sources.base import ImageBroken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sources.base import Image
    from sources.values.blocking import BlockingCalls


class Reader(Protocol):
    """A position in the bytes of an image, for one client."""

    async def read(self, at_most: int) -> bytes:
        """The next bytes, at most `at_most`; empty at the end. Waits until bytes arrive.

        Raises:
            SourceError: the image is broken. The bytes read before are incomplete.
        """
        ...


class FileReader:
    """A position in the file of a complete image. It still works after the file is deleted."""

    def __init__(
        self,
        image: Image,
        file: FileIO,
        calls: BlockingCalls,
        status: os.stat_result,
        start: int,
        stop: int | None,
    ) -> None:
        self._image = image
        self._file = file
        self._calls = calls
        self._version = _version_of(status)
        self._position = start
        self._stop = status.st_size if stop is None else stop

    @classmethod
    @asynccontextmanager
    async def open(
        cls, image: Image, path: Path, calls: BlockingCalls, start: int, stop: int | None
    ) -> AsyncIterator[Self]:
        """Open the file for the duration of the block.

        Args:
            image: of the file.
            path: of the file.
            calls: reads it.
            start: the position of the first byte.
            stop: the position after the last byte; `None` for the end.

        Raises:
            OSError: the file does not exist, cannot be read, or is not a regular file.
            ImageBroken: the file and the image have different sizes.
        """
        file, status = await calls.run(_open, path, discard=lambda opened: opened[0].close())
        try:
            if image.size not in (None, status.st_size):
                raise ImageBroken(image.id, "its file has changed")
            yield cls(image, file, calls, status, start, stop)
        finally:
            calls.start(file.close)

    async def read(self, at_most: int) -> bytes:
        """The next bytes, read in a worker thread.

        Raises:
            ImageBroken: the file has changed since it was opened, or cannot be read.
        """
        count = min(at_most, self._stop - self._position)
        if count <= 0:
            return b""
        try:
            data = await self._calls.run(self._pread, count)
        except TimeoutError as exc:
            raise ImageBroken(self._image.id, f"its file cannot be read: {exc}") from exc
        self._position += len(data)
        return data

    def _pread(self, count: int) -> bytes:
        try:
            data = os.pread(self._file.fileno(), count, self._position)
        except OSError as exc:
            raise ImageBroken(self._image.id, f"its file cannot be read: {exc}") from exc
        if not data or _version_of(os.fstat(self._file.fileno())) != self._version:
            raise ImageBroken(self._image.id, "its file changed while it was read")
        return data


class CameraReader:
    """A position in the chunks of `Camera.open`, which begin at `start`."""

    def __init__(
        self, image: Image, chunks: AsyncIterator[bytes], start: int, stop: int | None
    ) -> None:
        self._image = image
        self._chunks = chunks
        self._left = None if stop is None else stop - start
        self._chunk = b""
        self._offset = 0  # in the chunk

    async def begin(self) -> None:
        """Fetch the first chunk. An error of the camera at opening is raised here."""
        self._chunk = await anext(self._chunks, b"")

    async def read(self, at_most: int) -> bytes:
        """The next bytes of the camera's chunks.

        Raises:
            ImageBroken: there are fewer bytes than the image's size.
        """
        if self._left is not None:
            at_most = min(at_most, self._left)
        if at_most <= 0:
            return b""
        if self._offset == len(self._chunk):
            self._chunk, self._offset = await anext(self._chunks, b""), 0
        data = self._chunk[self._offset : self._offset + at_most]
        self._offset += len(data)
        if not data and self._left:
            raise ImageBroken(self._image.id, f"its last {self._left:,} bytes are missing")
        if self._left is not None:
            self._left -= len(data)
        return data


def _open(path: Path) -> tuple[FileIO, os.stat_result]:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO would block
    file = FileIO(os.open(path, flags))  # it is closed even if nobody waits for it any more
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return file, status


def _version_of(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
