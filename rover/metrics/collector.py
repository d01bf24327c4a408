"""The metrics of a mission, read from its objects when Prometheus asks for them.

    registry.register(mission.metrics)  # in an app with a registry of its own

Names follow the conventions of Prometheus: base units, and `_total` for counters. Clients choose
the names of channels, so the number of label values is bounded.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from prometheus_client.registry import Collector

from rover import __version__
from rover.metrics.clients import client_metrics, pool_metrics, request_metrics
from rover.metrics.families import counter, gauge, histogram
from rover.metrics.telemetry import alarm_metrics, parameter_metrics, source_metrics
from rover.supervise import State

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
    from rover.telemetry import Telemetry

MAX_CHANNELS = 50
"""Maximum number of channels that ever have a label of their own."""

OTHER = "(other)"
"""The label of all other channels. No channel can have this name."""

UPLOAD_RESULTS = ("complete", "rejected", "failed")


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
        yield from client_metrics(self._mission)
        yield from pool_metrics(self._mission)
        yield from self._comms()
        yield from request_metrics(self._mission)
        yield from self._uploads()
        yield from source_metrics(self._mission)
        yield from alarm_metrics(self._mission)
        yield from self._server()
        yield from parameter_metrics(self._mission)

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
            "Items that the server dropped because a limit was reached.",
            {
                "alarms": telemetry.alarms.dropped,
                "audit_records": audit.dropped,
                "source_events": telemetry.events.dropped,
            },
            "kind",
        )
