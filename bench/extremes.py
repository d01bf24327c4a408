"""What must not hurt anyone else: readers that never read, and thousands that come at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.load_generator import LoadOptions
from bench.peers import NCHAN, OURS, STREAMS
from bench.processes import BenchError
from bench.servers import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.load_generator import LoadGenerator, Measurement
    from bench.machine import Cores

READERS = 990
STALLED = 10
STALLED_RATE_HZ = 200
STALLED_WINDOW_S = 8.0
SEND_BUFFER_BYTES = 32 * 1024
"""The kernel would otherwise hold minutes of events for a reader that does not read."""

EARLY = 100
JOINING = 10_000
JOIN_RATE_HZ = 10
JOIN_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Stalled:
    """A thousand readers, of which ten never read.

    Attributes:
        p99_ms: of those that read.
        p99_without_ms: of as many when nobody stalls.
        growth_kb: how the server's memory grew in the window.
        growth_without_kb: likewise when nobody stalls.
        missing: readers that read, and lost events nevertheless.
    """

    p99_ms: float
    p99_without_ms: float
    growth_kb: float
    growth_without_kb: float
    missing: int

    def __str__(self) -> str:
        return (
            f"{READERS} readers at {STALLED_RATE_HZ} Hz beside {STALLED} that never read: p99 "
            f"{self.p99_ms:.0f} ms, {self.p99_without_ms:.0f} ms without those; the server grew by "
            f"{self.growth_kb / 1024:.1f} MiB in {STALLED_WINDOW_S:.0f} s, "
            f"{self.growth_without_kb / 1024:.1f} MiB without; "
            f"{self.missing} of those that read missed events"
        )


@dataclass(frozen=True, slots=True)
class Joining:
    """Thousands connect while events flow to those that are there.

    Attributes:
        server: whose figures these are.
        joined: readers that came in.
        joined_s: how long that took; 0 where not all of them came in time.
        silence_ms: the longest time that any early reader was without an event meanwhile.
        missing: readers that lost events.
    """

    server: str
    joined: int
    joined_s: float
    silence_ms: float
    missing: int

    def __str__(self) -> str:
        if self.joined_s:
            came = f"{self.joined:,} readers came in {self.joined_s:.1f} s"
        else:
            came = f"only {self.joined:,} of {JOINING:,} readers came in {JOIN_LIMIT_S:.0f} s"
        return (
            f"{self.server}: {came}; of the {EARLY} that were there, none was without an event "
            f"for longer than {self.silence_ms:.0f} ms (one is due each {1000 / JOIN_RATE_HZ:.0f});"
            f" {self.missing} missed events"
        )


@dataclass(frozen=True, slots=True)
class Extremes:
    """The plan of these runs; attributes as of `FanOut`."""

    generator: LoadGenerator
    cores: Cores
    max_readers: int
    log: Callable[[str], None]

    def stalled(self) -> Stalled | None:
        """Ours beside readers that never read; `None` if it failed."""
        try:
            without, beside = self._stalled(0), self._stalled(STALLED)
        except BenchError as exc:
            self.log(f"stalled readers: failed: {exc}")
            return None
        return Stalled(
            p99_ms=beside.p99_ms,
            p99_without_ms=without.p99_ms,
            growth_kb=beside.rss_end_kb - beside.rss_begin_kb,
            growth_without_kb=without.rss_end_kb - without.rss_begin_kb,
            missing=beside.missing,
        )

    def _stalled(self, stalled: int) -> Measurement:
        peer = STREAMS[OURS]
        options = LoadOptions(READERS, STALLED_WINDOW_S, warmup_s=3.0, stalled=stalled)
        with peer.serve(Workload(STALLED_RATE_HZ, SEND_BUFFER_BYTES), self.cores) as server:
            measured = self.generator.run(server, peer.path, options)
        self.log(f"{stalled} stalled readers: p99 of the others {measured.p99_ms:.0f} ms")
        return measured

    def joining(self) -> list[Joining]:
        """Ours, and nchan where it is, while thousands connect."""
        if self.max_readers < EARLY + JOINING:
            self.log(f"joining: left out, the limit of open files allows {self.max_readers:,}")
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
            self.log(f"joining, {key}: {measured.silence_ms:.0f} ms without an event at most")
        return found
