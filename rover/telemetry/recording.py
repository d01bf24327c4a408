"""The record of a mission: the history of its samples, and the log of all else."""

from __future__ import annotations

import json
from contextlib import suppress
from math import inf
from time import time
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from rover.logs.gaps import MIN_GAP_S, RecordingGap
from rover.logs.runs import runs_of
from rover.telemetry.records import DELETED, NAMED, STREAM
from rover.telemetry.shown import shown_ends
from rover.wire import iso

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rover.logs.base import Log, Record
    from rover.telemetry.history import History

COMMS = "comms/"
"""The prefix of the keys of channels in the log."""

IMAGES = "images"
"""The key of the images in the log."""

BEGINNINGS = (*((STREAM, kind) for kind in NAMED), (IMAGES, "image"))
"""The streams and kinds of records that decide, with the samples, when the record begins. There may
be many channels."""

ABOUT_SAMPLES = ((STREAM, "state"), (STREAM, "dictionary"))
"""Those that say nothing without samples. They are kept longer."""

SAMPLES_DELETED = "the samples of this time are too old, or did not fit into the record"
"""Reason of the gap before the first sample, once old ones were deleted."""

MAX_ALARM_RECORDS = 20_000
"""Maximum number of past `alarm` events from which the alarms of a moment are found."""

MAX_ALARM_MARKS = 500
"""Maximum number of alarms on the scrubber of the page, newest first."""


async def data_of(record: Record) -> str | None:
    """The data of a record."""
    return record.data


class Recording:
    """The record of a mission.

    Args:
        history: the samples.
        log: the other events.
        clock: POSIX seconds.
        image_json: the record of an image as clients see it; `None` if it cannot be read. By
            default its data.
        is_closed: whether nothing is added to the record: it ends with its last event, not now.
    """

    def __init__(
        self,
        history: History,
        log: Log,
        clock: Callable[[], float] = time,
        *,
        image_json: Callable[[Record], Awaitable[str | None]] | None = None,
        is_closed: bool = False,
    ) -> None:
        self.history = history
        self.log = log
        self.clock = clock
        self.image_json = image_json or data_of
        self.is_closed = is_closed

    async def beginning(self) -> tuple[float, RecordingGap | None]:
        """The time of the first sample or event, and the time after it whose samples were deleted.

        The first is in POSIX seconds, and infinite without any. Once old samples were deleted, the
        states and the dictionary of their time do not count.
        """
        sample = (await to_thread.run_sync(shown_ends, self.history))[0]
        has_deleted = sample < inf and bool(self.log.values(DELETED))
        found = [sample]
        for key, kind in BEGINNINGS:  # of one kind, the log finds records by its index
            if has_deleted and (key, kind) in ABOUT_SAMPLES:
                continue
            for after, until in runs_of(self.log, key):
                read = self.log.read(key, after=after, until=until, kinds=(kind,), limit=1)
                found += [one.at for one in await read]
        first = min(found)
        if not has_deleted or sample - first < MIN_GAP_S:
            return first, None
        return first, RecordingGap(first, sample, SAMPLES_DELETED)

    async def last(self) -> float:
        """The time of the newest sample or event in POSIX seconds; -infinite without any."""
        found = [(await to_thread.run_sync(shown_ends, self.history))[1]]
        found += [one.at for one in await self.log.read(STREAM, limit=1, newest=True)]
        return max(found)

    async def alarm_marks(self) -> list[dict[str, Any]]:
        """When the newest alarms were raised, of which parameter, and at which level."""
        records = await self.log.read(
            STREAM, kinds=("alarm",), limit=MAX_ALARM_RECORDS, newest=True
        )
        found = []
        for one in records:
            with suppress(LookupError, TypeError, ValueError):
                alarm = json.loads(one.data)
                if alarm["action"] == "raised":
                    mark = {"t": iso(one.at), "parameter": alarm["parameter"]}
                    found.append({**mark, "level": alarm["level"]})
        return found[-MAX_ALARM_MARKS:]
