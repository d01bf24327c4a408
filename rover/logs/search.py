"""Finding records by the time at which the server published them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.logs.runs import Run, runs_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rover.logs.base import Log, Record

PAGE_RECORDS = 1_000
"""Maximum number of records that are read at once."""


async def offset_before(log: Log, key: str, t: float, kind: str, run: Run) -> int:
    """The offset of the last record of a kind in a run that was published before a time.

    Without one, it is the offset before the run.

    Args:
        log: has the records.
        key: of the stream.
        t: POSIX seconds.
        kind: of the record.
        run: of the stream.

    Raises:
        LogDamaged: the records cannot be read.
    """
    stream = log.stream(key)
    low = run.after
    high = run.until if run.until is not None else low if stream is None else stream.last
    while low < high:  # the first record after `middle` decides
        middle = (low + high) // 2
        found = await log.read(key, after=middle, until=run.until, kinds=(kind,), limit=1)
        if found and found[0].at < t:
            low = found[0].offset
        else:
            high = middle
    return low


async def newest_before(
    log: Log, key: str, t: float, kind: str, page: int = PAGE_RECORDS
) -> AsyncIterator[Record]:
    """The records of a kind that were published before a time, the newest first.

    If the clock was set back, these are the records before that time in the newest run that has
    it, and those of earlier runs, whatever their times are. The arguments and errors are those of
    `offset_before`; `page` records are read at once.
    """
    run = await _run_at(log, key, t)
    until = await offset_before(log, key, t, kind, run)
    while records := await log.read(key, until=until, kinds=(kind,), limit=page, newest=True):
        for record in reversed(records):
            yield record
        until = records[0].offset - 1


async def _run_at(log: Log, key: str, t: float) -> Run:
    """The newest run with records before and after a time, or with records before it."""
    oldest, *later = runs_of(log, key)
    if not later:
        return oldest
    begun = []
    for run in (*reversed(later), oldest):
        after, until = run
        ends = [
            await log.read(key, after=after, until=until, limit=1, newest=newest)
            for newest in (False, True)
        ]
        if all(ends) and ends[0][0].at <= t:
            if t <= ends[1][0].at:
                return run
            begun.append(run)
    return begun[0] if begun else oldest


async def range_of(
    log: Log, key: str, since: float | None, until: float | None, kind: str
) -> tuple[int, int]:
    """The offset before the first record of a kind in a time range, and that of the last one.

    If the clock was set back, records between them may be outside of the time range.

    Args:
        log: has the records.
        key: of the stream.
        since: POSIX seconds, inclusive; `None` for no bound.
        until: POSIX seconds, exclusive; `None` for no bound.
        kind: of the records.

    Raises:
        LogDamaged: the records cannot be read.
    """
    stream = log.stream(key)
    last = 0 if stream is None else stream.last
    found = []
    for run in runs_of(log, key):
        low, high = run.after, last if run.until is None else run.until
        if since is not None:
            low = await offset_before(log, key, since, kind, run)
        if until is not None:
            high = await offset_before(log, key, until, kind, run)
        if low < high:
            found.append((low, high))
    return min((low for low, _ in found), default=last), max((high for _, high in found), default=0)
