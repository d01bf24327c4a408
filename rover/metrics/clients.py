"""Metrics of the clients: their streams, the limited resources, and the requests."""

from __future__ import annotations

from statistics import median_high
from typing import TYPE_CHECKING

from rover.events import GapReason
from rover.metrics.families import counter, gauge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from rover.metrics.collector import HasMetrics
    from rover.shares import Refusal

REFUSALS: tuple[Refusal, ...] = ("limit", "share")

AUTHENTICATION = (401, 429)
"""Statuses of requests with a missing or wrong token or password."""


def client_metrics(mission: HasMetrics) -> Iterator[Metric]:
    """The streams of clients, and the events in them."""
    serving, telemetry = mission.serving, mission.telemetry
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
            "images": mission.cameras.readers,
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
    gaps = {"comms": mission.comms.gaps}
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
            "comms": mission.comms.channels.events,
        },
        "stream",
    )
    yield counter(
        "rover_sent_bytes_total",
        "Bytes of events, to telemetry clients that keep up and to members of channels, and of "
        "images.",
        {
            "telemetry": telemetry.topic.delivered_bytes + telemetry.views.delivered_bytes,
            "comms": mission.comms.sent_bytes,
            "images": sum(one.sent_bytes for one in mission.cameras.images.values()),
        },
        "stream",
    )
    yield counter(
        "rover_stalled_clients_total",
        "Clients of event streams that were aborted because they read no data.",
        {name: one.stalled for name, one in streams.items()},
        "stream",
    )


def pool_metrics(mission: HasMetrics) -> Iterator[Metric]:
    """The use of limited resources."""
    one = mission
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
    yield gauge("rover_pool_limit", "Its limit.", {pool.name: pool.limit for pool in pools}, "pool")
    refused = {pool.name: pool.refused for pool in pools}
    refused["members"] = one.comms.channels.members_refused
    yield counter(
        "rover_pool_refusals_total",
        "Refusals because the limit was reached, or one client's share of it.",
        {(name, why): one[why] for name, one in refused.items() for why in REFUSALS},
        *("pool", "reason"),
    )


def request_metrics(mission: HasMetrics) -> Iterator[Metric]:
    """The responses and refusals."""
    counts = mission.counts
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
