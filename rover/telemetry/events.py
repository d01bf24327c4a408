"""The events of the telemetry topic, and their JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

from rover.topic import Topic
from rover.wire import dumps, iso, sse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rover.events import Epochs
    from rover.flush import Flusher
    from rover.logs.store import Store
    from rover.settings import Settings
    from rover.supervise import Health
    from rover.topic import EventId
    from sources.base import Parameter, Sample


BEAT_INTERVAL_S = 3.0
"""Maximum seconds without an event on a telemetry stream.

A page notices a dead connection by them: `EventSource` hides comments.
"""

BEAT = sse("{}", event="beat")
"""The heartbeat of telemetry streams."""


class NamedEvent(NamedTuple):
    """An event that is not a sample: `state`, `alarm`, `dictionary` or `event`.

    Attributes:
        name: the event's name.
        data: JSON.
        t: its own time in POSIX seconds; `None` if it has none.
    """

    name: str
    data: str
    t: float | None = None


class SampleEvent(NamedTuple):
    """A sample, which clients receive as an unnamed event.

    Attributes:
        data: JSON of the sample.
        sample: the same as values.
        late: whether it is older than a sample before it.
        leads: whether no parameter has a newer time.
    """

    data: str
    sample: Sample
    late: bool = False
    leads: bool = True


TelemetryEvent = NamedEvent | SampleEvent

TelemetryTopic = Topic[TelemetryEvent, bytes]


def encode(event_id: EventId, event: TelemetryEvent) -> bytes:
    """The server-sent event."""
    name = event.name if isinstance(event, NamedEvent) else None
    return sse(event.data, event=name, event_id=event_id)


def telemetry_topic(
    settings: Settings,
    flusher: Flusher,
    epochs: Epochs | None = None,
    store: Store[TelemetryEvent] | None = None,
    max_bytes: int | None = None,
) -> TelemetryTopic:
    """A topic of telemetry with the settings' limits, whose subscribers `flusher` wakes.

    Args:
        settings: the limits.
        flusher: wakes the subscribers.
        epochs: of the topic that this one is derived from.
        store: keeps the events.
        max_bytes: maximum bytes of events, instead of `settings.telemetry_bytes`.
    """
    topic: TelemetryTopic = Topic(
        encode,
        size=len,
        max_events=settings.telemetry_events,
        max_bytes=settings.telemetry_bytes if max_bytes is None else max_bytes,
        notify=flusher.mark,
        epochs=epochs,
        store=store,
    )
    flusher.limit_silence(topic, BEAT_INTERVAL_S)
    return topic


def sample_json(sample: Sample, *, late: bool = False, folded: int | None = None) -> str:
    """A sample as flat JSON.

    Args:
        sample: as measured.
        late: whether it is older than a sample before it.
        folded: how many samples of the same period it replaces, in a view with a rate.

    Raises:
        TypeError: JSON cannot encode a value.
        ValueError: its time is out of range.
    """
    server: dict[str, object] = {"t": iso(sample.t)}
    if late:
        server["late"] = True
    if folded is not None:
        server["folded"] = folded
    return dumps({**server, **sample.values, **server})


def state_json(source: str, health: Health, unusable: int, last_unusable: str | None) -> str:
    """A source's health as JSON.

    Args:
        source: its name.
        health: of the source.
        unusable: number of values that were left out.
        last_unusable: the newest of them, with its parameter and the reason.
    """
    return dumps(
        {
            "source": source,
            "state": health.state,
            "detail": health.detail,
            "since": iso(health.since),
            "unusable": unusable,
            "last_unusable": last_unusable,
        }
    )


def parameter_json(parameter: Parameter) -> dict[str, object]:
    """One entry of the telemetry dictionary, as clients see it."""
    return {
        "name": parameter.name,
        "unit": parameter.unit,
        "kind": parameter.kind,
        "description": parameter.description,
        "limits": asdict(parameter.limits),
        "period_s": parameter.period_s,
        "group": parameter.group,
    }


def dictionary_json(parameters: Iterable[Parameter]) -> str:
    """The telemetry dictionary as JSON."""
    return dumps({"parameters": [parameter_json(parameter) for parameter in parameters]})
