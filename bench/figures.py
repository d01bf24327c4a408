"""What a run says of a server, and the middle of several runs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.load_generator import Measurement

BUSY = 0.95
"""A server that uses more of its core can do no more."""

KEPT_UP = 0.95
"""A server that delivers less of what is due does not keep up."""

STARVED = 0.8
"""One that does not keep up, and used less of its core than this, was kept from it."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one server under one load.

    Attributes:
        us_per_event: CPU microseconds of the server for each event delivered to a reader.
        p50_ms: from the moment an event was due until a reader had it.
        p99_ms: likewise.
        kb_per_connection: of the server's resident memory.
        deliveries_hz: events delivered a second, to all readers.
        delivered: of those that were due; more than 1 while a backlog is worked off.
        cpu: share of its core that the server used.
        load_cpu: share of its core that the load generator used.
        harmed: readers that missed an event, got none, were cut off, or never got in.
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
        """The figures of a run in which each of `readers` was due `rate_hz` events a second."""
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
    def middle(cls, runs: Sequence[Figures]) -> Figures:
        """The median of each figure; the worst of those that should be none."""
        values: dict[str, Any] = {
            f.name: median(getattr(run, f.name) for run in runs) for f in fields(cls)
        }
        return cls(**{**values, "harmed": max(run.harmed for run in runs)})

    @property
    def saturated(self) -> bool:
        """Whether the server can do no more."""
        return self.cpu > BUSY or (self.delivered < KEPT_UP and not self.starved)

    @property
    def starved(self) -> bool:
        """Whether something else used the server's core, so that the figures mean little."""
        return self.delivered < KEPT_UP and self.cpu < STARVED

    @property
    def load_bound(self) -> bool:
        """Whether the load generator was busy too, so that the server may do better."""
        return self.load_cpu > BUSY
