"""From the telemetry sources to one topic that all clients follow, and a history by time.

    source.samples() ─▶ usable values ─▶ order per parameter ─▶ history, latest, limits ─▶ topic

Each source is a `Feed` with a supervisor of its own. When a source fails, clients stay connected
and receive its state.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from anyio import create_task_group, sleep

from rover.errors import LogDamaged, NoDataYet
from rover.supervise import FIRST_PAUSE_S, Health, State, source_key, worst
from rover.telemetry.alarms import AlarmLog, event_json
from rover.telemetry.derived import Derived
from rover.telemetry.event_log import MAX_EVENTS, EventLog
from rover.telemetry.events import (
    NamedEvent,
    SampleEvent,
    dictionary_json,
    sample_json,
    telemetry_topic,
)
from rover.telemetry.feed import Feed
from rover.telemetry.freshness import MIN_STALE_S, Freshness
from rover.telemetry.history import History
from rover.telemetry.latest import Latest
from rover.telemetry.limits import Level, LimitWatch
from rover.telemetry.mission_dictionary import MissionDictionary
from rover.telemetry.names import ParameterNames
from rover.telemetry.notify import Notifier
from rover.telemetry.order import ParameterOrder
from rover.telemetry.receivers import open_receivers
from rover.telemetry.recorder import Recorder
from rover.telemetry.records import (
    STREAM,
    note_deletion,
    telemetry_store,
)
from rover.telemetry.translation import ParameterChange, Translation
from rover.telemetry.views import Views
from rover.wire import dumps, sse
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from rover.flush import Flusher
    from rover.logs.base import Log
    from rover.settings import Settings
    from rover.telemetry.alarm import Action, Alarm
    from rover.telemetry.derived import DerivedParameter
    from sources.base import Event, Parameter, TelemetrySource

logger = logging.getLogger("rover.telemetry")

ONLY = "telemetry"
"""The name of a source that is the only one."""

DAY_S = 86_400.0

RESUMABLE_SHARE = 4
"""Events among which clients resume take this fraction of `ROVER_KEEP_BYTES` at most."""

TICK_S = 1.0
"""Seconds between two checks of the dictionary and of the parameters' periods."""


Translate = Callable[[str, Callable[[str], str] | None], Translation]
"""Makes the translation of a source, by its name. The second argument gives the name of a parameter
in the mission; `None` keeps it."""


class Telemetry:
    """The samples of all sources, for any number of clients.

    Args:
        sources: by name, or the only one; read by this object only.
        settings: limits of the topic and the history.
        flusher: wakes the subscribers.
        clock: POSIX seconds.
        min_stale_s: seconds of silence before which nothing is stale.
        first_pause_s: seconds before the first restart of a source.
        translate: from the names of each source to those of the mission; by default they are the
            same.
        derived: parameters that are computed from others.
        changes: the settings of parameters in the configuration, by name.
        log: keeps the telemetry; `None` if a restart may forget it.
        retention: POSIX seconds, for `keep_days`; by default those of the machine.

    Attributes:
        feeds: one for each source, by name.
        alarms: the alarms, raised by the limits.
        events: the events that the sources reported.
        notifier: sends the alarms to webhooks and services.
        latest: the newest value of each parameter.
        on_alarm: called with each changed alarm, the action, and its level before.
    """

    def __init__(
        self,
        sources: TelemetrySource | Mapping[str, TelemetrySource],
        settings: Settings,
        flusher: Flusher,
        clock: Callable[[], float] = time,
        *,
        min_stale_s: float = MIN_STALE_S,
        first_pause_s: float = FIRST_PAUSE_S,
        translate: Translate = lambda _, publish_as: Translation(publish_as=publish_as),
        derived: Sequence[DerivedParameter] = (),
        changes: Mapping[str, ParameterChange] | None = None,
        log: Log | None = None,
        retention: Callable[[], float] | None = None,
    ) -> None:
        by_name = sources if isinstance(sources, Mapping) else {ONLY: sources}
        self._names = ParameterNames()

        def feed(name: str, source: TelemetrySource) -> Feed:
            publish_as = self._names.publish_as(name) if len(by_name) > 1 else None
            return Feed(
                name,
                source_key("telemetry", name),
                source,
                translate(name, publish_as),
                settings.max_sample_bytes,
                publish=self._publish,
                publish_event=self._publish_event,
                on_change=self._publish_state,
                min_stale_s=min_stale_s,
                first_pause_s=first_pause_s,
                clock=clock,
            )

        self.feeds = {name: feed(name, source) for name, source in by_name.items()}
        store = None if log is None else telemetry_store(log, clock)
        self.topic = telemetry_topic(
            settings, flusher, store=store, max_bytes=_resumable_bytes(settings, log)
        )
        self.views = Views(self.topic, settings, flusher)
        self.alarms = AlarmLog(clock, log, self._publish_alarm)
        self.events = EventLog()
        self.notifier = Notifier(open_receivers(settings.notify), Level(settings.notify_level))
        self.on_alarm: Callable[[Alarm, Action, Level], None] = lambda *_: None
        self._derived = Derived(derived, self._is_stale)
        self._dictionary = MissionDictionary(self.feeds, self._derived, changes or {}, log)
        file = None if log is None else log.file
        self.history = History(
            self._dictionary.parameters,
            path=file,
            recorded=None if log is None else log.recorded,
            max_bytes=settings.history_bytes if file is None else settings.keep_bytes,
            max_age_s=settings.keep_days * DAY_S,
            retention=retention,
            report_damage=None if log is None else log.report_damage,
        )
        self._clock = clock
        self._order = ParameterOrder(present=clock)
        self._limits = LimitWatch(self._dictionary.parameters)
        ended_at = None if log is None else log.ended_at
        present = clock if ended_at is None else lambda: ended_at
        elapsed = monotonic if ended_at is None else present
        self._freshness = Freshness(elapsed, min_stale_s)
        self.latest = Latest(self._freshness, self.source_of, self._is_silent, present)
        self._log = log
        parts = self.topic, self.latest, self._order, self._freshness, self.history, present
        self._recorder = None if log is None else Recorder(log, *parts)
        flusher.mark(self.topic)  # starts heartbeats before the first event

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The dictionary as it is now; some sources learn theirs from samples."""
        self._update_dictionary()
        return self._dictionary.parameters

    @property
    def health(self) -> Health:
        """The state of the source; of several sources, the worst."""
        return worst(feed.health for feed in self.feeds.values())

    def source_of(self, parameter: str) -> str:
        """The name of the source that a parameter belongs to; `derived` if it is computed."""
        if parameter in self._derived.names:
            return "derived"
        if len(self.feeds) == 1:
            return next(iter(self.feeds))
        return self._names.source_of(parameter)

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
        return self.latest.as_json(self._dictionary.parameters, fields)

    def live_numbers(self) -> Iterator[tuple[str, str, float]]:
        """The name, the source and the newest value of each parameter that is live and a number.

        The iterator may be used in another thread.
        """
        numbers = self.latest.live_numbers(self._dictionary.periods_s)
        return ((name, self.source_of(name), value) for name, value in numbers)

    async def load(self) -> None:
        """Restore the telemetry from the log; call it before `run`."""
        if self._log is None or self._recorder is None:
            return
        await self._recorder.load()
        self._dictionary.restore(lambda name: self.latest.known([name]))
        self.history.set_parameters(self._dictionary.parameters)
        self._limits.set_parameters(self._dictionary.parameters)
        self._dictionary.save()
        with suppress(LogDamaged):
            if not await self._dictionary.is_recorded():
                self.publish_named("dictionary", dictionary_json(self._dictionary.parameters))
            events = await self._log.read(STREAM, kinds=("event",), limit=MAX_EVENTS, newest=True)
            self.events.restore(events)
        self.alarms.restore()
        for alarm in self.alarms.latched:
            if alarm.is_active:
                self._limits.restore(alarm.as_change())
        if all(feed.declared for feed in self.feeds.values()):
            for change in self._limits.check_restored(self.latest.newest):
                self.alarms.apply(change)

    async def synced(self) -> None:
        """Return when everything published so far survives a power cut, or the log fails."""
        if self._log is not None:
            await self._log.sync()

    async def run(self) -> None:
        """Publish the samples of all sources until cancelled."""
        async with create_task_group() as tasks:
            for run in (self.views.run, self._tick, self.notifier.run, self.history.run):
                tasks.start_soon(run)
            for feed in self.feeds.values():
                tasks.start_soon(feed.run)

    def close(self) -> None:
        """Close the topic: subscribers receive the remaining events."""
        if not self.topic.closed:
            self.topic.close()

    async def _tick(self) -> None:
        while True:
            await sleep(TICK_S)
            self._update_dictionary()
            self.alarms.expire_shelves()
            self._freshness.tick()
            for feed in self.feeds.values():
                feed.tick()
            if self._recorder is not None:
                self._recorder.save()
                self._recorder.drop_archived()
            if self._log is not None and self.history.has_deleted:
                note_deletion(self._log)

    def _publish(self, feed: Feed, sample: Sample, data: str) -> None:
        if self.topic.closed:
            return
        if feed.update_dictionary(changed_only=True):
            self._publish_dictionary()
        self._freshness.record(sample.values)
        newest, late, leads = self._order.place(sample)
        if late is not None:  # it changes neither the latest values nor the alarms
            late_data = sample_json(late, late=True)
            event = self.topic.publish(SampleEvent(late_data, late, late=True), at=-inf)
            offset, size, at = event.offset, len(late_data), self._clock()
            self.history.add(late, late=True, offset=offset, size=size, at=at)
        if newest is None:
            return
        computed, unusable = self._derived.update(newest)
        for value in unusable:
            feed.count_unusable(value)
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
        self.latest.update(sample)
        # clocks differ: an event is never earlier than the one before it
        event = SampleEvent(data, sample, leads=leads)
        event_id = self.topic.publish(event, at=sample.t if leads else -inf)
        self.history.add(sample, offset=event_id.offset, size=len(data), at=self._clock())
        for change in self._limits.check(sample):
            self.alarms.apply(change)

    def _publish_event(self, feed: Feed, event: Event) -> None:
        if not self.topic.closed:
            logged = self.events.add(event, feed.name)
            self.publish_named("event", dumps(logged.as_json()), logged.t)

    def _is_silent(self, parameter: str) -> bool:
        feed = self.feeds.get(self.source_of(parameter))
        return feed is not None and feed.health.state in (State.DOWN, State.STALE)

    def _is_stale(self, parameter: str) -> bool:
        return self._freshness.is_stale(parameter, self._dictionary.periods_s.get(parameter))

    def _update_dictionary(self) -> None:
        changed = [feed.update_dictionary() for feed in self.feeds.values()]
        if any(changed):
            self._publish_dictionary()

    def _publish_dictionary(self) -> None:
        self._dictionary.collect()
        self._dictionary.save()
        parameters = self._dictionary.parameters
        self.history.set_parameters(parameters)
        self.publish_named("dictionary", dictionary_json(parameters))
        for change in self._limits.set_parameters(parameters, self.latest.newest):
            self.alarms.apply(change)

    def state_events(self, retry_ms: int) -> bytes:
        """The state of each source as an event without an id, for a client that connects.

        Args:
            retry_ms: time that the client waits before it reconnects, in milliseconds.
        """
        states = (feed.state_json() for feed in self.feeds.values())
        return b"".join(sse(data, event="state", retry_ms=retry_ms) for data in states)

    def _publish_alarm(self, alarm: Alarm, action: Action, was: Level) -> None:
        record = self.alarms.as_json(alarm)
        self.notifier.report(alarm, action, was, record)
        self.on_alarm(alarm, action, was)
        self.publish_named("alarm", event_json(record, action, was))

    def _publish_state(self, feed: Feed) -> None:
        self.publish_named("state", feed.state_json())

    def publish_named(self, name: str, data: str, t: float | None = None) -> None:
        """Publish an event that is not a sample.

        Args:
            name: of the event.
            data: JSON.
            t: POSIX seconds, if the event has a time of its own.
        """
        if not self.topic.closed:
            event_id = self.topic.publish(NamedEvent(name, data, t))
            if self._recorder is not None:
                self._recorder.named.note(event_id.offset)


def _resumable_bytes(settings: Settings, log: Log | None) -> int:
    """Maximum bytes of the events among which clients resume.

    The log stores them in the same file as the archive, which has the rest of its maximum size.
    """
    most = settings.keep_bytes // RESUMABLE_SHARE
    if log is None or log.file is None or log.recorded or settings.telemetry_bytes <= most:
        return settings.telemetry_bytes
    logger.warning(
        "ROVER_KEEP_BYTES=%d: clients resume among the newest %d bytes of telemetry only, "
        "instead of ROVER_TELEMETRY_BYTES=%d",
        settings.keep_bytes,
        most,
        settings.telemetry_bytes,
    )
    return most
