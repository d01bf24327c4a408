"""Writes what waits for a file, in a thread of its own, and waits until it is there."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from rover.logs.worker import Rounds, Worker

if TYPE_CHECKING:
    from rover.logs.mission_file import MissionFile
    from rover.logs.outages import Outages
    from rover.logs.pending import Pending

COMMIT_INTERVAL_S = 0.0025
"""Minimum seconds between the starts of two transactions, if there is no journal."""

SLOW_S = 2.0
"""Seconds after which a transaction or an `fsync` counts as an outage. Events then go on."""

SLOW_STEPS = 4
"""Number of parts of this time."""


class Transactions:
    """The transactions of a file.

    Args:
        file: the file.
        pending: what waits for it.
        outages: begin if a transaction fails or takes too long.
        slow_s: seconds after which a transaction counts as an outage.

    Attributes:
        writer: the thread that writes to the file.
    """

    def __init__(
        self, file: MissionFile, pending: Pending, outages: Outages, slow_s: float = SLOW_S
    ) -> None:
        self.writer = Worker("rover log writer")
        self._syncer = Worker("rover log fsync")
        self._file = file
        self._pending = pending
        self._outages = outages
        self._slow_s = slow_s
        self._commits = self._synced = 0  # number of transactions
        self._writes = Rounds(self._write, COMMIT_INTERVAL_S)
        self._syncs = Rounds(self._sync)

    def join(self) -> asyncio.Task[bool]:
        """The task of a transaction that begins after this call. Do not cancel it."""
        return self._writes.join()

    async def stored(self) -> bool:
        """Return when everything appended before this call is in the file, or an outage began."""
        if self._outages.now is not None:
            return False
        if self._pending:
            return await self._finished(self._writes.join())
        if (running := self._writes.running) is not None:
            return await self._finished(running)
        return True

    async def synced(self) -> bool:
        """The same as `stored`, and it then survives a power cut."""
        if not await self.stored():
            return False
        if self._synced == self._commits:
            return True
        return await self._finished(self._syncs.join())

    def stop(self) -> None:
        """Let the threads end after what they do now."""
        self.writer.stop()
        self._syncer.stop()

    async def cancel(self) -> None:
        """Wait for nothing more."""
        await self._writes.cancel()
        await self._syncs.cancel()

    async def _finished(self, task: asyncio.Task[bool]) -> bool:
        """The result of a round; `False` if it takes too long.

        It waits in steps, because a process that was stopped (SIGSTOP, a suspended machine) finds
        only one of them at its end, and goes on.
        """
        for _ in range(SLOW_STEPS):
            done, _ = await asyncio.wait((task,), timeout=self._slow_s / SLOW_STEPS)
            if done:
                return task.result() and self._outages.now is None
        self._outages.begin(f"the disk has not finished a write for {self._slow_s:g} s")
        return False

    async def _write(self) -> bool:
        pending, file, began = self._pending, self._file, monotonic()
        batch = pending.take()
        try:
            unfinished = await self.writer.run(file.write, batch, pending.index, pending.ids)
        except Exception as exc:  # whatever fails, the live streams go on
            pending.put_back(batch)
            self._outages.begin_after(exc)
            return False
        pending.written(batch, unfinished)
        self._commits += 1
        if file.is_new:
            file.is_new = False
            self._outages.record_loss(file.set_aside)
        if monotonic() - began < self._slow_s / 2:
            self._outages.end()
        return True

    async def _sync(self) -> bool:
        commits, database = self._commits, self._file.database
        if database is None:
            return False
        try:
            await self._syncer.run(database.sync)
        except OSError as exc:
            self._outages.begin_after(exc)
            return False
        self._synced = max(commits, self._synced)
        return True
