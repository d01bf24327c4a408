"""The recorded mission as it was: samples, states, alarms, events, messages and images by time.

    history (samples by their own time) ─┐
    log (the rest by the server's time) ─┴▶ one order of time ─▶ at a speed ─▶ server-sent events

A replay reads the record in pieces of limited size, so its memory does not depend on its length.
"""

from __future__ import annotations

import json
import logging
import re
from contextlib import suppress
from functools import partial
from heapq import heapify, heappop, heapreplace
from itertools import islice
from time import monotonic, time
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from anyio import move_on_after, to_thread

from rover.errors import BadQuery, LogDamaged
from rover.logs.search import offset_before
from rover.telemetry.events import sample_json
from rover.telemetry.records import STREAM
from rover.topic import Batch
from rover.wire import dumps, iso, sse
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Collection,
        Iterable,
        Iterator,
        Sequence,
    )

    from anyio import Event

    from rover.logs.base import Log, Record
    from rover.telemetry.history import History
    from rover.topic import Sink

logger = logging.getLogger("rover.telemetry")

NAMED = ("state", "alarm", "event", "dictionary")
"""Kinds of the telemetry's records that are not samples."""

COMMS = "comms/"
"""The prefix of the keys of channels in the log."""

MAX_ALARM_MARKS = 500
"""Maximum number of alarms on the scrubber of the page, newest first."""

IMAGES = "images"
"""The key of the images in the log."""

CLOCK_S = 1.0
"""Seconds between two `clock` events."""

MARGIN_S = 1.0
"""Seconds before now up to which samples are read, because newer ones may still arrive. A replay
ends less than twice as long before now."""

BATCH_BYTES = 64 * 2**10
"""Approximate maximum bytes of events that are sent at once."""

ROWS = 256
"""Number of samples that a thread reads at once."""

PAGE_RECORDS = 128
"""Maximum number of records that are read at once."""

PAGE_BYTES = 128 * 2**10
"""Maximum bytes of records that are read at once."""

MAX_ALARM_RECORDS = 20_000
"""Maximum number of past `alarm` events from which the alarms of a moment are found."""

RECORDS_PER_IMAGE = 3
"""Approximate maximum number of records of an image: it begins to arrive, and is complete."""

MAX_PAST = 100
"""Maximum number of past events, of images, and of messages of each channel, that a replay begins
with."""

REPLAY_ID = r"-?\d{1,15}(\.\d{1,9})?-\d{1,9}"
"""The form of a replay's event ids: POSIX seconds, and the number of the event at that time."""


class Position(NamedTuple):
    """A place in a replay.

    Attributes:
        t: POSIX seconds.
        sent: number of events of exactly that time before the place.
    """

    t: float
    sent: int = 0

    @classmethod
    def parse(cls, text: str, name: str) -> Position:
        """The place after the event with that id.

        Raises:
            BadQuery: it is not the id of an event of a replay.
        """
        if not re.fullmatch(REPLAY_ID, text):
            raise BadQuery(name, text, "must be the id of an event of a replay")
        t, _, sent = text.rpartition("-")
        return cls(float(t), int(sent))

    def __str__(self) -> str:
        return f"{self.t!r}-{self.sent}"


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
    """

    key: str
    kind: str


BEGINNINGS = (*(Place(STREAM, kind) for kind in NAMED), Place(IMAGES, "image"))
"""The records that decide, with the samples, when the record begins. There may be many channels."""


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
        self._image_json = image_json or data_of
        self._is_closed = is_closed

    async def first(self) -> float:
        """The time of the first sample or event in POSIX seconds; infinite without any."""
        found = [await to_thread.run_sync(self.history.first)]
        for key, kind in BEGINNINGS:  # of one kind, the log finds records by its index
            found += [one.at for one in await self.log.read(key, kinds=(kind,), limit=1)]
        return min(found)

    async def last(self) -> float:
        """The time of the newest sample or event in POSIX seconds; -infinite without any."""
        found = [await to_thread.run_sync(self.history.last)]
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
        channels = [Place(one.key, "message") for one in self.log.streams(COMMS)]
        return [*BEGINNINGS, *channels]

    async def before(self, t: float, fields: Collection[str] | None) -> list[bytes]:
        """What a client needs to know of a moment: events without ids.

        These are the newest dictionary, states, values, alarms, events, messages and images before
        it.
        """
        newest = await to_thread.run_sync(self.history.newest_before, t, fields)
        rows: dict[float, dict[str, Any]] = {}
        for name, (at, value) in newest.items():
            rows.setdefault(at, {})[name] = value
        found = [*await self._past("dictionary", t, 1)]
        states = await self._past("state", t, PAGE_RECORDS)
        found += {json.loads(one.data)["source"]: one for one in states}.values()
        alarms = await self._past("alarm", t, MAX_ALARM_RECORDS)
        found += await to_thread.run_sync(latched, alarms)
        found += await self._past("event", t, MAX_PAST)
        frames = [sse(one.data, event=one.kind) for one in found]
        images = [await self._image_json(one) for one in await self._past_images(t)]
        frames += [sse(data, event="image") for data in images if data is not None]
        for channel in self.log.streams(COMMS):
            past = await self.log.read(channel.key, kinds=("message",), limit=1000, newest=True)
            messages = [one for one in past if one.at < t][-MAX_PAST:]
            frames += [sse(message_json(channel.key, one), event="comms") for one in messages]
        samples = (sample_json(Sample(at, values)) for at, values in sorted(rows.items()))
        return [*frames, *map(sse, samples)]

    async def _past(self, kind: str, t: float, limit: int) -> list[Record]:
        """The newest records of a kind that were published before a time, oldest first."""
        until = await offset_before(self.log, STREAM, t, kind)
        return await self.log.read(STREAM, until=until, kinds=(kind,), limit=limit, newest=True)

    async def _past_images(self, t: float) -> list[Record]:
        """The newest record of each image that changed last before a time, oldest first."""
        until = await offset_before(self.log, IMAGES, t, "image")
        newest: dict[tuple[str, str], Record] = {}
        for record in await self.log.read(
            IMAGES, until=until, limit=RECORDS_PER_IMAGE * MAX_PAST, newest=True
        ):
            with suppress(LookupError, TypeError, ValueError):  # the file is damaged
                fields = json.loads(record.data)
                place = fields["camera"], fields["id"]
                newest.pop(place, None)
                newest[place] = record
        return list(newest.values())[-MAX_PAST:]

    def samples(
        self, since: float, until: float, fields: Collection[str] | None
    ) -> Iterator[Moment]:
        """The samples of a time range; blocks."""
        for table in self.history.tables(since, until, fields):
            columns = table.as_columns(self.history.integers)
            times = columns.pop("t")
            del columns["late"]  # in order of time, none is
            for row, t in enumerate(times):
                values = {
                    name: column[row] for name, column in columns.items() if column[row] is not None
                }
                yield Moment(t, None, sample_json(Sample(t, values)))

    async def records(
        self, place: Place, since: float, until: float, after: dict[Place, int]
    ) -> AsyncIterator[Moment]:
        """The records of a stream that were published in a time range.

        Args:
            place: the stream, and the kind of the records.
            since: POSIX seconds. A later record with an earlier time counts as of this time.
            until: POSIX seconds, exclusive.
            after: the offset before the first record of each stream and kind; it is updated.
        """
        key, kind = place
        is_first = place not in after
        if is_first:
            # a channel has few messages: to read them takes less time than to search
            is_short = key.startswith(COMMS)
            after[place] = 0 if is_short else await offset_before(self.log, key, since, kind)
        stream = self.log.stream(key)
        if stream is None or stream.last <= after[place]:
            return  # nothing is new: most channels are quiet
        while page := await self.log.read(
            key, after=after[place], kinds=(kind,), limit=PAGE_RECORDS, max_bytes=PAGE_BYTES
        ):
            for record in page:
                if record.at >= until:
                    return
                after[place] = record.offset
                if is_first and record.at < since:
                    continue
                since = max(since, record.at)
                if key == STREAM:
                    yield Moment(since, record.kind, record.data)
                elif key == IMAGES:
                    if (data := await self._image_json(record)) is not None:
                        yield Moment(since, "image", data)
                else:
                    yield Moment(since, "comms", message_json(key, record))

    async def moments(self, since: float, fields: Collection[str] | None) -> AsyncIterator[Moment]:
        """Everything from a time on, in order of time, until now.

        An event with an empty name follows what is recorded so far, unless the record is closed.
        """
        after: dict[Place, int] = {}
        margin_s = 0.0 if self._is_closed else MARGIN_S
        while (until := self.clock() - margin_s) > since + margin_s:
            sources = [_in_thread(self.samples(since, until, fields))]
            sources += [self.records(place, since, until, after) for place in self._places()]
            async for moment in merged(sources):
                yield moment
            if self._is_closed:
                return
            yield Moment(until, "", "")
            since = until


class Replay:
    """The events of one client, at a speed.

    Args:
        recording: reads the events.
        start: where it begins.
        speed: recorded seconds per second.
        fields: names of parameters; `None` for all.
        has_past: whether it begins with the newest values, states and alarms of that moment.
        stopping: set when the server shuts down.

    Attributes:
        position: the newest event that the client has.
        reached: POSIX seconds; the client has all events until then.
        failure: why the record cannot be read; `None` if it can.
    """

    lag = 0

    def __init__(
        self,
        recording: Recording,
        start: Position,
        speed: float,
        fields: Collection[str] | None,
        *,
        has_past: bool,
        stopping: Event,
    ) -> None:
        self._recording = recording
        self._start = start
        self._speed = speed
        self._fields = fields
        self._has_past = has_past
        self.stopping = stopping
        self.position = start
        self.reached = start.t
        self.failure: LogDamaged | None = None

    def __enter__(self) -> Self:
        return self

    def attach(self, _: Sink) -> bool:
        """A client of a replay is always read for: each has its own events. Returns `False`."""
        return False

    def detach(self) -> None:
        """Nothing is attached."""

    def __exit__(self, *_: object) -> None:
        pass

    def clock_event(self, t: float, name: str = "clock") -> bytes:
        """The time of the replay, as an event without an id."""
        return sse(dumps({"t": iso(t), "speed": self._speed}), event=name)

    async def __aiter__(self) -> AsyncIterator[Batch[Any, bytes]]:
        """The events, each when it is due, and the clock.

        They end early if the record cannot be read; `failure` is then set.
        """
        try:
            async for batch in self._batches():
                yield batch
        except LogDamaged as exc:
            logger.error("a replay ended at %s: %s", iso(self.position.t), exc)
            self.failure = exc

    async def _batches(self) -> AsyncIterator[Batch[Any, bytes]]:
        start = self._start
        if self._has_past:
            for frame in await self._recording.before(start.t, self._fields):
                yield Batch([frame], [0], [None])
        began, clock_at, skipped, last = monotonic(), 0.0, start.sent, start.t
        moments = self._recording.moments(start.t, self._fields)
        moment = await anext(moments, None)
        while moment is not None and not self.stopping.is_set():
            frames, size, now = [], 0, start.t + (monotonic() - began) * self._speed
            while moment is not None and moment.t <= now and size < BATCH_BYTES:
                last = moment.t
                if skipped and moment.t == start.t and moment.name != "":
                    skipped -= 1
                elif moment.name != "":
                    frames.append(self._frame(moment))
                    size += len(frames[-1])
                moment = await anext(moments, None)
            due = last if moment is None else moment.t  # the clock stops at the end
            self.reached = max(self.reached, min(now, due))
            if monotonic() >= clock_at:
                frames.append(self.clock_event(self.reached))
                clock_at = monotonic() + CLOCK_S
            if frames:
                yield Batch(frames, [0] * len(frames), [None] * len(frames))
            elif moment is not None:
                delay_s = min((due - now) / self._speed, clock_at - monotonic())
                with move_on_after(max(0.0, delay_s)):
                    await self.stopping.wait()

    def _frame(self, moment: Moment) -> bytes:
        sent = self.position.sent if moment.t == self.position.t else 0
        self.position = Position(moment.t, sent + 1)
        return sse(moment.data, event=moment.name, event_id=self.position)


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


def latched(records: Iterable[Record]) -> list[Record]:
    """The `alarm` events of the alarms that are active, shelved or not acknowledged at the end."""
    newest = {}
    for record in records:
        alarm = json.loads(record.data)
        newest[alarm["id"]] = record, alarm
    return [
        record._replace(data=dumps({**alarm, "action": "latched"}))
        for record, alarm in newest.values()
        if alarm["level"] != "nominal" or alarm["acknowledged"] is None or alarm["shelved"]
    ]
