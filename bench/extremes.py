"""Two hard cases: readers that never read, and thousands of readers that connect at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.load_generator import LoadOptions
from bench.peers import CHANNELS, NCHAN, OURS, STREAMS
from bench.processes import BenchError
from bench.servers import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.load_generator import LoadGenerator, Measurement
    from bench.machine import Cores
    from bench.servers import Peer

READERS = 990
STALLED = 10
STALLED_RATE_HZ = 200
STALLED_WINDOW_S = 8.0

MEMBERS = 980
STALLED_MEMBERS = 20
SAY_HZ = 20

SEND_BUFFER_BYTES = 32 * 1024
"""Send buffer of each connection. The kernel's default holds minutes of events."""

EARLY = 100
JOINING = 10_000
JOIN_RATE_HZ = 10
JOIN_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Stalled:
    """Measurements with some readers that never read, and without them.

    Attributes:
        text: the load.
        p99_ms: latency of the active readers.
        p99_without_ms: the same, measured without stalled readers.
        growth_kb: growth of the server's memory in the window.
        growth_without_kb: the same, measured without stalled readers.
        missing: active readers that lost events.
    """

    text: str
    p99_ms: float
    p99_without_ms: float
    growth_kb: float
    growth_without_kb: float
    missing: int

    def __str__(self) -> str:
        return (
            f"{self.text}: p99 "
            f"{self.p99_ms:.0f} ms ({self.p99_without_ms:.0f} ms without them); the server's "
            f"memory grew by {self.growth_kb / 1024:.1f} MiB in {STALLED_WINDOW_S:.0f} s "
            f"({self.growth_without_kb / 1024:.1f} MiB without them); "
            f"{self.missing} active readers lost events"
        )


@dataclass(frozen=True, slots=True)
class Joining:
    """Measurements of early readers while thousands of others connect.

    Attributes:
        server: its title.
        joined: number of readers that connected.
        joined_s: seconds until all were connected; 0 if they were not within the limit.
        silence_ms: longest time between two events of one early reader.
        missing: readers that lost events.
    """

    server: str
    joined: int
    joined_s: float
    silence_ms: float
    missing: int

    def __str__(self) -> str:
        if self.joined_s:
            joined = f"{self.joined:,} readers connected in {self.joined_s:.1f} s"
        else:
            joined = (
                f"only {self.joined:,} of {JOINING:,} readers connected in {JOIN_LIMIT_S:.0f} s"
            )
        return (
            f"{self.server}: {joined}; the {EARLY} early readers waited at most "
            f"{self.silence_ms:.0f} ms for an event (one is due every "
            f"{1000 / JOIN_RATE_HZ:.0f} ms); {self.missing} readers lost events"
        )


@dataclass(frozen=True, slots=True)
class Extremes:
    """Runs the hard cases; the attributes are those of `FanOut`."""

    generator: LoadGenerator
    cores: Cores
    max_readers: int
    log: Callable[[str], None]

    def stalled(self) -> Stalled | None:
        """Measure this server with stalled readers and without; `None` if a run failed."""
        text = f"{READERS} readers at {STALLED_RATE_HZ} Hz, with {STALLED} stalled ones"
        options = LoadOptions(READERS, STALLED_WINDOW_S, warmup_s=3.0, stalled=STALLED)
        return self._compare(text, STREAMS[OURS], STALLED_RATE_HZ, options)

    def stalled_members(self) -> Stalled | None:
        """The same with the members of a channel."""
        text = f"{MEMBERS} members at {SAY_HZ} Hz, with {STALLED_MEMBERS} stalled ones"
        options = LoadOptions(
            MEMBERS, STALLED_WINDOW_S, warmup_s=3.0, stalled=STALLED_MEMBERS, say_hz=SAY_HZ
        )
        return self._compare(text, CHANNELS[OURS], 0, options)

    def _compare(
        self, text: str, peer: Peer, rate_hz: float, options: LoadOptions
    ) -> Stalled | None:
        try:
            without, with_stalled = (
                self._stalled(peer, rate_hz, replace(options, stalled=number))
                for number in (0, options.stalled)
            )
        except BenchError as exc:
            self.log(f"{text}: failed: {exc}")
            return None
        return Stalled(
            text,
            p99_ms=with_stalled.p99_ms,
            p99_without_ms=without.p99_ms,
            growth_kb=with_stalled.rss_end_kb - with_stalled.rss_begin_kb,
            growth_without_kb=without.rss_end_kb - without.rss_begin_kb,
            missing=with_stalled.missing,
        )

    def _stalled(self, peer: Peer, rate_hz: float, options: LoadOptions) -> Measurement:
        with peer.serve(Workload(rate_hz, SEND_BUFFER_BYTES), self.cores) as server:
            measured = self.generator.run(server, peer.path, options)
        self.log(f"{options.stalled} stalled: p99 of the others {measured.p99_ms:.0f} ms")
        return measured

    def joining(self) -> list[Joining]:
        """Measure this server, and nchan if it is installed, while thousands connect."""
        if self.max_readers < EARLY + JOINING:
            self.log(
                f"joining: skipped: the limit of open files allows {self.max_readers:,} readers"
            )
            return []
        found = []
        for key in (OURS, NCHAN):
            peer = STREAMS[key]
            if peer.unavailable_reason() is not None:
                continue
            options = LoadOptions(
                EARLY + JOINING, 2.0, connect_s=JOIN_LIMIT_S, early=EARLY, warmup_s=0.5
            )
            try:
                with peer.serve(Workload(JOIN_RATE_HZ), self.cores) as server:
                    measured = self.generator.run(server, peer.path, options)
            except BenchError as exc:
                self.log(f"joining, {key}: failed: {exc}")
                continue
            found.append(
                Joining(
                    peer.title,
                    measured.late,
                    measured.joined_s,
                    measured.silence_ms,
                    measured.missing,
                )
            )
            self.log(f"joining, {key}: at most {measured.silence_ms:.0f} ms between two events")
        return found
