"""The times in which a log in a file does not record, and the notes of them in the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rover.logs.base import Outage
from rover.logs.gaps import KEY as GAPS
from rover.logs.gaps import RecordingGap, with_gap
from rover.logs.pending import TOO_SLOW

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rover.logs.pending import Pending

logger = logging.getLogger("rover.log")


class Outages:
    """Begins and ends outages.

    Args:
        path: of the file.
        pending: what waits for the file.
        clock: POSIX seconds.

    Attributes:
        now: the present outage; `None` while the log records.
        opened_at: POSIX seconds at which the log was opened.
    """

    def __init__(self, path: Path, pending: Pending, clock: Callable[[], float]) -> None:
        self.now: Outage | None = None
        self.opened_at = 0.0
        self._path = path
        self._pending = pending
        self._clock = clock
        self._lost_before = 0  # number of records that were dropped before the outage

    def begin(self, reason: str) -> None:
        """Begin an outage, unless there is one."""
        if self.now is None:
            self.now = Outage(self._clock(), reason)
            self._lost_before = self._pending.lost
            self._pending.drop_reason = reason
            logger.error("nothing is recorded: %s; live streams go on", reason)

    def begin_after(self, error: Exception) -> None:
        """Begin an outage because a transaction has failed."""
        self.begin(self._reason(error))

    def end(self) -> None:
        """End the outage, if there is one, and record the gap that it has left."""
        if self.now is None:
            return
        since, lost, lost_until = self.now.since, self._pending.lost, self._pending.lost_until
        if lost > self._lost_before and since < lost_until:  # what followed was waiting in memory
            self.record_gap(RecordingGap(since, lost_until, self.now.reason))
        self.now, self._pending.drop_reason = None, TOO_SLOW
        seconds = self._clock() - since
        logger.warning("recording again after %.1f s; %d records were lost in all", seconds, lost)

    def record_loss(self, set_aside: Path | None) -> None:
        """Record that the records of this run, and all before, are not in a new file.

        Args:
            set_aside: the file that has them; `None` if they are lost.
        """
        reason = self._reason(FileNotFoundError()) if self.now is None else self.now.reason
        self.record_gap(RecordingGap(self.opened_at, self._clock(), reason))
        where = "lost" if set_aside is None else f"in {set_aside} only"
        logger.error("another %s was begun; what the one before had is %s", self._path, where)

    def record_gap(self, gap: RecordingGap) -> None:
        """Record a time in which nothing was recorded."""
        self._pending.put(GAPS, with_gap(self._pending.index.values_with_prefix(GAPS), gap))

    def _reason(self, error: Exception) -> str:
        if isinstance(error, FileNotFoundError):
            return f"{self._path} was deleted or replaced"
        return f"{self._path} cannot be written: {error}"
