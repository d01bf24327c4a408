"""Moves the write-ahead log of SQLite to the file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rover.logs.database import CHECKPOINT_BYTES
from rover.logs.worker import Worker

if TYPE_CHECKING:
    from rover.logs.database import Database

RESTART_BYTES = 4 * CHECKPOINT_BYTES
"""Size from which the writer itself moves the rest, so that the write-ahead log begins again."""


class Checkpoints:
    """Moves the write-ahead log of one file.

    Args:
        writer: the thread that writes to the file.
    """

    def __init__(self, writer: Worker) -> None:
        self._writer = writer
        self._keeper = Worker("rover log checkpoint")
        self._moved_bytes = 0

    async def move(self, database: Database) -> None:
        """Move the write-ahead log if it has grown, mostly without delaying a transaction.

        Raises:
            sqlite3.Error: for example, the disk is full.
        """
        wal_bytes = await self._keeper.run(lambda: database.wal_bytes)
        self._moved_bytes = min(self._moved_bytes, wal_bytes)  # less if it began again
        if wal_bytes - self._moved_bytes <= CHECKPOINT_BYTES:
            return
        await self._keeper.run(partial(database.checkpoint, exclusive=False))
        self._moved_bytes = wal_bytes
        if wal_bytes > RESTART_BYTES:
            await self._writer.run(partial(database.checkpoint, exclusive=True))

    def stop(self) -> None:
        """Let the thread end."""
        self._keeper.stop()
