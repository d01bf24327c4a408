"""What the last run left beside `mission.db`: the records of its journal, and what they prove."""

from __future__ import annotations

import logging
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from rover.logs.batch import Batch
from rover.logs.gaps import MIN_GAP_S, RecordingGap
from rover.logs.journal import read_journal, read_notes
from rover.schema import MAX_OFFSET, OFFSET_BITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rover.logs.base import Stream
    from rover.logs.codec import Row
    from rover.logs.contents import Contents
    from rover.logs.journal import Noted

logger = logging.getLogger("rover.log")

DAMAGED_JOURNAL = "mission.journal was damaged when the server stopped"

DAMAGED_FILE = "mission.db-wal was damaged or deleted when the server stopped"


class Left(NamedTuple):
    """What the last run left.

    Attributes:
        rows: the records that the file lacks, in the order of their ids.
        is_complete: whether the file and the rows have all records of that run.
        alive_at: POSIX seconds up to which they have all; 0 if that is unknown.
        gaps: times before the rows of which records are lost.
    """

    rows: Sequence[Row] = ()
    is_complete: bool = False
    alive_at: float = 0.0
    gaps: Sequence[RecordingGap] = ()


def left_by_last_run(path: Path, contents: Contents, boot: str) -> Left:
    """What the last run left in its journal.

    The streams of the contents then include the rows.

    Args:
        path: of the journal.
        contents: of the file.
        boot: the id of the running system.
    """
    meta, noted = contents.meta, read_notes(path)
    if noted.run not in runs_of(meta):
        return Left()
    if meta.get("clean") == "yes":
        return Left((), True, 0.0 if contents.unsure else noted.alive_at)
    found = read_journal(path, runs_of(meta))
    if found is None or meta.get("boot") != boot:
        return Left()
    has_all = _has_all_transactions(meta, noted)
    streams = {contents.ids[key]: stream for key, stream in contents.index.streams.items()}
    begun = {row[0] >> OFFSET_BITS for row in found.rows} & streams.keys()
    stored_at = max((streams[id_].newest_at for id_ in begun), default=inf)
    lost = [(max(since, stored_at), until, DAMAGED_JOURNAL) for since, until in found.lost]
    rows = _missing(streams, found.rows)
    if not found.is_complete:
        logger.error("%s is damaged; what follows the damage is lost", path)
    if rows and not has_all:
        lost.append((stored_at, min(at for _, at, *_ in rows), DAMAGED_FILE))
    is_complete = found.is_complete and has_all
    return Left(
        rows,
        is_complete,
        noted.alive_at if is_complete and not contents.unsure else 0.0,
        [RecordingGap(*one) for one in lost if MIN_GAP_S <= one[1] - one[0] < inf],
    )


def batch_of(rows: Iterable[Row]) -> Batch:
    """The batch that stores rows."""
    batch = Batch()
    for row in rows:
        batch.append(row)
    return batch


def runs_of(meta: Mapping[str, str]) -> tuple[str, ...]:
    """The last run, and the one before it, which counts if the last one ended at its start."""
    return tuple(run for key in ("run", "previous") if (run := meta.get(key)))


def _has_all_transactions(meta: Mapping[str, str], noted: Noted) -> bool:
    """Whether the file has them; else its write-ahead log was damaged or deleted."""
    count = meta.get("transactions", "")
    return (int(count) if count.isdecimal() else 0) >= noted.transactions


def _missing(streams: Mapping[int, Stream], rows: Iterable[Row]) -> list[Row]:
    """The rows that follow the newest records of their streams, which then include them."""
    found = []
    for row in rows:
        stream, offset = streams.get(row[0] >> OFFSET_BITS), row[0] & MAX_OFFSET
        if stream is not None and offset > stream.last:
            stream.last, stream.newest_at = offset, row[1]
            found.append(row)
    return found
