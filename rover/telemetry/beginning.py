"""The first events of a replay: the newest of each kind before a moment."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from rover.logs.search import PAGE_RECORDS, newest_before
from rover.telemetry.events import sample_json
from rover.telemetry.moments import message_json
from rover.telemetry.recording import COMMS, IMAGES, MAX_ALARM_RECORDS
from rover.telemetry.records import STREAM
from rover.telemetry.shown import newest_shown
from rover.wire import dumps, sse
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rover.logs.base import Log, Record
    from rover.telemetry.recording import Recording

RECORDS_PER_IMAGE = 3
"""Approximate maximum number of records of an image: it begins to arrive, and is complete."""

FEW_MESSAGES = 1000
"""Number of messages of a channel that are read without a search by time."""

MAX_STATES = 128
"""Maximum number of past states from which those of the sources are found."""

MAX_PAST = 100
"""Maximum number of past events, of images, and of messages of each channel, that a replay begins
with."""


async def frames_before(
    recording: Recording, t: float, fields: Collection[str] | None
) -> list[bytes]:
    """The state of a mission at a moment, as events without ids.

    These are the newest dictionary, states, values, alarms, events, messages and images before
    it, and the ages of the values.

    Raises:
        LogDamaged: the record cannot be read.
    """
    log = recording.log
    newest = await to_thread.run_sync(newest_shown, recording.history, t, fields)
    rows: dict[float, dict[str, Any]] = {}
    for name, one in newest.items():
        rows.setdefault(one.t, {})[name] = one.value
    found = [*await _past(log, "dictionary", t, 1)]
    states = await _past(log, "state", t, MAX_STATES)
    found += {json.loads(one.data)["source"]: one for one in states}.values()
    alarms = await _past(log, "alarm", t, MAX_ALARM_RECORDS)
    found += await to_thread.run_sync(latched, alarms)
    found += await _past(log, "event", t, MAX_PAST)
    frames = [sse(one.data, event=one.kind) for one in found]
    images = [await recording.image_json(one) for one in await _past_images(log, t)]
    frames += [sse(data, event="image") for data in images if data is not None]
    for channel in log.streams(COMMS):
        # most channels have few messages, and to read them takes less time than to search
        past = await log.read(channel.key, kinds=("message",), limit=FEW_MESSAGES, newest=True)
        messages = [one for one in past if one.at < t][-MAX_PAST:]
        if len(messages) < MAX_PAST and len(past) == FEW_MESSAGES:
            messages = await _newest(log, channel.key, t, "message", MAX_PAST)
        frames += [sse(message_json(channel.key, one), event="comms") for one in messages]
    samples = (sample_json(Sample(at, values)) for at, values in sorted(rows.items()))
    frames += map(sse, samples)
    if newest:
        ages_s = {name: round(t - one.shown_at, 3) for name, one in newest.items()}
        frames.append(sse(dumps({"ages_s": ages_s}), event="ages"))
    return frames


async def _past(log: Log, kind: str, t: float, limit: int) -> list[Record]:
    """The newest records of a kind that were published before a time, oldest first."""
    return await _newest(log, STREAM, t, kind, limit)


async def _newest(log: Log, key: str, t: float, kind: str, limit: int) -> list[Record]:
    found: list[Record] = []
    async for record in newest_before(log, key, t, kind, min(limit, PAGE_RECORDS)):
        found.append(record)
        if len(found) == limit:
            break
    return found[::-1]


async def _past_images(log: Log, t: float) -> list[Record]:
    """The newest record of each image that changed last before a time, oldest first."""
    newest: dict[tuple[str, str], Record] = {}
    for record in await _newest(log, IMAGES, t, "image", RECORDS_PER_IMAGE * MAX_PAST):
        with suppress(LookupError, TypeError, ValueError):  # the file is damaged
            fields = json.loads(record.data)
            place = fields["camera"], fields["id"]
            newest.pop(place, None)
            newest[place] = record
    return list(newest.values())[-MAX_PAST:]


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
