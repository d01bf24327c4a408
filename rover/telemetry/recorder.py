"""Keeps the newest value of each parameter in the log, and restores the telemetry after a restart.

The events themselves are in the topic's stream. Reading all of them would take too long, so the
newest values are saved every few seconds, and a restart reads only the events after that.
"""

from __future__ import annotations

import json
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from rover.errors import LogDamaged
from rover.schema import SAMPLE_KINDS
from rover.telemetry.events import SampleEvent
from rover.telemetry.records import NAMED, STREAM, samples
from rover.wire import dumps
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rover.logs.base import Log, Record
    from rover.telemetry.events import TelemetryTopic
    from rover.telemetry.freshness import Freshness
    from rover.telemetry.history import History
    from rover.telemetry.latest import Latest
    from rover.telemetry.order import ParameterOrder

SNAPSHOT = "telemetry/latest"
"""The name of the saved values in the log."""

SAVE_PERIOD_S = 5.0
"""Seconds between two times that the newest values are saved."""

DROP_EVENTS = 1000
"""Number of archived events from which they are deleted from the log at once."""

DROP_PERIOD_S = 5.0
"""Seconds after which fewer archived events are deleted from the log: they may be large."""

MAX_NAMED = 500_000
"""Maximum number of events other than samples in the log; the oldest are deleted."""

NAMED_STEP = 1_000
"""Number of these events that are deleted together."""

MAX_UNARCHIVED = 20_000
"""Maximum number of samples before the retained events that a restart reads for the archive."""


class NamedEvents:
    """Limits the number of events other than samples in the log.

    Args:
        log: keeps them.
        max_events: maximum number of events; the oldest are deleted.
        step: number of events that are deleted together.

    Attributes:
        marks: the offset of each `step`-th event, oldest first.
    """

    def __init__(self, log: Log, max_events: int = MAX_NAMED, step: int = NAMED_STEP) -> None:
        self.marks: deque[int] = deque()
        self._log = log
        self._max_marks = max_events // step
        self._step = step
        self._count = 0

    def note(self, offset: int) -> None:
        """Count an event, and delete the oldest beyond the limit."""
        self._count += 1
        if self._count % self._step == 0:
            self.marks.append(offset)
            if len(self.marks) > self._max_marks:
                self._log.trim(STREAM, self.marks.popleft(), NAMED)


class Recorder:
    """The newest values, in the log.

    Args:
        log: keeps them.
        topic: of the telemetry.
        latest: the newest values.
        order: the newest time of each parameter.
        freshness: when the last value of each parameter arrived.
        history: the samples by time.
        clock: POSIX seconds.

    Attributes:
        named: limits the events other than samples.
    """

    def __init__(
        self,
        log: Log,
        topic: TelemetryTopic,
        latest: Latest,
        order: ParameterOrder,
        freshness: Freshness,
        history: History,
        clock: Callable[[], float],
    ) -> None:
        self._log = log
        self._topic = topic
        self._latest = latest
        self._order = order
        self._freshness = freshness
        self._history = history
        self._clock = clock
        self._saved = 0  # the offset of the newest event that is saved
        self._saved_at = 0.0
        self._dropped_before = 1
        self._dropped_at = 0.0
        self.named = NamedEvents(log)

    def save(self) -> None:
        """Save the newest values, if there are new ones and it is time."""
        now, offset = self._clock(), self._topic.last_id.offset
        if offset == self._saved or abs(now - self._saved_at) < SAVE_PERIOD_S:
            return
        self._saved, self._saved_at = offset, now
        values = {
            name: {
                "t": t,
                "value": value,
                "newest": self._order.newest.get(name, t),
                "received_at": now - self._freshness.silent_s(name),
                "period_s": self._freshness.observed_s(name),
            }
            for name, (t, value) in self._latest.items()
        }
        snapshot = {"offset": offset, "values": values, "marks": list(self.named.marks)}
        self._log.put(SNAPSHOT, dumps(snapshot))

    def drop_archived(self) -> None:
        """Delete archived samples from the log, unless clients may resume there."""
        before, now = min(self._history.archived, self._topic.expired_to) + 1, monotonic()
        count = before - self._dropped_before
        if count >= DROP_EVENTS or (count and now >= self._dropped_at + DROP_PERIOD_S):
            self._dropped_before, self._dropped_at = before, now
            self._log.trim(STREAM, before, SAMPLE_KINDS)

    async def load(self) -> None:
        """Restore the telemetry: the topic's events, the newest values and the samples by time."""
        try:
            retained = await self._topic.load()
            self._saved = self._restore_snapshot()
            before = retained[0][0].offset - 1 if retained else None
            older = await self._log.read(
                STREAM, until=before, kinds=SAMPLE_KINDS, limit=MAX_UNARCHIVED, newest=True
            )
        except LogDamaged:
            return  # the log reports it
        for record, sample in samples(older):
            self._restore_sample(record, sample)
        for record, event in retained:
            if isinstance(event, SampleEvent):
                self._restore_sample(record, event.sample)

    def _restore_snapshot(self) -> int:
        """Restore the saved values; returns the offset of the newest event that they include."""
        text = self._log.values(SNAPSHOT).get(SNAPSHOT)
        if text is None:
            return 0
        with suppress(LookupError, TypeError, ValueError):
            snapshot: Mapping[str, Any] = json.loads(text)
            for name, saved in snapshot["values"].items():
                self._latest.update(Sample(float(saved["t"]), {name: saved["value"]}))
                self._order.restore(name, float(saved["newest"]))
                silent_s = max(0.0, self._clock() - float(saved["received_at"]))
                self._freshness.restore(name, silent_s, saved["period_s"])
            self.named.marks.extend(map(int, snapshot["marks"]))
            return int(snapshot["offset"])
        return 0

    def _restore_sample(self, record: Record, sample: Sample) -> None:
        late = record.kind == "late"
        size = len(record.data)
        self._history.add(sample, late=late, offset=record.offset, size=size, at=record.at)
        if record.offset <= self._saved:
            return
        silent_s = max(0.0, self._clock() - record.at)
        for name in sample.values:
            self._freshness.restore(name, silent_s, None)
            if not late:
                self._order.restore(name, sample.t)
        if not late:
            self._latest.update(sample)
