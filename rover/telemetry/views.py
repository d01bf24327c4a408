"""Telemetry as a reader asked for it: some fields only, or no more than so many samples a second.

A view is itself a reader of the telemetry topic, and a topic for its own readers: what it shows is
encoded once a view, not once a reader. Its events keep the offsets of the telemetry's, so an id of
one resumes in the other.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from anyio import CancelScope, Event, create_task_group, move_on_after, sleep

from rover.errors import NotStarted, TooManyViews
from rover.telemetry.events import News, news_topic
from rover.topic import Batch, Gap, Topic
from rover.wire import dumps, sse_parts
from sources.base import RESERVED

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from rover.flush import Flusher
    from rover.settings import Settings
    from rover.topic import Beat

UNUSED_S = 60.0
"""A view that nobody reads for so long is dropped; whoever asks for it again has it made anew."""


BRIEFLY_UNUSED_S = 1.0
"""Where views are short, one that nobody reads for so long makes room: its reader is not just
about to come."""


class Look(NamedTuple):
    """What a reader asked for.

    Attributes:
        fields: sorted names of parameters; `None` for all.
        hz: at most so many samples a second, the newest of each period; `None` for every one.
    """

    fields: tuple[str, ...] | None = None
    hz: float | None = None


class Pending(NamedTuple):
    """A sample that may yet be folded into a newer one."""

    offset: int
    at: float
    period: int
    sample: dict[str, Any]


class View:
    """One look at the telemetry, kept up by a task of its own.

    Named events (`state`, `alarm`) pass at once and unchanged. A sample without any of the fields
    is left out. With `hz`, a sample says in `folded` how many came before it in its period.
    """

    def __init__(
        self, look: Look, source: Topic[News, bytes], settings: Settings, flusher: Flusher
    ) -> None:
        self.look = look
        self.topic = news_topic(settings, flusher, source.epoch)
        self.used_at = monotonic()
        self.caught_up = Event()
        self._source = source
        self._period_s = 0.0 if look.hz is None else 1 / look.hz
        self._pending: Pending | None = None
        self._folded = 0
        self._due = 0.0
        self._scope = CancelScope()
        flusher.mark(self.topic)

    def drop(self) -> None:
        """End the view and its task."""
        self._scope.cancel()
        self.caught_up.set()
        self.topic.close()

    async def run_until_dropped(self) -> None:
        """Keep the view up."""
        with self._scope:
            await self.run()

    async def run(self) -> None:
        """Show what the telemetry topic retains, then what comes, until that topic is closed."""
        with self._source.subscribe(last=len(self._source)) as events:
            self.topic.skip(events.position.offset, self._source.floor_time)
            past = self._source.last_id.offset
            while True:
                caught_up = events.position.offset >= past
                if caught_up and monotonic() >= self._due:
                    self._show_pending(live=True)
                if caught_up:
                    self.caught_up.set()
                waiting = caught_up and self._pending is not None
                with move_on_after(self._due - monotonic() if waiting else None):
                    try:
                        self._hear(await anext(events), past)
                    except StopAsyncIteration:
                        break
        self._show_pending(live=True)
        self.topic.close()

    def _hear(self, news: Batch[bytes] | Gap | Beat, past: int) -> None:
        if isinstance(news, Batch):
            for offset, frame in zip(news.offsets, news.frames, strict=True):
                self._take(offset, frame, live=offset > past)
        elif isinstance(news, Gap):  # this task was slower than the ring: said on, not hidden
            self._pending, self._folded = None, 0
            self.topic.skip(news.resumed.offset - 1)

    def _take(self, offset: int, frame: bytes, *, live: bool) -> None:
        self.topic.reach(offset)
        name, data = sse_parts(frame)
        if name is not None:
            self._show_pending(live=live)
            self.topic.publish(News(name, data), offset=offset)
            return
        sample = json.loads(data)
        t = datetime.fromisoformat(sample["t"]).timestamp()
        at = -math.inf if "late" in sample else t
        if (shown := self._chosen(sample)) is None:
            return
        if self.look.hz is None:
            self.topic.publish(News(None, dumps(shown)), offset=offset, at=at)
            return
        period = math.floor(t * self.look.hz)
        if self._pending is not None:
            over = monotonic() >= self._due if live else period != self._pending.period
            if over:
                self._show_pending(live=live)
            else:
                self._folded += 1
        self._pending = Pending(offset, at, period, shown)

    def _chosen(self, sample: dict[str, Any]) -> dict[str, Any] | None:
        if self.look.fields is None:
            return sample
        fields = {name: sample[name] for name in self.look.fields if name in sample}
        if not fields:
            return None
        return fields | {name: sample[name] for name in RESERVED if name in sample}

    def _show_pending(self, *, live: bool) -> None:
        if self._pending is None:
            return
        offset, at, _, sample = self._pending
        data = dumps({**sample, "folded": self._folded})
        self.topic.publish(News(None, data), offset=offset, at=at)
        self._pending, self._folded = None, 0
        self._due = monotonic() + self._period_s if live else 0.0


class Views:
    """The views that readers have asked for.

    Args:
        source: the telemetry topic.
        settings: how many views there may be, and how much each retains.
        flusher: wakes their readers.
    """

    def __init__(self, source: Topic[News, bytes], settings: Settings, flusher: Flusher) -> None:
        self._source = source
        self._settings = settings
        self._flusher = flusher
        self._views: dict[Look, View] = {}
        self._tasks: TaskGroup | None = None

    def __len__(self) -> int:
        return len(self._views)

    async def run(self) -> None:
        """Keep the views up, until cancelled."""
        async with create_task_group() as tasks:
            self._tasks = tasks
            try:
                while True:
                    await sleep(UNUSED_S / 4)
                    self._drop_unused(UNUSED_S)
            finally:
                self._tasks = None
                self._views.clear()

    async def topic(self, look: Look) -> Topic[News, bytes]:
        """The topic that shows this look, with all that the telemetry topic retains in it.

        Raises:
            TooManyViews: there are as many different ones as the settings allow.
            NotStarted: `run` is not running.
        """
        if look == Look():
            return self._source
        view = self._views.get(look)
        if view is None:
            view = self._open(look)
        view.used_at = monotonic()
        await view.caught_up.wait()
        return view.topic

    def _open(self, look: Look) -> View:
        if self._tasks is None:
            raise NotStarted
        if len(self._views) >= self._settings.max_views:
            self._drop_unused(BRIEFLY_UNUSED_S)
        if len(self._views) >= self._settings.max_views:
            raise TooManyViews(self._settings.max_views)
        view = self._views[look] = View(look, self._source, self._settings, self._flusher)
        self._tasks.start_soon(view.run_until_dropped)
        return view

    def _drop_unused(self, unused_s: float) -> None:
        now = monotonic()
        for look, view in list(self._views.items()):
            if view.topic.readers or not view.caught_up.is_set():
                view.used_at = now
            elif view.topic.closed or now - view.used_at > unused_s:
                view.drop()
                del self._views[look]
