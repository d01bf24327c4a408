"""The events of the telemetry topic, as every reader and every view of it gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rover.topic import Topic
from rover.wire import dumps, iso, sse

if TYPE_CHECKING:
    from rover.flush import Flusher
    from rover.settings import Settings
    from rover.supervise import Health
    from rover.telemetry.limits import Alarm
    from rover.topic import EventId
    from sources.base import Sample


class News(NamedTuple):
    """One event: a sample has no name, everything else has one."""

    name: str | None
    data: str


def encode_news(event_id: EventId, news: News) -> bytes:
    """The news as a server-sent event."""
    return sse(news.data, event=news.name, event_id=event_id)


def news_topic(
    settings: Settings, flusher: Flusher, epoch: str | None = None
) -> Topic[News, bytes]:
    """A topic of telemetry, with the settings' bounds, whose readers the flusher wakes."""
    return Topic(
        encode_news,
        size=len,
        max_events=settings.telemetry_events,
        max_bytes=settings.telemetry_bytes,
        notify=flusher.mark,
        epoch=epoch,
    )


def sample_json(sample: Sample, *, late: bool = False) -> str:
    """A sample as flat JSON.

    Args:
        sample: as measured.
        late: whether a newer one was told already.

    Raises:
        TypeError: a value cannot be told as JSON.
        ValueError: its time is not one.
    """
    ours: dict[str, object] = {"t": iso(sample.t)}
    if late:
        ours["late"] = True
    return dumps({**ours, **sample.values, **ours})


def state_json(health: Health) -> str:
    """A source's health."""
    return dumps({"state": health.state, "detail": health.detail, "since": iso(health.since)})


def alarm_json(alarm: Alarm, t: float) -> str:
    """An alarm, and the time of the sample that rang it."""
    return dumps(
        {
            "t": iso(t),
            "parameter": alarm.parameter,
            "level": alarm.level,
            "was": alarm.was,
            "value": alarm.value,
            "side": alarm.bound.side,
            "threshold": alarm.bound.threshold,
        }
    )
