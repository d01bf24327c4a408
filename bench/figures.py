"""The figures of one run of a server, and the medians of several runs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.load_generator import Measurement

BUSY = 0.95
"""Share of its core above which a server is saturated."""

KEPT_UP = 0.95
"""Share of the due events below which a server does not keep up."""

STARVED = 0.8
"""Share of its core below which a server that does not keep up lacked CPU time."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one server under one load.

    Attributes:
        us_per_event: CPU microseconds of the server per event delivered to a reader.
        p50_ms: median time from the moment an event was due until a reader received it.
        p99_ms: 99th percentile of the same time.
        kb_per_connection: resident memory of the server per connection.
        deliveries_hz: events delivered per second, summed over the readers.
        delivered: share of the due events that was delivered; above 1 while a backlog shrinks.
        cpu: share of its core that the server used.
        load_cpu: share of its core that the load generator used.
        harmed: readers that lost an event, received none, were closed, or did not connect.
    """

    us_per_event: float
    p50_ms: float
    p99_ms: float
    kb_per_connection: float
    deliveries_hz: float
    delivered: float
    cpu: float
    load_cpu: float
    harmed: int

    @classmethod
    def of(cls, measured: Measurement, *, readers: int, rate_hz: float) -> Figures:
        """The figures of a run in which `rate_hz` events per second were due for each reader."""
        others = max(measured.connected - 1, 1)
        deliveries_hz = measured.events / measured.window_s
        return cls(
            us_per_event=measured.cpu_s * 1e6 / max(measured.events, 1),
            p50_ms=measured.p50_ms,
            p99_ms=measured.p99_ms,
            kb_per_connection=(measured.rss_begin_kb - measured.rss_before_kb) / others,
            deliveries_hz=deliveries_hz,
            delivered=deliveries_hz / (readers * rate_hz),
            cpu=measured.cpu_s / measured.window_s,
            load_cpu=measured.load_cpu_s / measured.window_s,
            harmed=min(
                readers,
                measured.missing + measured.silent + measured.closed + readers - measured.connected,
            ),
        )

    @classmethod
    def median_of(cls, runs: Sequence[Figures]) -> Figures:
        """The median of each figure, and the maximum of `harmed`."""
        values: dict[str, Any] = {
            f.name: median(getattr(run, f.name) for run in runs) for f in fields(cls)
        }
        return cls(**{**values, "harmed": max(run.harmed for run in runs)})

    @property
    def saturated(self) -> bool:
        """Whether the server was at its limit."""
        return self.cpu > BUSY or (self.delivered < KEPT_UP and not self.starved)

    @property
    def starved(self) -> bool:
        """Whether another process used the server's core; the figures are then not reliable."""
        return self.delivered < KEPT_UP and self.cpu < STARVED

    @property
    def load_bound(self) -> bool:
        """Whether the load generator was at its limit; the server may then be faster."""
        return self.load_cpu > BUSY
