"""Writes the bytes of a transfer to its file in blocks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from anyio import CancelScope, Event, Lock, move_on_after, to_thread

if TYPE_CHECKING:
    from rover.commands.inbox import CommandFile

BLOCK_BYTES = 2**20
"""Size of the blocks in which a file is hashed and written, each by one call in a worker thread."""

MAX_DELAY_S = 1.0
"""Maximum seconds before the bytes of an incomplete block are written: a crash loses them."""


class BlockWriter:
    """Writes in blocks, and after a delay also an incomplete block.

    At the end of the `async with`, all bytes are written, also if it was cancelled; or that raises
    `OSError`, for example because the disk is full.

    Args:
        file: is written.
        max_delay_s: maximum seconds before bytes are written.
    """

    def __init__(self, file: CommandFile, max_delay_s: float = MAX_DELAY_S) -> None:
        self._file = file
        self._max_delay_s = max_delay_s
        self._block: list[bytes] = []
        self._size = 0
        self._lock = Lock()
        self._ended = Event()

    async def __aenter__(self) -> Self:
        self._writing = asyncio.create_task(self._write_regularly())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended.set()
        with CancelScope(shield=True):
            await self._writing

    async def add(self, chunk: bytes) -> None:
        """Append bytes, which are written soon.

        Raises:
            OSError: earlier bytes could not be written.
        """
        if self._writing.done():
            await self._writing  # it has failed
        self._block.append(chunk)
        self._size += len(chunk)
        if self._size >= BLOCK_BYTES:
            await self._write()

    async def _write_regularly(self) -> None:
        is_last = False
        while not is_last:
            with move_on_after(self._max_delay_s):
                await self._ended.wait()
            is_last = self._ended.is_set()
            await self._write()

    async def _write(self) -> None:
        async with self._lock:
            block, self._block, self._size = self._block, [], 0
            if block:
                await to_thread.run_sync(_append_all, self._file, block)


def _append_all(file: CommandFile, chunks: list[bytes]) -> None:
    for chunk in chunks:
        file.write(chunk)
