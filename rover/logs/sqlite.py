"""A log in one SQLite file: `mission.db` in the data folder, with `mission.lock` beside it.

    append ─┬▶ journal (mapped file) ─▶ committed
            └▶ batch ─▶ one transaction (writer thread), two in a second ─▶ fsync ─▶ synced

What survives the end of the process is committed: records in the journal, and all else in a
transaction. If a record does not fit into the journal, its commit waits for the transaction.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import suppress
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, create_task_group, move_on_after, sleep, to_thread

from rover.events import new_epoch
from rover.logs.checkpoints import Checkpoints
from rover.logs.database import Database
from rover.logs.folder import boot_id
from rover.logs.mission_file import MissionFile
from rover.logs.outages import Outages
from rover.logs.pending import Pending
from rover.logs.reading import read
from rover.logs.rows import record_of
from rover.logs.transactions import FAST_S, SLOW_S, Transactions
from rover.schema import OFFSET_BITS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path
    from typing import Unpack

    from rover.logs.base import Outage, Record, Selection, Stream

logger = logging.getLogger("rover.log")

STORE_INTERVAL_S = 0.5
"""Seconds that records wait in the journal for their transaction. Each costs up to 100 µs, however
small it is."""

ALIVE_S = 0.5
"""Seconds between two notes that this run is alive."""

RETRY_S = 1.0
"""Seconds between two attempts to write during an outage, and between two checks of the file."""

STANDBY_POLL_S = 0.05
"""Seconds between two attempts to take the lock of the data folder."""

CLOSE_TIMEOUT_S = 0.5
"""Seconds to write what is pending when the log closes, and then to close the file."""


class SqliteLog:
    """Keeps records in `mission.db`.

    Args:
        data_dir: the data folder.
        clock: POSIX seconds.
        open_database: opens the file; a test may limit its size.
        boot: the id of the running system.
        slow_s: seconds after which a transaction counts as an outage.
        fast_s: seconds of an `fsync` below which the next one needs no thread of its own.
        close_timeout_s: seconds to write what is pending, and then to close the file.
        retry_s: seconds between two attempts to write during an outage.
    """

    recorded: sqlite3.Connection | None = None
    ended_at: float | None = None

    def __init__(
        self,
        data_dir: Path,
        *,
        clock: Callable[[], float] = time,
        open_database: Callable[[Path], Database] = Database,
        boot: Callable[[], str] = boot_id,
        slow_s: float = SLOW_S,
        fast_s: float = FAST_S,
        close_timeout_s: float = CLOSE_TIMEOUT_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._file = MissionFile(data_dir, open_database, boot)
        self.path = self._file.path
        self._damage = self._file.damage
        self.alive_at = 0.0
        self._clock = clock
        self._close_timeout_s = close_timeout_s
        self._retry_s = retry_s
        self._opened = False
        self._pending = Pending(self._file)
        self._outages = Outages(self.path, self._pending, clock)
        self._store_timer: asyncio.TimerHandle | None = None
        self._transactions = Transactions(self._file, self._pending, self._outages, slow_s, fast_s)
        self._checkpoints = Checkpoints(self._transactions.writer)

    @property
    def name(self) -> str:
        """See `Log.name`."""
        return f"sqlite:{self.path}"

    @property
    def outage(self) -> Outage | None:
        """See `Log.outage`."""
        return self._outages.now

    @property
    def lost(self) -> int:
        """The number of records that were dropped."""
        return self._pending.lost

    @property
    def set_aside(self) -> Path | None:
        """The new name of a file that could not be used; `None` if there is none."""
        return self._file.set_aside

    @property
    def file(self) -> Path | None:
        """See `Log.file`."""
        return self.path

    async def open(self) -> None:
        """Open the log; see `Log.open`. While another process has the data folder, wait.

        Raises:
            SettingError: the folder is not writable, or a newer version wrote the file.
        """
        folder = self._file.folder
        if not folder.acquire():
            logger.warning(
                "%s is in use by another process; this one waits as its standby", self.path.parent
            )
            while not folder.acquire():  # noqa: ASYNC110 # of another process
                await sleep(STANDBY_POLL_S)
            logger.warning("the other process has ended; this one takes over")
        try:
            opened = await self._transactions.writer.run(self._file.open)
        except BaseException:
            folder.release()
            raise
        self._pending.load(opened.contents)
        self.alive_at = opened.alive_at
        if opened.failure:
            self._outages.begin(opened.failure)
        for gap in opened.gaps:
            self._outages.record_gap(gap)
        for stream in self._pending.index.streams.values():
            stream.newest_at = max(stream.newest_at, self.alive_at)
            if opened.may_lack or stream.key in opened.contents.unsure:
                self.begin(stream.key, new_epoch(), stream.last + 1)
        self._opened, self._outages.opened_at = True, self._clock()

    async def close(self) -> None:
        """See `Log.close`."""
        is_stored = False
        with CancelScope(shield=True), move_on_after(self._close_timeout_s):
            if self._opened:
                is_stored = await self._transactions.join()
        if self._store_timer is not None:
            self._store_timer.cancel()
        self._note_alive()
        clean = is_stored and not self._pending
        with CancelScope(shield=True):
            await self._transactions.cancel()  # an `fsync` of a closed file would be an outage
        with CancelScope(shield=True), move_on_after(self._close_timeout_s):
            # if the disk hangs, the writer does this later, or the process ends before
            await self._transactions.writer.run(partial(self._file.close, clean=clean))
        self._transactions.stop()
        self._checkpoints.stop()

    async def run(self) -> None:
        """See `Log.run`."""
        async with create_task_group() as tasks:
            tasks.start_soon(self._keep_noting_alive)
            while True:
                await sleep(self._retry_s)
                if self.outage is not None:
                    await self._transactions.join()
                    continue
                if self._store_timer is None:  # trims and values wait for no event
                    self._store()
                if (database := self._file.database) is not None:
                    with suppress(sqlite3.Error, OSError):  # a write reports it
                        await self._checkpoints.move(database)

    async def _keep_noting_alive(self) -> None:
        while True:
            self._note_alive()
            await sleep(ALIVE_S)

    def _note_alive(self) -> None:
        """Note up to when everything is recorded: the next run records the gap that follows."""
        if (journal := self._file.journal) is not None and self._pending.is_safe:
            journal.note_alive(self._clock())

    def as_json(self) -> dict[str, Any]:
        """See `Log.as_json`."""
        return {
            "log": self.name,
            "recording": self.outage is None,
            "outage": None if self.outage is None else self.outage.as_json(),
            "lost": self.lost,
            "set_aside": self.set_aside and str(self.set_aside),
            "damaged": self._damage.as_json(),
        }

    async def report_damage(self, error: Exception) -> None:
        """See `Log.report_damage`. The damaged file is set aside; `run` begins another one."""
        await self._transactions.writer.run(self._file.set_aside_damaged, str(error))
        self._outages.begin(f"{self.path} was damaged: {error}")

    def streams(self, prefix: str = "") -> Sequence[Stream]:
        """See `Log.streams`."""
        return self._pending.index.with_prefix(prefix)

    def stream(self, key: str) -> Stream | None:
        """See `Log.stream`."""
        return self._pending.index.streams.get(key)

    def begin(self, key: str, epoch: str, first: int = 1) -> None:
        """See `Log.begin`."""
        self._pending.begin(key, epoch, first)

    def keeps_epoch(self, key: str) -> bool:
        """See `Log.keeps_epoch`."""
        return self._pending.keeps_epoch(key)

    def append(self, key: str, record: Record) -> None:
        """See `Log.append`."""
        self._pending.append(key, record)

    def trim(self, key: str, before: int, kinds: Collection[str] | None = None) -> None:
        """See `Log.trim`."""
        self._pending.trim(key, before, kinds)

    def delete(self, key: str) -> None:
        """See `Log.delete`."""
        self._pending.delete(key)

    def put(self, key: str, value: str | None) -> None:
        """See `Log.put`."""
        self._pending.put(key, value)

    def values(self, prefix: str = "") -> Mapping[str, str]:
        """See `Log.values`."""
        return self._pending.index.values_with_prefix(prefix)

    async def read(self, key: str, **selection: Unpack[Selection]) -> list[Record]:
        """See `Log.read`. Reading does not wait for writing."""
        await self._transactions.stored()
        id_ = self._pending.ids.get(key)
        if id_ is None or not self.path.exists():
            return []
        last = self._pending.index.streams[key].last
        until = selection.get("until")
        selection["until"] = last if until is None else min(until, last)
        unstored = [record_of(row) for row in self._file.unstored if row[0] >> OFFSET_BITS == id_]
        call = partial(read, self.path, key, id_, unstored=unstored, **selection)
        return await to_thread.run_sync(call)

    async def commit(self) -> bool:
        """See `Log.commit`."""
        if self._pending.is_journaled:
            if self._store_timer is None and self._pending:
                loop = asyncio.get_running_loop()
                self._store_timer = loop.call_later(STORE_INTERVAL_S, self._store)
            return True
        return await self._transactions.stored()

    def _store(self) -> None:
        self._store_timer = None
        if self.outage is None and self._pending:  # `run` ends an outage
            self._transactions.join()

    async def sync(self, begins: Callable[[], object] = lambda: None) -> bool:
        """See `Log.sync`."""
        return await self._transactions.synced(begins)
