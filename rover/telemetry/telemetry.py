"""From a telemetry source to one topic that all clients follow, and a history by time.

    source.samples() ─▶ usable values ─▶ order per parameter ─▶ history, latest, limits ─▶ topic

A supervisor runs the source. When the source fails, clients stay connected and receive its state.
"""

from __future__ import annotations

import logging
from math import inf
from time import time
from typing import TYPE_CHECKING, Any

from anyio import create_task_group, sleep
from anyio.lowlevel import checkpoint

from rover.errors import NoDataYet
from rover.guard import Guard
from rover.supervise import FIRST_PAUSE_S, Health, State, Supervisor
from rover.telemetry.alarms import AlarmLog
from rover.telemetry.derived import Derived
from rover.telemetry.dictionary import dictionary_of, first_dictionary_of, period_of
from rover.telemetry.event_log import EventLog
from rover.telemetry.events import (
    NamedEvent,
    SampleEvent,
    dictionary_json,
    sample_json,
    state_json,
    telemetry_topic,
)
from rover.telemetry.freshness import MIN_STALE_S, Freshness
from rover.telemetry.history import History
from rover.telemetry.latest import Latest
from rover.telemetry.limits import Level, LimitWatch
from rover.telemetry.notify import Notifier
from rover.telemetry.order import ParameterOrder
from rover.telemetry.receivers import open_receivers
from rover.telemetry.values import Unusable, usable_values
from rover.telemetry.views import Views
from rover.wire import dumps
from sources.base import RESERVED, Event, Lossy, Sample, SourceError
from sources.none import Off
from sources.rules import sample_mistake
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from rover.flush import Flusher
    from rover.settings import Settings
    from rover.telemetry.alarms import Action, Alarm
    from rover.telemetry.derived import DerivedParameter
    from rover.telemetry.limits import LimitChange
    from rover.telemetry.translation import Translation
    from sources.base import Parameter, TelemetrySource

logger = logging.getLogger("rover.telemetry")

SOURCE = "telemetry"
"""The name of the only source."""

TICK_S = 1.0
"""Seconds between two checks of the dictionary and of the parameters' periods."""


class Telemetry:
    """The samples of one source, for any number of clients.

    Args:
        source: read by this object only.
        settings: limits of the topic and the history.
        flusher: wakes the subscribers.
        clock: POSIX seconds.
        min_stale_s: seconds of silence before which nothing is stale.
        first_pause_s: seconds before the first restart of the source.
        translation: from the source's names to those of the mission; by default they are the same.
        derived: parameters that are computed from others.

    Attributes:
        alarms: the alarms, raised by the limits.
        events: the events that the source reported.
        notifier: sends the alarms to webhooks and services.
        unusable: number of values that were left out because they are not usable.
        last_unusable: the newest of them.
        latest: the newest value of each parameter.
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
        translation: Translation | None = None,
        derived: Sequence[DerivedParameter] = (),
    ) -> None:
        self.source = source
        self.topic = telemetry_topic(settings, flusher)
        self.views = Views(self.topic, settings, flusher)
        self.alarms = AlarmLog(clock)
        self.events = EventLog()
        self.notifier = Notifier(open_receivers(settings.notify), Level(settings.notify_level))
        self.unusable = 0
        self.last_unusable: Unusable | None = None
        self._guard = Guard("telemetry", source)
        self._translation = None if translation and translation.is_identity else translation
        self._declared = first_dictionary_of(source)
        if translation is not None:
            translation.check(self._declared)
        self._derived = Derived(derived, self._is_stale)
        self._learned = 0  # parameters that only the configuration declares
        self._parameters = self._all_parameters()
        self.history = History(self._parameters, settings.history_samples, settings.history_bytes)
        self._max_sample_bytes = settings.max_sample_bytes
        self._order = ParameterOrder(present=clock)
        self._limits = LimitWatch(self._parameters)
        self._freshness = Freshness(min_stale_s=min_stale_s)
        self._source_freshness = Freshness(min_stale_s=min_stale_s)
        self.latest = Latest(self._freshness, SOURCE, clock)
        self.supervisor = Supervisor(
            "telemetry",
            is_off=isinstance(source, Off),
            silence=self._silence,
            on_change=self._publish_state,
            first_pause_s=first_pause_s,
            clock=clock,
        )
        flusher.mark(self.topic)  # starts heartbeats before the first event

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The dictionary as it is now; some sources learn theirs from samples."""
        self._update_dictionary()
        return self._parameters

    @property
    def declared(self) -> Sequence[str]:
        """The source's own names of the parameters that it declares."""
        return [parameter.name for parameter in self._declared]

    @property
    def health(self) -> Health:
        """The state of the source."""
        return self.supervisor.health

    @property
    def fields(self) -> Collection[str]:
        """The parameters that a client may select: those of the dictionary and those received."""
        return self.history.names

    def latest_values(self, fields: Collection[str] | None = None) -> dict[str, Any]:
        """The newest value of each parameter, with its own time, quality and source.

        Args:
            fields: names of parameters; `None` for all.

        Raises:
            NoDataYet: no value of these parameters has arrived.
        """
        if not self.latest.known(fields):
            raise NoDataYet(f"no value has arrived yet; the source is {self.health.detail}")
        return self.latest.as_json(self._parameters, fields)

    async def run(self) -> None:
        """Publish the source's samples until cancelled."""
        async with create_task_group() as tasks:
            tasks.start_soon(self.views.run)
            tasks.start_soon(self._tick)
            tasks.start_soon(self.notifier.run)
            await self.supervisor.run(self._follow)

    def close(self) -> None:
        """Close the topic: subscribers receive the remaining events."""
        if not self.topic.closed:
            self.topic.close()

    async def _follow(self) -> None:
        async with self._guard.iterate("samples()", self.source.samples) as samples:
            async for sample in samples:
                if isinstance(sample, Event):
                    self._publish_event(sample)
                else:
                    self._publish(sample)
                await checkpoint()  # a source that never waits must not starve the clients

    async def _tick(self) -> None:
        while True:
            await sleep(TICK_S)
            self._update_dictionary()
            for alarm in self.alarms.expire_shelves():
                self._publish_alarm(alarm, "unshelved")
            self._freshness.tick()
            self._source_freshness.tick()

    def _silence(self) -> float | None:
        is_starting = self.health.state is State.STARTING
        if is_starting and isinstance(self.source, Lossy) and self.source.losses.last:
            self.supervisor.unusable(self.source.losses.last)
        try:
            period_s = self._guard.read("period_s", period_of, self.source)
        except SourceError:
            period_s = None  # `_update_dictionary` reports it
        if not self._source_freshness.is_stale(SOURCE, period_s):
            return None
        return self._source_freshness.silent_s(SOURCE)

    def _publish(self, sample: Sample) -> None:
        if self.topic.closed:
            return
        checked = self._usable(sample)
        self._update_dictionary(changed_only=True)
        if checked is None:
            return
        sample, data = checked
        self._record_data()
        self._freshness.record(sample.values)
        newest, late, leads = self._order.place(sample)
        if late is not None:  # it changes neither the latest values nor the alarms
            self.history.add(late, late=True)
            self.topic.publish(SampleEvent(sample_json(late, late=True), late, late=True), at=-inf)
        if newest is None:
            return
        computed, unusable = self._derived.update(newest)
        for value in unusable:
            self._count_unusable(value)
        for one in computed:
            self._freshness.record(one.values)
            if one.t == newest.t:
                newest = Sample(newest.t, {**newest.values, **one.values})
        if newest is not sample:
            data = sample_json(newest)
        self._publish_newest(newest, data, leads=leads)
        for one in computed:
            if one.t != newest.t:
                self._publish_newest(one, sample_json(one), leads=False)

    def _publish_newest(self, sample: Sample, data: str, *, leads: bool) -> None:
        self.history.add(sample)
        self.latest.update(sample)
        # clocks differ: an event is never earlier than the one before it
        self.topic.publish(SampleEvent(data, sample), at=sample.t if leads else -inf)
        for change in self._limits.check(sample):
            self._record(change)

    def _publish_event(self, event: Event) -> None:
        if self.topic.closed:
            return
        if mistake := sample_mistake(event):
            what, _, reason = mistake.text.partition(": ")
            self._reject(Unusable(what, reason))
            return
        self._record_data()
        logged = self.events.add(event, SOURCE)
        self.topic.publish(NamedEvent("event", dumps(logged.as_json())))

    def _record_data(self) -> None:
        self.supervisor.data()
        self._source_freshness.record((SOURCE,))

    def _is_stale(self, parameter: str) -> bool:
        return self._freshness.is_stale(parameter, self._periods_s.get(parameter))

    def _usable(self, sample: Sample) -> tuple[Sample, str] | None:
        """The sample with its usable values, and its JSON; `None` if there are none."""
        try:
            if not sample.values.keys().isdisjoint(RESERVED):
                sample = _renamed(sample)
            if self._translation is not None:
                translated = self._translated(self._translation, sample)
                if translated is None:
                    return None
                sample = translated
            data = sample_json(sample)
            size = len(data.encode())  # raises for text with a lone surrogate
        except (TypeError, ValueError, AttributeError):
            if mistake := sample_mistake(sample):
                what, _, reason = mistake.text.partition(": ")
                self._reject(Unusable(what, reason))
                return None
            usable, unusable = usable_values(sample.values)
            for value in unusable:
                self._count_unusable(value)
            if not usable:
                if unusable:
                    self.supervisor.unusable(str(unusable[-1]))
                return None
            sample = Sample(sample.t, usable)
            try:
                data = sample_json(sample)
            except (TypeError, ValueError) as exc:  # the time is out of range
                self._reject(Unusable("t", str(exc)))
                return None
            size = len(data.encode())
        if size > self._max_sample_bytes:
            largest = max(sample.values, key=lambda name: len(repr(sample.values[name])))
            reason = f"the sample has {size:,} bytes, more than its limit (ROVER_MAX_SAMPLE_BYTES)"
            self._reject(Unusable(largest, reason))
            return None
        return sample, data

    def _translated(self, translation: Translation, sample: Sample) -> Sample | None:
        """The sample with the names of the mission; `None` if no value is left."""
        sample, refused = translation.sample(sample)
        for value in refused:
            self._count_unusable(value)
        if sample.values:
            return sample
        if refused:
            self.supervisor.unusable(str(refused[-1]))
        else:  # all values are excluded on purpose
            self._record_data()
        return None

    def _reject(self, reason: Unusable) -> None:
        self._count_unusable(reason)
        self.supervisor.unusable(str(reason))

    def _count_unusable(self, value: Unusable) -> None:
        self.unusable += 1
        self.last_unusable = value
        if self.unusable.bit_count() == 1:  # the 1st, 2nd, 4th, 8th … only
            logger.warning("telemetry: unusable value %d: %s", self.unusable, value)

    def _update_dictionary(self, *, changed_only: bool = False) -> None:
        """Use the source's dictionary, if it has changed.

        Args:
            changed_only: compare only the number of parameters: cheap enough for each sample.
        """
        learned = len(self._translation.learned) if self._translation is not None else 0
        if (
            changed_only
            and learned == self._learned
            and (self.supervisor.mistake or len(self.source.parameters) == len(self._declared))
        ):
            return
        try:
            declared = self._guard.read("parameters", dictionary_of, self.source, self._declared)
        except SourceError as exc:
            self.supervisor.set_mistake(describe(exc))  # the last valid dictionary remains
            return
        self.supervisor.set_mistake("")
        if declared is self._declared and learned == self._learned:
            return
        self._declared, self._learned = declared, learned
        self._parameters = self._all_parameters()
        self.history.set_parameters(self._parameters)
        if not self.topic.closed:
            self.topic.publish(NamedEvent("dictionary", dictionary_json(self._parameters)))
        for change in self._limits.set_parameters(self._parameters, self.latest.newest):
            self._record(change)

    def _all_parameters(self) -> list[Parameter]:
        declared = self._declared
        if self._translation is not None:
            declared = self._translation.parameters(declared)
        parameters = [*declared, *self._derived.parameters]
        self._periods_s = {one.name: one.period_s for one in parameters}
        return parameters

    def acknowledge(self, alarm_id: str, by: str, comment: str) -> Alarm:
        """Record that a person has seen an alarm, and publish that.

        Raises:
            UnknownAlarm: no alarm has that id, or it has ended and was acknowledged.
        """
        alarm = self.alarms.acknowledge(alarm_id, by, comment)
        logger.info("telemetry: %s acknowledged the alarm of %s", by, alarm.parameter)
        self._publish_alarm(alarm, "acknowledged")
        return alarm

    def shelve(self, alarm_id: str, by: str, comment: str, minutes: int) -> Alarm:
        """Shelve an alarm for some minutes, and publish that.

        Raises:
            UnknownAlarm: no alarm has that id, or it has ended and was acknowledged.
        """
        alarm, action = self.alarms.shelve(alarm_id, by, comment, minutes)
        logger.info(
            "telemetry: %s %s the alarm of %s for %d min", by, action, alarm.parameter, minutes
        )
        self._publish_alarm(alarm, action)
        return alarm

    def alarm_events(self) -> bytes:
        """The latched alarms as events without ids, for a client that connects."""
        return self.alarms.latched_events()

    def _record(self, change: LimitChange) -> None:
        alarm, action = self.alarms.apply(change)
        if alarm.count.bit_count() == 1:  # the 1st, 2nd, 4th, 8th … time that it was raised only
            log = logger.warning if alarm.is_active else logger.info
            log("telemetry: %s (raised %d times)", alarm, alarm.count)
        self._publish_alarm(alarm, action, change.was)

    def _publish_alarm(self, alarm: Alarm, action: Action, was: Level | None = None) -> None:
        self.notifier.report(
            alarm, action, alarm.level if was is None else was, self.alarms.as_json
        )
        if not self.topic.closed:
            self.topic.publish(NamedEvent("alarm", self.alarms.event_json(alarm, action, was)))

    def _publish_state(self, health: Health) -> None:
        if not self.topic.closed:
            self.topic.publish(NamedEvent("state", self.state_json()))

    def state_json(self) -> str:
        """The state of the source, and its unusable values, as JSON."""
        last = None if self.last_unusable is None else str(self.last_unusable)
        return state_json(self.health, self.unusable, last)


def _renamed(sample: Sample) -> Sample:
    """The sample with the names in `RESERVED` renamed: `late` becomes `late_sent`."""
    values = {f"{k}_sent" if k in RESERVED else k: value for k, value in sample.values.items()}
    return Sample(sample.t, values)
