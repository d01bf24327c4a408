"""What is recorded of a mission, in one order of time.

    history (samples by their own time) ─┐
    log (the rest by the server's time) ─┴▶ one order of time

The record is read in pieces of limited size, so memory does not depend on its length.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from heapq import heapify, heappop, heapreplace
from itertools import islice
from math import inf
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple

from anyio import to_thread

from rover.logs.gaps import MIN_GAP_S, RecordingGap
from rover.logs.runs import Run, runs_of
from rover.logs.search import offset_before
from rover.telemetry.events import sample_json
from rover.telemetry.records import DELETED, STREAM
from rover.telemetry.shown import shown, shown_ends
from rover.wire import dumps, iso

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Collection,
        Iterator,
        Sequence,
    )

    from rover.logs.base import Log, Record
    from rover.telemetry.history import History

NAMED = ("state", "alarm", "event", "dictionary")
"""Kinds of the telemetry's records that are not samples."""

COMMS = "comms/"
"""The prefix of the keys of channels in the log."""

MAX_ALARM_MARKS = 500
"""Maximum number of alarms on the scrubber of the page, newest first."""

IMAGES = "images"
"""The key of the images in the log."""

MARGIN_S = 1.0
"""Seconds before now up to which samples are read, because newer ones may still arrive. A replay
ends less than twice as long before now."""

ROWS = 256
"""Number of samples that a thread reads at once."""

PAGE_RECORDS = 128
"""Maximum number of records that are read at once."""

PAGE_BYTES = 128 * 2**10
"""Maximum bytes of records that are read at once."""

MAX_ALARM_RECORDS = 20_000
"""Maximum number of past `alarm` events from which the alarms of a moment are found."""


class Moment(NamedTuple):
    """One recorded event.

    Attributes:
        t: POSIX seconds.
        name: of the event; `None` for a sample; `""` for the end of what is recorded so far.
        data: JSON.
    """

    t: float
    name: str | None
    data: str


class Place(NamedTuple):
    """Records of one stream.

    Attributes:
        key: of the stream.
        kind: of the records.
        run: of the stream; the clock of the server was not set back in it.
    """

    key: str
    kind: str
    run: Run


BEGINNINGS = (*((STREAM, kind) for kind in NAMED), (IMAGES, "image"))
"""The streams and kinds of records that decide, with the samples, when the record begins. There may
be many channels."""

ABOUT_SAMPLES = ((STREAM, "state"), (STREAM, "dictionary"))
"""Those that say nothing without samples. They are kept longer."""

SAMPLES_DELETED = "the samples of this time are too old, or did not fit into the record"
"""Reason of the gap before the first sample, once old ones were deleted."""


class Recording:
    """What is recorded, by time.

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
        self._is_closed = is_closed

    async def first(self) -> float:
        """The time of the first sample or event in POSIX seconds; infinite without any.

        Once old samples were deleted, the states and the dictionary of their time do not count.
        """
        return (await self.beginning())[0]

    async def beginning(self) -> tuple[float, RecordingGap | None]:
        """The same, and the time after it whose samples were deleted."""
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

    def _places(self) -> list[Place]:
        """The kinds of records that are replayed."""
        channels = [(one.key, "message") for one in self.log.streams(COMMS)]
        kinds = (*BEGINNINGS, *channels)
        return [Place(key, kind, run) for key, kind in kinds for run in runs_of(self.log, key)]

    def samples(
        self, since: float, until: float, fields: Collection[str] | None
    ) -> Iterator[Moment]:
        """The samples of a time range; blocks."""
        for t, sample, late in shown(self.history, since, until, fields):
            yield Moment(t, None, sample_json(sample, late=late))

    async def records(
        self, place: Place, since: float, until: float, after: dict[tuple[str, str, int], int]
    ) -> AsyncIterator[Moment]:
        """The records of a stream that were published in a time range.

        Args:
            place: a run of the stream, and the kind of the records.
            since: POSIX seconds. A later record with an earlier time counts as of this time.
            until: POSIX seconds, exclusive.
            after: the offset before the first record of each stream, kind and run (by the offset
                before it); it is updated.
        """
        key, kind, run = place
        begin = key, kind, run.after
        is_first = begin not in after
        if is_first:
            # a channel has few messages: to read them takes less time than to search
            is_short = key.startswith(COMMS)
            start = run.after if is_short else await offset_before(self.log, key, since, kind, run)
            after[begin] = start
        stream = self.log.stream(key)
        if stream is None or (stream.last if run.until is None else run.until) <= after[begin]:
            return  # nothing is new: most channels are quiet
        while page := await self.log.read(
            key,
            after=after[begin],
            until=run.until,
            kinds=(kind,),
            limit=PAGE_RECORDS,
            max_bytes=PAGE_BYTES,
        ):
            for record in page:
                if record.at >= until:
                    return
                after[begin] = record.offset
                if is_first and record.at < since:
                    continue
                since = max(since, record.at)
                if key == STREAM:
                    yield Moment(since, record.kind, record.data)
                elif key == IMAGES:
                    if (data := await self.image_json(record)) is not None:
                        yield Moment(since, "image", data)
                else:
                    yield Moment(since, "comms", message_json(key, record))

    async def moments(self, since: float, fields: Collection[str] | None) -> AsyncIterator[Moment]:
        """Everything from a time on, in order of time, until now.

        An event with an empty name follows what is recorded so far, unless nothing can follow: the
        record is closed, or is of a time in the future, from a clock that was set back.
        """
        after: dict[tuple[str, str, int], int] = {}
        if self._is_closed or since > self.clock():
            async for moment in self._between(since, inf, fields, after):
                yield moment
            return
        while (until := self.clock() - MARGIN_S) > since + MARGIN_S:
            async for moment in self._between(since, until, fields, after):
                yield moment
            yield Moment(until, "", "")
            since = until

    def _between(
        self,
        since: float,
        until: float,
        fields: Collection[str] | None,
        after: dict[tuple[str, str, int], int],
    ) -> AsyncIterator[Moment]:
        sources = [_in_thread(self.samples(since, until, fields))]
        sources += [self.records(place, since, until, after) for place in self._places()]
        return merged(sources)


async def merged(sources: Sequence[AsyncIterator[Moment]]) -> AsyncIterator[Moment]:
    """The events of all sources in order of time; of equal times, in the order of the sources."""
    heap = [
        (first.t, index, first)
        for index, source in enumerate(sources)
        if (first := await anext(source, None)) is not None
    ]
    heapify(heap)
    while heap:
        _, index, moment = heap[0]
        yield moment
        following = await anext(sources[index], None)
        if following is None:
            heappop(heap)
        else:
            heapreplace(heap, (following.t, index, following))


async def data_of(record: Record) -> str | None:
    """The data of a record."""
    return record.data


async def _in_thread(moments: Iterator[Moment]) -> AsyncIterator[Moment]:
    """The same, read in a thread."""
    while some := await to_thread.run_sync(partial(_take, moments)):
        for moment in some:
            yield moment


def _take(moments: Iterator[Moment]) -> list[Moment]:
    return list(islice(moments, ROWS))


def message_json(key: str, record: Record) -> str:
    """A message of a channel as JSON."""
    fields = json.loads(record.data)
    at = record.at if record.t is None else record.t
    return dumps(
        {
            "channel": key.removeprefix(COMMS),
            "from": fields["name"],
            "text": fields["text"],
            "role": fields.get("role"),
            "at": iso(at),
        }
    )
