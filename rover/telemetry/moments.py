"""The recorded events and samples of a mission, in one order of time.

    history (samples by their own time) ─┐
    log (the rest by the server's time) ─┴▶ one order of time

The record is read in pieces of limited size, so memory does not depend on its length.
"""

from __future__ import annotations

import json
from functools import partial
from heapq import heapify, heappop, heapreplace
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from anyio import to_thread

from rover.logs.runs import Run, runs_of
from rover.logs.search import offset_before
from rover.telemetry.events import sample_json
from rover.telemetry.recording import BEGINNINGS, COMMS, IMAGES
from rover.telemetry.records import STREAM
from rover.telemetry.shown import shown
from rover.wire import dumps, iso

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Sequence

    from rover.logs.base import Record
    from rover.telemetry.recording import Recording

MARGIN_S = 1.0
"""Seconds before now up to which samples are read, because newer ones may still arrive. A replay
ends less than twice as long before now."""

ROWS = 256
"""Number of samples that a thread reads at once."""

PAGE_RECORDS = 128
"""Maximum number of records that are read at once."""

PAGE_BYTES = 128 * 2**10
"""Maximum bytes of records that are read at once."""


class Moment(NamedTuple):
    """One recorded event.

    Attributes:
        t: POSIX seconds.
        name: of the event; `None` for a sample; `""` for the end of the record so far.
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


async def moments_of(
    recording: Recording, since: float, fields: Collection[str] | None
) -> AsyncIterator[Moment]:
    """Everything from a time on, in order of time, until now.

    An event with an empty name marks the end of the record so far. It is left out if nothing can
    follow: the record is closed, or its newest time is in the future, as the clock was set back.
    """
    reader = MomentReader(recording, fields)
    if recording.is_closed or since > recording.clock():
        async for moment in reader.between(since, inf):
            yield moment
        return
    while (until := recording.clock() - MARGIN_S) > since + MARGIN_S:
        async for moment in reader.between(since, until):
            yield moment
        yield Moment(until, "", "")
        since = until


class MomentReader:
    """Reads consecutive time ranges of a record, each event once.

    Args:
        recording: has the record.
        fields: names of parameters; `None` for all.
    """

    def __init__(self, recording: Recording, fields: Collection[str] | None) -> None:
        self._recording = recording
        self._log = recording.log
        self._fields = fields
        self._after: dict[tuple[str, str, int], int] = {}  # the offset before the next record

    def between(self, since: float, until: float) -> AsyncIterator[Moment]:
        """The events of the next time range.

        Args:
            since: POSIX seconds.
            until: POSIX seconds, exclusive.
        """
        sources = [_in_thread(self._samples(since, until))]
        sources += [self._records(place, since, until) for place in self._places()]
        return merged(sources)

    def _places(self) -> list[Place]:
        channels = [(one.key, "message") for one in self._log.streams(COMMS)]
        kinds = (*BEGINNINGS, *channels)
        return [Place(key, kind, run) for key, kind in kinds for run in runs_of(self._log, key)]

    def _samples(self, since: float, until: float) -> Iterator[Moment]:
        for t, sample, late in shown(self._recording.history, since, until, self._fields):
            yield Moment(t, None, sample_json(sample, late=late))

    async def _records(self, place: Place, since: float, until: float) -> AsyncIterator[Moment]:
        """The records that were published in a time range.

        A later record with an earlier time counts as of the time before it.
        """
        key, kind, run = place
        begin = key, kind, run.after
        is_first = begin not in self._after
        if is_first:
            # a channel has few messages: to read them takes less time than to search
            is_short = key.startswith(COMMS)
            start = run.after if is_short else await offset_before(self._log, key, since, kind, run)
            self._after[begin] = start
        stream = self._log.stream(key)
        newest = 0 if stream is None else stream.last if run.until is None else run.until
        if newest <= self._after[begin]:
            return  # nothing is new: most channels are quiet
        while page := await self._log.read(
            key,
            after=self._after[begin],
            until=run.until,
            kinds=(kind,),
            limit=PAGE_RECORDS,
            max_bytes=PAGE_BYTES,
        ):
            for record in page:
                if record.at >= until:
                    return
                self._after[begin] = record.offset
                if is_first and record.at < since:
                    continue
                since = max(since, record.at)
                if key == STREAM:
                    yield Moment(since, record.kind, record.data)
                elif key == IMAGES:
                    if (data := await self._recording.image_json(record)) is not None:
                        yield Moment(since, "image", data)
                else:
                    yield Moment(since, "comms", message_json(key, record))


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


async def _in_thread(moments: Iterator[Moment]) -> AsyncIterator[Moment]:
    """The events of an iterator, which is read in a thread."""
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
