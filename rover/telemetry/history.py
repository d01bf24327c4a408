"""All values of a mission by time, for plots and for queries about the past.

    samples ─▶ tail in memory ─▶ archive in a database (in a thread)

The newest samples are in memory. Once there are enough of them, they go to the archive, which keeps
them compressed until it reaches its limits. `rover.telemetry.past` reads both.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from math import inf
from time import monotonic, time
from typing import TYPE_CHECKING

from anyio import CancelScope, move_on_after, sleep, sleep_forever

from rover.archive.database import ArchiveDatabase, RecordedArchive
from rover.archive.levels import CHUNK
from rover.damage import damage_of
from rover.logs.contents import is_damage
from rover.logs.worker import Worker
from rover.telemetry.by_parameter import points_of
from rover.telemetry.past import Past

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from rover.archive.store import Store
    from sources.base import Parameter

logger = logging.getLogger("rover.telemetry")

ARCHIVE_SAMPLES = 4 * CHUNK
"""Number of samples in memory from which they go to the archive: in whole chunks, and in several at
once, which costs less for each."""

ARCHIVE_BYTES = 8 * 2**20
"""Approximate size of samples in memory from which they go to the archive."""

ARCHIVE_S = 300.0
"""Seconds after which samples in memory go to the archive, however few they are."""

LIMIT_S = 0.1
"""Seconds for which old samples are dropped in one step; queries wait for its end."""

LIMIT_PERIOD_S = 5.0
"""Seconds between two checks whether old samples must be dropped, even while none arrives: the log
deletes its records a while after they are archived."""

TICK_S = 0.5
"""Seconds between two checks whether samples go to the archive."""

RETRY_S = 1.0
"""Seconds before another attempt, if the archive cannot store samples."""

ARCHIVE_SHARE = 8
"""Samples in memory go to the archive at this fraction of the size of the database, at the latest.
Until then, the log stores them."""

CLOSE_TIMEOUT_S = 0.2
"""Seconds to close the database at the end, so that the log is the last that closes it."""

MAX_TAIL_BYTES = 32 * 2**20
"""Approximate maximum size of the samples in memory, while the archive cannot store them."""


async def ignore(_: Exception) -> None:
    """Do nothing about an error."""


class History(Past):
    """The samples of a mission.

    `add` is called on the event loop. `archive` and the queries block, and may be called in any
    thread.

    Args:
        parameters: the dictionary.
        path: of the database; `None` for one in memory.
        recorded: a connection to the database of a recorded mission, which is only read, instead of
            `path`. It has a read transaction, and its owner closes it after the history.
        max_bytes: maximum size of the database; the oldest samples are dropped.
        max_age_s: seconds after which samples are dropped.
        clock: POSIX seconds.
        retention: POSIX seconds, for `max_age_s`; by default those of `clock`.
        report_damage: called by `run` with the error if samples cannot be stored because the file
            is damaged, so that another file replaces it.

    Attributes:
        archived: offset of the newest event up to which all samples are in the archive.
        dropped: number of samples that were dropped because the database could not be written.
        has_deleted: whether old samples were deleted since the start.
        damage: why samples cannot be stored, if the file is damaged; else `None`.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter] = (),
        *,
        path: Path | None = None,
        recorded: sqlite3.Connection | None = None,
        max_bytes: float = inf,
        max_age_s: float = inf,
        clock: Callable[[], float] = time,
        retention: Callable[[], float] | None = None,
        report_damage: Callable[[Exception], Awaitable[None]] | None = None,
    ) -> None:
        self.archived = 0
        self.dropped = 0
        self.has_deleted = False
        self.damage: Exception | None = None
        self._is_recorded = recorded is not None
        self._archive = ArchiveDatabase(path)
        damage = None if path is None else damage_of(path)
        super().__init__(
            parameters, self._archive if recorded is None else RecordedArchive(recorded, damage)
        )
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._retention = retention or clock
        self._report_damage = report_damage or ignore
        self._archive_at = inf
        self._failing = False
        self._is_too_large = False
        if self._is_recorded:
            self.read_names()

    def _note_added(self) -> None:
        if len(self._tail) <= 2:  # the first sample: one that is not prompt is added twice
            self._archive_at = self._clock() + ARCHIVE_S
        if self._tail.size > MAX_TAIL_BYTES and not self._is_recorded:
            self._drop_half()

    def _drop_half(self) -> None:
        """Drop the older half of the samples in memory: the database cannot store them."""
        if self._lock.acquire(blocking=False):  # else they are being stored
            half = (len(self._tail) + 1) // 2
            self.dropped += half
            self._tail.remove(half)
            self._lock.release()

    async def run(self) -> None:
        """Archive samples, and limit the size of the archive, until cancelled."""
        if self._is_recorded:
            await sleep_forever()
        worker = Worker("rover archive")
        try:
            await worker.run(self.read_names)
            limit_at = 0.0
            while True:
                await sleep(TICK_S)
                if self.is_due:
                    await worker.run(self.archive)
                elif self._is_too_large or monotonic() >= limit_at:
                    await worker.run(self.limit)
                    limit_at = monotonic() + LIMIT_PERIOD_S
                if self.damage is not None:
                    damage, self.damage = self.damage, None
                    await self._report_damage(damage)
        finally:
            with CancelScope(shield=True), move_on_after(CLOSE_TIMEOUT_S):  # the disk may hang
                await worker.run(self.close)
            worker.stop()

    @property
    def is_due(self) -> bool:
        """Whether samples in memory should go to the archive."""
        if not len(self._tail):
            return False
        is_full = len(self._tail) >= ARCHIVE_SAMPLES or self._tail.size >= min(
            ARCHIVE_BYTES, self._max_bytes / ARCHIVE_SHARE
        )
        return (is_full and not self._failing) or self._clock() >= self._archive_at

    def archive(self) -> None:
        """Store the samples that are in memory, and drop the oldest beyond the limits."""
        with self._lock:
            count = len(self._tail)
            if count >= ARCHIVE_SAMPLES:
                count = self._tail.whole_events(count - count % CHUNK)
            if not count:
                return
            rows = self._tail.rows(count)
            newest = max(rows.offsets)
            try:
                store = self._archive.store()
                batch = points_of(rows, dict.fromkeys(self.series.stored()), store.archived)
                store.add(batch, self._clock(), newest)
                self._limit(store)
            except (sqlite3.Error, OSError, ValueError) as exc:
                self._archive.close()
                self.damage = exc if is_damage(exc) else None
                self._archive_at = self._clock() + RETRY_S
                if not self._failing:
                    logger.error("the telemetry cannot be archived: %s; it stays in memory", exc)
                self._failing = True
                return
            if self._failing:
                logger.warning("archiving again; %d samples were lost", self.dropped)
                self._failing = False
            self._tail.remove(count)
            self.archived = max(self.archived, newest)
            self._archive_at = self._clock() + ARCHIVE_S

    def limit(self) -> None:
        """Drop old samples beyond the limits for `LIMIT_S`; queries run before the next call."""
        with self._lock, suppress(sqlite3.Error, OSError):  # `archive` reports it
            self._limit(self._archive.store())

    def _limit(self, store: Store) -> None:
        stored_after = self._retention() - self._max_age_s
        self._is_too_large = not store.limit(self._max_bytes, stored_after, LIMIT_S)
        self.has_deleted |= store.has_deleted
        self._archive.truncate()
