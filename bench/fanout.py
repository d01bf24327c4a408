"""The same events to everyone: each server under each load, taking turns."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.figures import Figures
from bench.load_generator import LoadOptions
from bench.peers import CHANNELS, OURS, SSE_STARLETTE, STREAMS
from bench.processes import BenchError
from bench.servers import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.load_generator import LoadGenerator
    from bench.machine import Cores
    from bench.servers import Peer

ALWAYS = (OURS, SSE_STARLETTE)
"""Measured under every load; others not beyond one that saturates them."""

CONNECT_LEAST_S = 3.0
CONNECT_HZ = 400
"""A server that takes fewer readers a second is not waited for."""

LEAST_PERIODS = 5
"""A window has so many events for each reader, or more."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """So many readers, and so many events a second for each.

    Attributes:
        key: as `--only` takes it.
        title: for the table.
        readers: how many.
        rate_hz: events a second.
        channel: a WebSocket channel in place of an event stream.
        repeated: in every round; otherwise in the first only.
    """

    key: str
    title: str
    readers: int
    rate_hz: float
    channel: bool = False
    repeated: bool = True

    @property
    def deliveries_hz(self) -> float:
        """Events a second, to all readers."""
        return self.readers * self.rate_hz

    @property
    def peers(self) -> Mapping[str, Peer]:
        """Who can serve it."""
        return CHANNELS if self.channel else STREAMS


SCENARIOS = (
    Scenario("10hz", "1,000 readers at 10 Hz", 1000, 10),
    Scenario("50hz", "1,000 readers at 50 Hz", 1000, 50),
    Scenario("200hz", "1,000 readers at 200 Hz", 1000, 200),
    Scenario("10k", "10,000 readers at 1 Hz", 10_000, 1, repeated=False),
    Scenario("channel", "a channel of 1,000 at 10 Hz", 1000, 10, channel=True, repeated=False),
)


@dataclass(slots=True)
class Results:
    """What was measured so far, by scenario and server; and why something was not."""

    runs: dict[tuple[str, str], list[Figures]] = field(default_factory=lambda: defaultdict(list))
    left_out: dict[tuple[str, str], str] = field(default_factory=dict)

    def figures(self, scenario: str, peer: str) -> Figures | None:
        """The medians of a server under a load, if it was measured."""
        runs = self.runs.get((scenario, peer))
        return Figures.middle(runs) if runs else None


@dataclass(frozen=True, slots=True)
class FanOut:
    """The plan of the comparison.

    Attributes:
        generator: makes the readers.
        cores: says who runs where.
        scenarios: in the order of the table.
        peers: names of the servers that take part.
        max_readers: as many as the limit of open files allows.
        repeats: rounds; every server has its turn in each, so that drift hits all alike.
        window_s: how long a run is measured.
        log: takes a line that tells how it goes.
    """

    generator: LoadGenerator
    cores: Cores
    scenarios: Sequence[Scenario]
    peers: Sequence[str]
    max_readers: int
    repeats: int
    window_s: float
    log: Callable[[str], None]

    def run(self) -> Results:
        """Measure everything; what cannot be is left out, with the reason."""
        results = Results()
        for turn in range(self.repeats):
            for scenario, key in self._pairs(turn):
                reason = self._reason_against(scenario, key, results)
                if reason is not None:
                    results.left_out[scenario.key, key] = reason
                    continue
                try:
                    figures = self._measure(scenario, scenario.peers[key])
                except BenchError as exc:
                    results.left_out[scenario.key, key] = f"failed: {exc}"
                    self.log(f"{scenario.title}, {key}: failed: {exc}")
                    continue
                results.runs[scenario.key, key].append(figures)
                self.log(
                    f"{scenario.title}, {key}: {figures.us_per_event:.1f} µs/event, "
                    f"p99 {figures.p99_ms:.0f} ms, server at {figures.cpu:.0%}"
                )
        return results

    def _pairs(self, turn: int) -> Iterator[tuple[Scenario, str]]:
        for scenario in self.scenarios:
            if turn == 0 or scenario.repeated:
                for key in scenario.peers:
                    if key in self.peers:
                        yield scenario, key

    def _reason_against(self, scenario: Scenario, key: str, results: Results) -> str | None:
        if scenario.readers > self.max_readers:
            return f"the limit of open files allows {self.max_readers:,} readers (`ulimit -n`)"
        if (unavailable_reason := scenario.peers[key].unavailable_reason()) is not None:
            return unavailable_reason
        if (failed := results.left_out.get((scenario.key, key))) is not None:
            return failed
        if key not in ALWAYS:
            for easier in self.scenarios[: self.scenarios.index(scenario)]:
                before = results.figures(easier.key, key)
                lighter = easier.deliveries_hz <= scenario.deliveries_hz
                if before and before.saturated and lighter and easier.channel == scenario.channel:
                    return f"saturated by {easier.title} already"
        return None

    def _measure(self, scenario: Scenario, peer: Peer) -> Figures:
        options = LoadOptions(
            scenario.readers,
            max(self.window_s, LEAST_PERIODS / scenario.rate_hz),
            connect_s=CONNECT_LEAST_S + scenario.readers / CONNECT_HZ,
            say_hz=scenario.rate_hz if scenario.channel else 0,
        )
        workload = Workload(0 if scenario.channel else scenario.rate_hz)
        with peer.serve(workload, self.cores) as server:
            measured = self.generator.run(server, peer.path, options)
        return Figures.of(measured, readers=scenario.readers, rate_hz=scenario.rate_hz)
