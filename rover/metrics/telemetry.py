"""Metrics of the sources, their parameters and the alarms."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.samples import Sample

from rover.metrics.families import counter, gauge
from rover.metrics.pace import Paced
from rover.supervise import State
from rover.telemetry.limits import Level
from sources.push import PushTelemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from rover.metrics.collector import HasMetrics


def source_metrics(mission: HasMetrics) -> Iterator[Metric]:
    """The state of each source, and its losses."""
    sources = mission.sources()
    yield gauge(
        "rover_source_state",
        "The state of each source: 1 for the current state, 0 for the others.",
        {
            (name, state): float(one["state"] == state)
            for name, one in sources.items()
            for state in State
        },
        *("source", "state"),
    )
    yield gauge(
        "rover_source_info",
        "The kind of each source, and whether it is simulated.",
        {
            (name, str(one["source"]), str(bool(one["simulated"])).lower()): 1
            for name, one in sources.items()
        },
        *("source", "kind", "simulated"),
    )
    yield counter(
        "rover_source_failures_total",
        "How often a source ended or failed, and was restarted.",
        mission.failures(),
        "source",
    )
    for name, text, key in (
        ("rover_unusable_values_total", "Values that were left out.", "unusable"),
        ("rover_source_lost_total", "Messages that a source could not read.", "lost"),
        ("rover_replaced_times_total", "Times that a source replaced.", "replaced_times"),
    ):
        numbers = {source: _number(one.get(key)) for source, one in sources.items()}
        known = {source: number for source, number in numbers.items() if number is not None}
        yield counter(name, text, known, "source")
    pushed = {
        name: feed.source
        for name, feed in mission.telemetry.feeds.items()
        if isinstance(feed.source, PushTelemetry)
    }
    yield counter(
        "rover_ingest_samples_total",
        "Samples that devices sent and the server accepted.",
        {name: source.accepted for name, source in pushed.items()},
        "source",
    )
    yield gauge(
        "rover_ingest_waiting_samples",
        "Accepted samples that wait to be published.",
        {name: source.waiting for name, source in pushed.items()},
        "source",
    )


def alarm_metrics(mission: HasMetrics) -> Iterator[Metric]:
    """The alarms and their notifications."""
    telemetry = mission.telemetry
    levels = telemetry.alarms.levels()
    yield gauge(
        "rover_alarms_active",
        "Parameters outside their limits.",
        {level: levels[level] for level in (Level.YELLOW, Level.RED)},
        "level",
    )
    yield gauge(
        "rover_alarms_unacknowledged",
        "Alarms that have ended and that nobody has acknowledged.",
        levels[Level.NOMINAL],
    )
    receivers: list[dict[str, Any]] = telemetry.notifier.as_json()
    yield counter(
        "rover_notifications_total",
        "Messages about alarms.",
        {result: sum(one[result] for one in receivers) for result in ("sent", "failed", "dropped")},
        "result",
    )


def parameter_metrics(mission: HasMetrics) -> Iterator[Metric]:
    """The newest values. Their samples may be iterated in another thread."""
    telemetry, limit = mission.telemetry, mission.settings.metrics_parameters
    yield gauge("rover_parameters", "Parameters with a value.", len(telemetry.latest))
    name = "rover_parameter_value"
    family = GaugeMetricFamily(
        name,
        "Newest value of each parameter that is a number or a boolean and is neither stale nor "
        "late (at most ROVER_METRICS_PARAMETERS).",
        labels=("parameter", "source"),
    )
    family.samples = Paced(
        Sample(name, {"parameter": parameter, "source": source}, value)
        for parameter, source, value in islice(telemetry.live_numbers(), limit)
    )
    yield family


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
