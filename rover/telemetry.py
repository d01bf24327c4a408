"""From a telemetry source to one topic that everyone follows, and the newest sample at hand.

    source.samples() ──▶ encode once ──▶ topic ──▶ readers

The source runs under a supervisor: when it fails, readers stay and are told its state.
"""

from __future__ import annotations

import logging
from time import time
from typing import TYPE_CHECKING, NamedTuple

from rover.errors import NothingYet
from rover.supervise import Health, Supervisor
from rover.topic import EventId, Topic
from rover.wire import dumps, iso, sse
from sources.base import Paced

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.flush import Flusher
    from rover.settings import Settings
    from sources.base import Sample, TelemetrySource

logger = logging.getLogger("rover.telemetry")

STALE_PERIODS = 5
"""A source that misses so many of its own periods in a row is stale."""

STALE_LEAST_S = 2.0


class News(NamedTuple):
    """One event of the telemetry topic: a sample has no name, everything else has one."""

    name: str | None
    data: str


def encode_news(event_id: EventId, news: News) -> bytes:
    """The news as a server-sent event."""
    return sse(news.data, event=news.name, event_id=event_id)


class Telemetry:
    """One source's samples for any number of readers.

    Args:
        source: read by this object only.
        settings: bounds of the topic.
        flusher: wakes the readers.
        clock: POSIX seconds.
    """

    def __init__(
        self,
        source: TelemetrySource,
        settings: Settings,
        flusher: Flusher,
        clock: Callable[[], float] = time,
    ) -> None:
        self.source = source
        self.parameters = tuple(source.parameters)
        self.topic: Topic[News, bytes] = Topic(
            encode_news,
            size=len,
            max_events=settings.telemetry_events,
            max_bytes=settings.telemetry_bytes,
            notify=flusher.mark,
        )
        self.dropped_samples = 0
        self._max_sample_bytes = settings.max_sample_bytes
        self._latest: tuple[float, str] | None = None
        period_s = source.period_s if isinstance(source, Paced) else None
        self.supervisor = Supervisor(
            "telemetry",
            stale_after_s=period_s and max(STALE_PERIODS * period_s, STALE_LEAST_S),
            on_change=self._tell,
            clock=clock,
        )
        flusher.mark(self.topic)  # from now on, silence is filled with heartbeats

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
            raise NothingYet(f"no sample has come yet; the source is {self.health.detail}")
        return self._latest[1]

    async def run(self) -> None:
        """Publish what the source says, until cancelled."""
        await self.supervisor.run(self._follow)

    def close(self) -> None:
        """End the topic: readers get what is left."""
        if not self.topic.closed:
            self.topic.close()

    async def _follow(self) -> None:
        async for sample in self.source.samples():
            self.supervisor.heard()
            self._publish(sample)

    def _publish(self, sample: Sample) -> None:
        try:
            data = dumps({**sample.values, "t": iso(sample.t)})
        except (TypeError, ValueError) as exc:
            self._drop(f"it cannot be told as JSON: {exc}")
            return
        if len(data) > self._max_sample_bytes:
            self._drop(f"it has {len(data):,} bytes, more than ROVER_MAX_SAMPLE_BYTES allows")
            return
        if self._latest is None or sample.t >= self._latest[0]:
            self._latest = (sample.t, data)
        if not self.topic.closed:
            self.topic.publish(News(None, data))

    def _drop(self, reason: str) -> None:
        self.dropped_samples += 1
        if self.dropped_samples.bit_count() == 1:  # the 1st, 2nd, 4th, 8th …: told, never a flood
            logger.warning("telemetry: dropped sample no. %d: %s", self.dropped_samples, reason)

    def _tell(self, health: Health) -> None:
        if not self.topic.closed:
            self.topic.publish(News("state", state_json(health)))


def state_json(health: Health) -> str:
    """A source's health as clients see it."""
    return dumps({"state": health.state, "detail": health.detail, "since": iso(health.since)})
