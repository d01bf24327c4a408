"""Times in which nothing was recorded, in the log: replays and the page show them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from rover.wire import dumps, iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.logs.base import Log

KEY = "recording/gaps"
"""The name of the gaps in the log."""

MAX_GAPS = 1_000
"""Maximum number of gaps; the oldest are deleted."""

MIN_GAP_S = 0.5
"""Seconds from which a time without records is a gap."""

STOPPED = "the server was not running, or could not record before it ended"


class RecordingGap(NamedTuple):
    """A time in which nothing was recorded.

    Attributes:
        since: POSIX seconds.
        until: POSIX seconds.
        reason: why, for people.
    """

    since: float
    until: float
    reason: str

    def as_json(self) -> dict[str, Any]:
        """The gap as clients see it."""
        return {"since": iso(self.since), "until": iso(self.until), "reason": self.reason}


def saved_gaps(values: Mapping[str, str]) -> list[RecordingGap]:
    """The recorded gaps, in order; none if they cannot be read.

    Args:
        values: of the log, by key.
    """
    with suppress(LookupError, TypeError, ValueError):
        found = json.loads(values[KEY])
        return [RecordingGap(float(since), float(until), str(why)) for since, until, why in found]
    return []


def with_gap(values: Mapping[str, str], gap: RecordingGap) -> str:
    """The value of `KEY` with another gap."""
    return dumps([*saved_gaps(values), gap][-MAX_GAPS:])


async def record_stop(log: Log, key: str, now: float) -> None:
    """Record at the start that nothing was recorded since the last run.

    It recorded up to the last event of a stream, or longer if the log knows that.

    Args:
        log: the log; one of a recorded mission is not changed.
        key: of the stream.
        now: POSIX seconds.

    Raises:
        LogDamaged: the log cannot be read.
    """
    newest = [] if log.recorded is not None else await log.read(key, limit=1, newest=True)
    if not newest:
        return
    since = max(newest[0].at, log.alive_at)
    if now - since >= MIN_GAP_S:
        log.put(KEY, with_gap(log.values(KEY), RecordingGap(since, now, STOPPED)))
