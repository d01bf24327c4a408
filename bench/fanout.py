"""Fan-out: the same events to every reader, for each server under each load."""

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
"""Servers measured under every load. The others are skipped after a load that saturates them."""

MIN_CONNECT_S = 3.0
MIN_EVENTS = 5
"""Minimum number of events per reader in a window; a slow rate makes the window longer."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load: a number of readers and a rate of events.

    Attributes:
        key: its name for `--only`.
        title: its name in the table.
        readers: number of readers.
        rate_hz: events per second for each reader.
        channel: the readers are members of a WebSocket channel, not readers of an event stream.
        deflate: the members offer permessage-deflate, as browsers do.
        repeated: it is measured in every round, not only in the first.
        channels: number of channels over which the members are spread; 0 for one channel.
        min_window_s: minimum seconds of a measurement.
        connect_hz: connections per second that a server must accept, or not all readers take part.
    """

    key: str
    title: str
    readers: int
    rate_hz: float
    channel: bool = False
    deflate: bool = False
    repeated: bool = True
    channels: int = 0
    min_window_s: float = 0.0
    connect_hz: float = 400

    @property
    def deliveries_hz(self) -> float:
        """Events per second, summed over the readers."""
        return self.readers * self.rate_hz

    @property
    def peers(self) -> Mapping[str, Peer]:
        """The servers that can serve it, by name."""
        if self.channels:
            return {key: peer for key, peer in CHANNELS.items() if peer.has_channels}
        return CHANNELS if self.channel else STREAMS


SCENARIOS = (
    Scenario("10hz", "1,000 readers at 10 Hz", 1000, 10),
    Scenario("50hz", "1,000 readers at 50 Hz", 1000, 50),
    Scenario("200hz", "1,000 readers at 200 Hz", 1000, 200),
    Scenario("10k", "10,000 readers at 1 Hz", 10_000, 1, repeated=False),
    Scenario("channel", "a channel of 1,000 at 10 Hz", 1000, 10, channel=True, repeated=False),
    Scenario(
        "deflate",
        "the same, members offer permessage-deflate",
        1000,
        10,
        channel=True,
        deflate=True,
        repeated=False,
    ),
    Scenario("channel20", "a channel of 1,000 at 20 Hz", 1000, 20, channel=True, repeated=False),
    Scenario(
        "channels",
        "200 channels of 50 at 1 Hz",
        10_000,
        1,
        channel=True,
        repeated=False,
        channels=200,
        min_window_s=60.0,
        connect_hz=150,  # each one is a join that the other members receive
    ),
)


@dataclass(slots=True)
class Results:
    """Measurements by scenario and server, and the reasons for those left out."""

    runs: dict[tuple[str, str], list[Figures]] = field(default_factory=lambda: defaultdict(list))
    left_out: dict[tuple[str, str], str] = field(default_factory=dict)

    def figures(self, scenario: str, peer: str) -> Figures | None:
        """The median figures of a server under a load, or `None` if it was not measured."""
        runs = self.runs.get((scenario, peer))
        return Figures.median_of(runs) if runs else None


@dataclass(frozen=True, slots=True)
class FanOut:
    """Runs the comparison.

    Attributes:
        generator: connects the readers.
        cores: the core of each process.
        scenarios: in the order of the table.
        peers: names of the servers to measure.
        max_readers: number of readers that the limit of open files allows.
        repeats: rounds; each measures every server once, so that drift affects all equally.
        window_s: seconds of each measurement.
        log: receives a line about each measurement.
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
        """Measure every server under every load; `Results.left_out` gives the reasons for gaps."""
        results = Results()
        for turn in range(self.repeats):
            for scenario, key in self._pairs(turn):
                reason = self._reason_to_skip(scenario, key, results)
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

    def _reason_to_skip(self, scenario: Scenario, key: str, results: Results) -> str | None:
        if scenario.readers > self.max_readers:
            return f"the limit of open files allows {self.max_readers:,} readers (`ulimit -n`)"
        if (reason := scenario.peers[key].unavailable_reason()) is not None:
            return reason
        if (failed := results.left_out.get((scenario.key, key))) is not None:
            return failed
        if key not in ALWAYS:
            for easier in self.scenarios[: self.scenarios.index(scenario)]:
                before = results.figures(easier.key, key)
                lighter = easier.deliveries_hz <= scenario.deliveries_hz
                if before and before.saturated and lighter and easier.channel == scenario.channel:
                    return f"already saturated by {easier.title}"
        return None

    def _measure(self, scenario: Scenario, peer: Peer) -> Figures:
        options = LoadOptions(
            scenario.readers,
            max(self.window_s, MIN_EVENTS / scenario.rate_hz, scenario.min_window_s),
            connect_s=MIN_CONNECT_S + scenario.readers / scenario.connect_hz,
            say_hz=scenario.rate_hz if scenario.channel else 0,
            channels=scenario.channels,
            deflate=scenario.deflate,
            frames=peer.frames,
        )
        workload = Workload(0 if scenario.channel else scenario.rate_hz)
        with peer.serve(workload, self.cores) as server:
            measured = self.generator.run(server, peer.path, options)
        return Figures.of(measured, readers=scenario.readers, rate_hz=scenario.rate_hz)
