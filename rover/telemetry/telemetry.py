"""From a telemetry source to one topic that everyone follows, and a history by time.

    source.samples() ──▶ history, limits ──▶ encode once ──▶ topic ──▶ views ──▶ readers

The source runs under a supervisor: when it fails, readers stay and are told its state.
"""

from __future__ import annotations

import logging
from math import inf
from time import time
from typing import TYPE_CHECKING

from anyio import create_task_group
from anyio.lowlevel import checkpoint

from rover.errors import NothingYet
from rover.supervise import FIRST_PAUSE_S, Health, Supervisor, closing
from rover.telemetry.events import (
    NamedEvent,
    SampleEvent,
    alarm_json,
    sample_json,
    state_json,
    telemetry_topic,
)
from rover.telemetry.history import History
from rover.telemetry.limits import Level, LimitWatch
from rover.telemetry.timeline import Order, Timeline
from rover.telemetry.views import Views
from rover.wire import iso, sse
from sources.base import RESERVED, Paced, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from rover.flush import Flusher
    from rover.settings import Settings
    from rover.telemetry.limits import Alarm
    from sources.base import Parameter, TelemetrySource

logger = logging.getLogger("rover.telemetry")

STALE_PERIODS = 5
"""A source that misses so many of its own periods in a row is stale."""

MIN_STALE_S = 2.0


class Telemetry:
    """One source's samples for any number of readers.

    Args:
        source: read by this object only.
        settings: bounds of the topic.
        flusher: wakes the readers.
        clock: POSIX seconds.
        min_stale_s: seconds of silence after which a source is stale at the earliest.
        first_pause_s: seconds before the first restart of the source.

    Attributes:
        alarms: the newest `alarm` event of each parameter that is out of its limits, without an id:
            for readers who come after it rang.
    """

    def __init__(
        self,
        source: TelemetrySource,
        settings: Settings,
        flusher: Flusher,
        clock: Callable[[], float] = time,
        *,
        min_stale_s: float = MIN_STALE_S,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self.source = source
        self.topic = telemetry_topic(settings, flusher)
        self.views = Views(self.topic, settings, flusher)
        self.history = History(source.parameters, settings.history_samples, settings.history_bytes)
        self.alarms: dict[str, bytes] = {}
        self.dropped_samples = 0
        self._max_sample_bytes = settings.max_sample_bytes
        self._latest: str | None = None
        self._timeline = Timeline(present=clock)
        self._limits = LimitWatch(source.parameters)
        period_s = source.period_s if isinstance(source, Paced) else None
        self.supervisor = Supervisor(
            "telemetry",
            stale_after_s=period_s and max(STALE_PERIODS * period_s, min_stale_s),
            on_change=self._tell,
            first_pause_s=first_pause_s,
            clock=clock,
        )
        flusher.mark(self.topic)  # from now on, silence is filled with heartbeats

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The dictionary as it is now; some sources learn theirs as they listen."""
        return self.source.parameters

    @property
    def health(self) -> Health:
        """How the source is."""
        return self.supervisor.health

    @property
    def latest(self) -> str:
        """The sample with the newest time, as JSON.

        Raises:
            NothingYet: no sample has come so far.
        """
        if self._latest is None:
            raise NothingYet(f"no sample has come yet; the source: {self.health.detail}")
        return self._latest

    @property
    def fields(self) -> Collection[str]:
        """The names that a reader may choose from: the dictionary's, and what was said besides."""
        return self.history.names

    async def run(self) -> None:
        """Publish what the source says, until cancelled."""
        async with create_task_group() as tasks:
            tasks.start_soon(self.views.run)
            await self.supervisor.run(self._follow)

    def close(self) -> None:
        """End the topic: readers get what is left."""
        if not self.topic.closed:
            self.topic.close()

    async def _follow(self) -> None:
        async with closing(self.source.samples()) as samples:
            async for sample in samples:
                self.supervisor.heard()
                self._publish(sample)
                await checkpoint()  # a source that never waits must not keep readers from reading

    def _publish(self, sample: Sample) -> None:
        if self.topic.closed:
            return
        if not sample.values.keys().isdisjoint(RESERVED):
            sample = _renamed(sample)
        try:
            data = sample_json(sample)
            size = len(data.encode())  # fails for text with half a surrogate pair
        except (TypeError, ValueError) as exc:
            self._drop(f"it cannot be told as JSON: {exc}")
            return
        if size > self._max_sample_bytes:
            self._drop(f"it has {size:,} bytes, more than ROVER_MAX_SAMPLE_BYTES allows")
            return
        order = self._timeline.place(sample.t)
        late = order is Order.LATE
        if order is Order.DOUBTFUL:  # nothing but its time: it is news, and may ring
            sample = _moved(sample, self._timeline.newest)
        if order is not Order.NEWEST:
            data = sample_json(sample, late=late)
        self.history.add(sample, late=late)
        if not late:
            self._latest = data
        at = -inf if late else sample.t
        self.topic.publish(SampleEvent(data, sample, late), at=at)
        if late:  # a late sample changes neither the latest values nor the alarms
            return
        for alarm in self._limits.check(sample.values):
            self._ring(alarm, sample.t)

    def _ring(self, alarm: Alarm, t: float) -> None:
        data = alarm_json(alarm, t)
        if alarm.level is Level.NOMINAL:
            log = logger.info
            self.alarms.pop(alarm.parameter, None)
        else:
            log = logger.warning
            self.alarms[alarm.parameter] = sse(data, event="alarm")
        log("telemetry: %s is %s: %s", alarm.parameter, alarm.level, alarm.value)
        self.topic.publish(NamedEvent("alarm", data), at=t)

    def _drop(self, reason: str) -> None:
        self.dropped_samples += 1
        if self.dropped_samples.bit_count() == 1:  # the 1st, 2nd, 4th, 8th …: told, never a flood
            logger.warning("telemetry: dropped sample no. %d: %s", self.dropped_samples, reason)

    def _tell(self, health: Health) -> None:
        if not self.topic.closed:
            self.topic.publish(NamedEvent("state", state_json(health)))


def _renamed(sample: Sample) -> Sample:
    """The sample with no key that is ours: `late` becomes `late_sent`."""
    values = {f"{k}_sent" if k in RESERVED else k: value for k, value in sample.values.items()}
    return Sample(sample.t, values)


def _moved(sample: Sample, t: float) -> Sample:
    """The sample at another time, which says itself what time it told: `t_sent`."""
    return Sample(t, {**sample.values, "t_sent": iso(sample.t)})
