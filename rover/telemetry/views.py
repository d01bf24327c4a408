"""Views of the telemetry: selected fields, or a limited number of samples a second.

A view subscribes to the telemetry topic, and is a topic for its own subscribers. It filters values,
and encodes the result once per view, not once per client. Its events keep the offsets of the
telemetry topic, so an id of one resumes in the other.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, NamedTuple

from anyio import CancelScope, Event, Lock, create_task_group, move_on_after, sleep
from anyio.lowlevel import checkpoint

from rover.errors import NotStarted
from rover.shares import Pool
from rover.telemetry.events import SampleEvent, sample_json, telemetry_topic
from rover.topic import Batch, Gap, Topic
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from rover.flush import Flusher
    from rover.settings import Settings
    from rover.telemetry.events import TelemetryEvent
    from rover.topic import Heartbeat

SLICE_S = 0.005
"""Seconds after which a view that reads many events lets other tasks run."""

UNUSED_TIMEOUT_S = 60.0
"""Seconds without a subscriber after which a view ends. A later request opens it again."""

BUSY_UNUSED_TIMEOUT_S = 1.0
"""Seconds after which an unused view ends if another view needs its place.

It is not 0: the client that just opened a view subscribes a moment later.
"""


class Selection(NamedTuple):
    """The parameters and the rate that a client requested.

    Attributes:
        fields: sorted names of parameters; `None` for all.
        hz: maximum number of samples a second, the newest of each period; `None` for all.
    """

    fields: tuple[str, ...] | None = None
    hz: float | None = None


class PendingSample(NamedTuple):
    """The newest sample of a period that has not ended."""

    offset: int
    at: float
    period: int
    late: bool
    sample: Sample


class View:
    """One selection of the telemetry, kept up to date by a task of its own.

    It first reads what the telemetry topic retains, in turn with other new views.

    Named events (`state`, `alarm`, `dictionary`) pass at once and unchanged. A sample without any
    of the fields is left out. With `hz`, a sample's key `folded` counts the samples that it
    replaces.
    """

    def __init__(
        self,
        selection: Selection,
        source: Topic[TelemetryEvent, bytes],
        settings: Settings,
        flusher: Flusher,
        clock: Callable[[], float] = monotonic,
        client: str | None = None,
        replay: Lock | None = None,
    ) -> None:
        self.selection = selection
        self.client = client
        self._replay = replay or Lock()
        self.topic = telemetry_topic(settings, flusher, source.epochs)
        self.used_at = clock()
        self.caught_up = Event()
        self._source = source
        self._clock = clock
        self._period_s = 0.0 if selection.hz is None else 1 / selection.hz
        self._pending: PendingSample | None = None
        self._folded = 0
        self._due = 0.0
        self._scope = CancelScope()
        flusher.mark(self.topic)

    def close(self) -> None:
        """End the view and its task."""
        self._scope.cancel()
        self.caught_up.set()
        self.topic.close()

    async def run_until_closed(self) -> None:
        """Keep the view up to date until `close`."""
        with self._scope:
            await self.run()

    async def run(self) -> None:
        """Publish the retained telemetry, then new events, until the telemetry topic closes."""
        with self._source.subscribe(last=len(self._source)) as events:
            self.topic.expire_to(events.position.offset, self._source.expired_time)
            past = self._source.last_id.offset
            while True:
                caught_up = events.position.offset >= past
                if caught_up and self._clock() >= self._due:
                    self._publish_pending(live=True)
                if caught_up:
                    self.caught_up.set()
                waiting = caught_up and self._pending is not None
                news: Batch[TelemetryEvent, bytes] | Gap | Heartbeat | None = None
                with move_on_after(self._due - self._clock() if waiting else None):
                    try:
                        news = await anext(events)
                    except StopAsyncIteration:
                        break
                if isinstance(news, Batch):
                    async with nullcontext() if caught_up else self._replay:
                        await self._update(news, past)
                elif isinstance(news, Gap):  # this task was too slow: report the same gap
                    self._pending, self._folded = None, 0
                    self.topic.expire_to(news.resumed.offset - 1)
        self._publish_pending(live=True)
        self.topic.close()

    async def _update(self, batch: Batch[TelemetryEvent, bytes], past: int) -> None:
        began = perf_counter()
        for offset, event in zip(batch.offsets, batch.items, strict=True):
            if perf_counter() - began > SLICE_S:
                await checkpoint()
                began = perf_counter()
            self.topic.accept_ids_to(offset)
            if isinstance(event, SampleEvent):
                self._add(offset, event, live=offset > past)
            else:
                self._publish_pending(live=offset > past)
                self.topic.publish(event, offset=offset)

    def _add(self, offset: int, event: SampleEvent, *, live: bool) -> None:
        if (sample := self._select(event.sample)) is None:
            return
        at = -math.inf if event.late else sample.t
        if self.selection.hz is None:
            data = event.data if sample is event.sample else sample_json(sample, late=event.late)
            self.topic.publish(SampleEvent(data, sample, event.late), offset=offset, at=at)
            return
        period = math.floor(sample.t * self.selection.hz)
        if self._pending is not None:
            ended = self._clock() >= self._due if live else period != self._pending.period
            if ended:
                self._publish_pending(live=live)
            else:
                self._folded += 1
        self._pending = PendingSample(offset, at, period, event.late, sample)

    def _select(self, sample: Sample) -> Sample | None:
        if self.selection.fields is None:
            return sample
        values = {
            name: sample.values[name] for name in self.selection.fields if name in sample.values
        }
        return Sample(sample.t, values) if values else None

    def _publish_pending(self, *, live: bool) -> None:
        if self._pending is None:
            return
        offset, at, _, late, sample = self._pending
        data = sample_json(sample, late=late, folded=self._folded)
        self.topic.publish(SampleEvent(data, sample, late), offset=offset, at=at)
        self._pending, self._folded = None, 0
        self._due = self._clock() + self._period_s if live else 0.0


class Views:
    """The views that clients have requested.

    Args:
        source: the telemetry topic.
        settings: maximum number of views, and how much each retains.
        flusher: wakes their subscribers.
        clock: monotonic seconds.

    Attributes:
        pool: the open views. A view counts for the client that opened it, until it closes.
    """

    def __init__(
        self,
        source: Topic[TelemetryEvent, bytes],
        settings: Settings,
        flusher: Flusher,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._source = source
        self._settings = settings
        self._flusher = flusher
        self._clock = clock
        self._views: dict[Selection, View] = {}
        self.pool = Pool("views", "ROVER_MAX_VIEWS", settings.max_views, settings.client_share)
        self._replay = Lock()  # one view replays at a time
        self._tasks: TaskGroup | None = None
        self._closed_bytes = 0

    @property
    def delivered_bytes(self) -> int:
        """Bytes that were delivered to subscribers of all views so far."""
        open_ = sum(view.topic.delivered_bytes for view in self._views.values())
        return self._closed_bytes + open_

    def __len__(self) -> int:
        return len(self._views)

    async def run(self) -> None:
        """Keep the views up to date until cancelled."""
        async with create_task_group() as tasks:
            self._tasks = tasks
            try:
                while True:
                    await sleep(UNUSED_TIMEOUT_S / 4)
                    self.close_unused(UNUSED_TIMEOUT_S)
            finally:
                self._tasks = None
                for view in self._views.values():
                    self.pool.release(view.client)
                self._views.clear()

    async def topic(
        self, selection: Selection, client: str | None = None
    ) -> Topic[TelemetryEvent, bytes]:
        """The topic of a selection, with all that the telemetry topic retains of it.

        Args:
            selection: of the client.
            client: who requested it; `None` is this program.

        Raises:
            PoolFull: `max_views` other selections are in use, or the client's share of them.
            NotStarted: `run` is not running.
        """
        if selection == Selection():
            return self._source
        view = self._views.get(selection)
        if view is None:
            view = self._open(selection, client)
        view.used_at = self._clock()
        await view.caught_up.wait()
        return view.topic

    def _open(self, selection: Selection, client: str | None) -> View:
        if self._tasks is None:
            raise NotStarted
        if self.pool.is_full(client):
            self.close_unused(BUSY_UNUSED_TIMEOUT_S)
        self.pool.acquire(client)
        view = View(
            selection,
            self._source,
            self._settings,
            self._flusher,
            self._clock,
            client,
            self._replay,
        )
        self._views[selection] = view
        self._tasks.start_soon(view.run_until_closed)
        return view

    @property
    def open(self) -> int:
        """Number of views with subscribers. The others close soon, or if a place is needed."""
        return sum(bool(view.topic.subscribers) for view in self._views.values())

    def close_unused(self, timeout_s: float) -> None:
        """Close the views that have had no subscriber for `timeout_s`."""
        now = self._clock()
        for selection, view in list(self._views.items()):
            if view.topic.subscribers or not view.caught_up.is_set():
                view.used_at = now
            elif view.topic.closed or now - view.used_at > timeout_s:
                view.close()
                self._closed_bytes += view.topic.delivered_bytes
                del self._views[selection]
                self.pool.release(view.client)
