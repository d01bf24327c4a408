"""Positions in pictures, one for each viewer, whatever the bytes come from."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, Self

from anyio import CancelScope
from anyio.to_thread import run_sync

from sources.base import ImageBroken, UnknownImage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sources.base import Image


class Reader(Protocol):
    """One viewer's position in a picture."""

    async def read(self, at_most: int) -> bytes:
        """The next bytes, up to `at_most`, waiting for them to arrive; nothing at the end.

        Raises:
            SourceError: the picture broke off; what was read so far is not the whole of it.
        """
        ...


class FileReader:
    """A position in the file of a complete picture. It may be deleted meanwhile, not changed."""

    def __init__(
        self, image: Image, fd: int, status: os.stat_result, start: int, stop: int | None
    ) -> None:
        self._image = image
        self._fd = fd
        self._as_opened = _content(status)
        self._position = start
        self._stop = status.st_size if stop is None else stop

    @classmethod
    @asynccontextmanager
    async def open(
        cls, image: Image, path: Path, start: int, stop: int | None
    ) -> AsyncIterator[Self]:
        """Open the file, and close it in the end.

        Raises:
            UnknownImage: it is not there, or cannot be read.
            ImageBroken: it is not as long as the picture.
        """
        try:
            fd, status = await run_sync(_open, path)
        except OSError as exc:
            raise UnknownImage(image.id) from exc
        try:
            if image.size not in (None, status.st_size):
                raise ImageBroken(image.id, "its file was changed")
            yield cls(image, fd, status, start, stop)
        finally:
            with CancelScope(shield=True):
                await run_sync(os.close, fd)

    async def read(self, at_most: int) -> bytes:
        """The next bytes, read in a worker thread."""
        count = min(at_most, self._stop - self._position)
        data = await run_sync(self._pread, count) if count > 0 else b""
        self._position += len(data)
        return data

    def _pread(self, count: int) -> bytes:
        try:
            data = os.pread(self._fd, count, self._position)
        except OSError as exc:
            raise ImageBroken(self._image.id, f"its file cannot be read: {exc}") from exc
        if not data or _content(os.fstat(self._fd)) != self._as_opened:
            raise ImageBroken(self._image.id, "its file was changed while it was read")
        return data


class CameraReader:
    """A position in what the camera itself gives again, from `start` on."""

    def __init__(self, chunks: AsyncIterator[bytes], start: int, stop: int | None) -> None:
        self._chunks = chunks
        self._left = None if stop is None else stop - start
        self._chunk = b""
        self._offset = 0  # in the chunk

    async def begin(self) -> None:
        """Fetch the first bytes; what cannot be opened raises here."""
        self._chunk = await anext(self._chunks, b"")

    async def read(self, at_most: int) -> bytes:
        """The next bytes, as the camera gives them."""
        if self._left is not None:
            at_most = min(at_most, self._left)
        if at_most <= 0:
            return b""
        if self._offset == len(self._chunk):
            self._chunk, self._offset = await anext(self._chunks, b""), 0
        data = self._chunk[self._offset : self._offset + at_most]
        self._offset += len(data)
        if self._left is not None:
            self._left -= len(data)
        return data


def _open(path: Path) -> tuple[int, os.stat_result]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return fd, os.fstat(fd)


def _content(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
