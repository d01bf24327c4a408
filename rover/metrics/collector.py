"""The metrics of a mission, read from its objects when Prometheus asks for them.

    registry.register(mission.metrics)  # in an app with a registry of its own

Names follow the conventions of Prometheus: base units, and `_total` for counters. Clients choose
the names of channels, so the number of label values is bounded.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from statistics import median_high
from typing import TYPE_CHECKING, Any, Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from rover import __version__
from rover.events import GapReason
from rover.metrics.families import counter, gauge, histogram
from rover.metrics.pace import Paced
from rover.supervise import State
from rover.telemetry.limits import Level
from sources.push import PushTelemetry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client import Metric

    from rover.asgi.connection_limits import ConnectionLimits
    from rover.audit import AuditLog
    from rover.commands import Commands
    from rover.comms import Comms
    from rover.counts import Counts
    from rover.images import Cameras
    from rover.logs import Log
    from rover.serving import Serving
    from rover.settings import Settings
    from rover.shares import Refusal
    from rover.telemetry import Telemetry

MAX_CHANNELS = 50
"""Maximum number of channels that ever have a label of their own."""

OTHER = "(other)"
"""The label of all other channels. No channel can have this name."""

UPLOAD_RESULTS = ("complete", "rejected", "failed")

REFUSALS: tuple[Refusal, ...] = ("limit", "share")

AUTHENTICATION = (401, 429)
"""Statuses of requests with a missing or wrong token or password."""


class HasMetrics(Protocol):
    """The parts of a mission that its metrics show."""

    settings: Settings
    serving: Serving
    telemetry: Telemetry
    cameras: Cameras
    comms: Comms
    commands: Commands
    audit: AuditLog
    counts: Counts
    connection_limits: ConnectionLimits
    log: Log

    def sources(self) -> Mapping[str, Mapping[str, object]]:
        """Each source and its state."""
        ...

    def failures(self) -> Mapping[str, int]:
        """How often each source ended or raised."""
        ...


class MissionMetrics(Collector):
    """A collector of prometheus-client for one mission. Use it on the thread of the event loop.

    Args:
        mission: the mission.
    """

    def __init__(self, mission: HasMetrics) -> None:
        self._mission = mission
        self._labelled: set[str] = set()  # channels

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names may be registered before the mission runs."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families. The samples of the last one may be iterated in another thread."""
        yield gauge("rover_build_info", "Version of the server.", {__version__: 1}, "version")
        yield from self._clients()
        yield from self._pools()
        yield from self._comms()
        yield from self._requests()
        yield from self._uploads()
        yield from self._sources()
        yield from self._alarms()
        yield from self._server()
        yield from self._parameters()

    def _clients(self) -> Iterator[Metric]:
        serving, telemetry = self._mission.serving, self._mission.telemetry
        streams = {
            "telemetry": serving.streams,
            "replays": serving.replays,
            "uploads": serving.progress_streams,
        }
        yield gauge(
            "rover_readers",
            "Open streams: telemetry, replays, progress of uploads, and images.",
            {
                **{name: len(one) for name, one in streams.items()},
                "images": self._mission.cameras.readers,
            },
            "stream",
        )
        lags = serving.streams.lags()
        yield gauge(
            "rover_reader_lag_median_events",
            "Number of events by which half of the telemetry streams are behind the newest event.",
            median_high(lags) if lags else 0,
        )
        yield gauge(
            "rover_reader_lag_max_events",
            "Number of events by which the slowest telemetry stream is behind the newest event.",
            max(lags, default=0),
        )
        yield gauge("rover_views", "Open combinations of `fields` and `hz`.", telemetry.views.open)
        gaps = {"comms": self._mission.comms.gaps}
        gaps |= {name: one.gaps for name, one in streams.items()}
        yield counter(
            "rover_gaps_total",
            "Gaps that clients received, because events had expired, the server was restarted "
            "(epoch), or the client was too slow.",
            {(name, why): one.gaps[why] for name, one in gaps.items() for why in GapReason},
            *("stream", "reason"),
        )
        yield counter(
            "rover_lost_events_total",
            "Events that clients missed in gaps of known size.",
            {(name, why): one.lost[why] for name, one in gaps.items() for why in GapReason},
            *("stream", "reason"),
        )
        yield counter(
            "rover_events_total",
            "Published events, each counted once however many clients receive it.",
            {
                "telemetry": telemetry.topic.last_id.offset,
                "comms": self._mission.comms.channels.events,
            },
            "stream",
        )
        yield counter(
            "rover_sent_bytes_total",
            "Bytes of events, to telemetry clients that keep up and to members of channels, and of "
            "images.",
            {
                "telemetry": telemetry.topic.delivered_bytes + telemetry.views.delivered_bytes,
                "comms": self._mission.comms.sent_bytes,
                "images": sum(one.sent_bytes for one in self._mission.cameras.images.values()),
            },
            "stream",
        )
        yield counter(
            "rover_stalled_clients_total",
            "Clients of event streams that were aborted because they read no data.",
            {name: one.stalled for name, one in streams.items()},
            "stream",
        )

    def _pools(self) -> Iterator[Metric]:
        one = self._mission
        connections = one.connection_limits
        pools = [
            *(connections.pool, connections.reserved, connections.incomplete),
            *(one.serving.readers, one.serving.ingests, one.telemetry.views.pool),
            one.serving.replay_pool,
            one.serving.viewers,
            one.serving.time_lapses,
            *(
                one.comms.channels.pool,
                one.comms.subscriptions,
                one.commands.intake.pool,
                one.commands.intake.partial,
                one.serving.large_responses.pool,
            ),
        ]
        yield gauge(
            "rover_pool_used",
            "How much of each limited resource is in use. Connections are counted under "
            "`rover serve` only.",
            {pool.name: len(pool) for pool in pools},
            "pool",
        )
        yield gauge(
            "rover_pool_limit", "Its limit.", {pool.name: pool.limit for pool in pools}, "pool"
        )
        refused = {pool.name: pool.refused for pool in pools}
        refused["members"] = one.comms.channels.members_refused
        yield counter(
            "rover_pool_refusals_total",
            "Refusals because the limit was reached, or one client's share of it.",
            {(name, why): one[why] for name, one in refused.items() for why in REFUSALS},
            *("pool", "reason"),
        )

    def _comms(self) -> Iterator[Metric]:
        comms = self._mission.comms
        channels = comms.channels.listed()
        yield gauge("rover_channels", "Channels, empty ones included.", len(channels))
        members: Counter[str] = Counter()
        for channel in channels:
            if channel.members:
                if len(self._labelled) < MAX_CHANNELS:
                    self._labelled.add(channel.name)
                members[channel.name if channel.name in self._labelled else OTHER] += (
                    channel.members
                )
        yield gauge(
            "rover_channel_members",
            f"Members of each channel. At most {MAX_CHANNELS} channels have a label of their own, "
            f"the members of the others are in `{OTHER}`.",
            members,
            "channel",
        )
        yield gauge(
            "rover_websockets", "Open WebSocket connections.", self._mission.serving.websockets
        )
        yield counter(
            "rover_closed_members_total",
            "Members that the server closed.",
            comms.closed_members,
            "reason",
        )

    def _requests(self) -> Iterator[Metric]:
        counts = self._mission.counts
        yield counter(
            "rover_responses_total",
            "Responses that began. Status 101 is a WebSocket.",
            {str(status): count for status, count in counts.responses.items()},
            "status",
        )
        yield counter(
            "rover_refused_requests_total",
            "Requests that were refused with a reason.",
            {(str(status), why): count for (status, why), count in counts.refusals.items()},
            *("status", "reason"),
        )
        failures = sum(n for (status, _), n in counts.refusals.items() if status in AUTHENTICATION)
        yield counter(
            "rover_authentication_failures_total",
            "Requests with a missing or wrong token or password.",
            failures,
        )

    def _uploads(self) -> Iterator[Metric]:
        counts = self._mission.counts
        yield counter(
            "rover_uploads_total",
            "Finished uploads of command files.",
            {result: counts.uploads[result] for result in UPLOAD_RESULTS},
            "result",
        )
        yield counter("rover_upload_bytes_total", "Bytes of finished uploads.", counts.upload_bytes)
        yield gauge(
            "rover_open_uploads",
            "Uploads that are being received or checked.",
            self._mission.commands.open_uploads,
        )

    def _sources(self) -> Iterator[Metric]:
        sources = self._mission.sources()
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
            "What each source is.",
            {
                (name, str(one["source"]), str(bool(one["simulated"])).lower()): 1
                for name, one in sources.items()
            },
            *("source", "kind", "simulated"),
        )
        yield counter(
            "rover_source_failures_total",
            "How often a source ended or failed, and was restarted.",
            self._mission.failures(),
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
            for name, feed in self._mission.telemetry.feeds.items()
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

    def _alarms(self) -> Iterator[Metric]:
        telemetry = self._mission.telemetry
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
            {
                result: sum(one[result] for one in receivers)
                for result in ("sent", "failed", "dropped")
            },
            "result",
        )

    def _server(self) -> Iterator[Metric]:
        audit, telemetry = self._mission.audit, self._mission.telemetry
        yield histogram(
            "rover_loop_lag_seconds",
            "How late timers of the event loop are; five measurements per second.",
            self._mission.counts.loop_lag,
        )
        status = audit.as_json()
        if status is not None:
            yield gauge(
                "rover_audit_up",
                "Whether the audit log can be written.",
                float(status["state"] == State.LIVE),
            )
        recording = self._mission.log.as_json()
        if recording["log"] != "memory:":
            yield gauge(
                "rover_recording_up",
                "Whether telemetry, messages and uploads are recorded on disk.",
                float(bool(recording["recording"])),
            )
            yield counter(
                "rover_lost_records_total",
                "Records that were not written because the disk failed or was full.",
                float(recording["lost"]),
            )
        yield counter("rover_audit_records_total", "Records in the audit log.", audit.written)
        yield counter(
            "rover_dropped_total",
            "What the server dropped because a limit was reached.",
            {
                "alarms": telemetry.alarms.dropped,
                "audit_records": audit.dropped,
                "source_events": telemetry.events.dropped,
            },
            "kind",
        )

    def _parameters(self) -> Iterator[Metric]:
        telemetry, limit = self._mission.telemetry, self._mission.settings.metrics_parameters
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
