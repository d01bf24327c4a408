"""Writes what waits for a file, in a thread of its own, and waits until it is there."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from rover.logs.worker import Countdown, Rounds, Worker

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from rover.logs.batch import Batch, Trim
    from rover.logs.mission_file import MissionFile
    from rover.logs.outages import Outages
    from rover.logs.pending import Pending

Result = TypeVar("Result")

COMMIT_INTERVAL_S = 0.0025
"""Minimum seconds between the starts of two transactions, if there is no journal."""

FAST_S = 0.005
"""Seconds of an `fsync` below which the next one follows its transaction in the same thread: each
switch between threads costs as much as a message. After a slower one, it has a thread of its own,
so that it delays no other transaction."""

SYNC_INTERVAL_S = 0.012
"""Seconds between the starts of two `fsync`s while they are frequent: messages share their cost."""

SYNC_BURST = 20
"""Number of `fsync`s that need not keep this interval after a quiet time."""

SLOW_S = 2.0
"""Seconds after which a transaction or an `fsync` counts as an outage. Events then go on."""


class Transactions:
    """The transactions of a file.

    Args:
        file: the file.
        pending: what waits for it.
        outages: begin if a transaction fails or takes too long.
        slow_s: seconds after which a transaction counts as an outage.
        fast_s: seconds of an `fsync` below which the next one needs no thread of its own.

    Attributes:
        writer: the thread that writes to the file.
    """

    def __init__(
        self,
        file: MissionFile,
        pending: Pending,
        outages: Outages,
        slow_s: float = SLOW_S,
        fast_s: float = FAST_S,
    ) -> None:
        self.writer = Worker("rover log writer")
        self._syncer = Worker("rover log fsync")
        self._file = file
        self._pending = pending
        self._outages = outages
        self._slow_s = slow_s
        self._fast_s = fast_s
        self._commits = self._synced = 0  # number of transactions
        self._sync_s = 0.0  # of the last `fsync`
        self._syncs_next = False  # whether the next transaction includes one
        self._writes = Rounds(self._write, COMMIT_INTERVAL_S)
        self._syncs = Rounds(self._sync, SYNC_INTERVAL_S, SYNC_BURST)

    def join(self) -> asyncio.Future[bool]:
        """The result of a transaction that begins after this call."""
        return self._writes.join()

    async def stored(self) -> bool:
        """Return when everything appended before this call is in the file, or an outage began."""
        if self._outages.now is not None:
            return False
        if self._pending:
            return await self._writes.join()
        if (running := self._writes.running) is not None:
            return await running
        return True

    async def synced(self, begins: Callable[[], object]) -> bool:
        """The same as `stored`, and it then survives a power cut; see `Log.sync`."""
        is_recording = self._outages.now is None
        if is_recording and (self._pending or self._commits > self._synced or self._writes.running):
            return await self._syncs.join(begins)
        begins()
        return is_recording

    def stop(self) -> None:
        """Let the threads end after what they do now."""
        self.writer.stop()
        self._syncer.stop()

    async def cancel(self) -> None:
        """Wait for nothing more."""
        await self._writes.cancel()
        await self._syncs.cancel()

    async def _run(self, worker: Worker, call: Callable[..., Result], *args: Any) -> Result:
        """Run a call in a thread. If it takes too long, nobody waits for it any longer."""
        countdown = Countdown(self._slow_s, self._give_up)
        try:
            return await worker.run(call, *args)
        finally:
            countdown.cancel()

    def _give_up(self) -> None:
        self._outages.begin(f"the disk has not finished a write for {self._slow_s:g} s")
        self._writes.give_up()
        self._syncs.give_up()

    async def _write(self) -> bool:
        pending, file, began = self._pending, self._file, monotonic()
        batch = pending.take()
        syncs, self._syncs_next = self._syncs_next, False
        try:
            unfinished, failure = await self._run(self.writer, self._write_blocking, batch, syncs)
        except Exception as exc:  # whatever fails, the live streams go on
            pending.put_back(batch)
            self._outages.begin_after(exc)
            return False
        pending.written(batch, unfinished)
        self._commits += 1
        if file.is_new:
            file.is_new = False
            self._outages.record_loss(file.set_aside)
        if failure is not None:
            self._outages.begin_after(failure)
            return False
        if syncs:
            self._synced = self._commits
        if monotonic() - began < self._slow_s / 2:
            self._outages.end()
        return self._outages.now is None

    def _write_blocking(self, batch: Batch, syncs: bool) -> tuple[set[Trim], OSError | None]:
        """Write a batch; returns its unfinished trims, and why it may not survive a power cut."""
        unfinished = self._file.write(batch, self._pending.index, self._pending.ids)
        try:
            if syncs:
                self._sync_blocking()
        except OSError as exc:
            return unfinished, exc
        return unfinished, None

    async def _sync(self) -> bool:
        self._syncs_next = self._sync_s < self._fast_s
        is_stored = await self.stored()
        self._syncs_next = False
        if not is_stored:
            return False
        commits = self._commits
        if commits > self._synced:
            try:
                await self._run(self._syncer, self._sync_blocking)
            except OSError as exc:
                self._outages.begin_after(exc)
                return False
            self._synced = max(commits, self._synced)
        return self._outages.now is None

    def _sync_blocking(self) -> None:
        if (database := self._file.database) is None:
            raise FileNotFoundError
        began = monotonic()
        database.sync()
        self._sync_s = monotonic() - began
