"""The same events to everyone: each server under each load, taking turns."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.fan import Course
from bench.figures import Figures
from bench.peers import OURS, ROOMS, SSE_STARLETTE, STREAMS
from bench.processes import Failed
from bench.servers import Load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.fan import Fan
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
        room: a WebSocket room in place of an event stream.
        repeated: in every round; otherwise in the first only.
    """

    key: str
    title: str
    readers: int
    rate_hz: float
    room: bool = False
    repeated: bool = True

    @property
    def deliveries_hz(self) -> float:
        """Events a second, to all readers."""
        return self.readers * self.rate_hz

    @property
    def peers(self) -> Mapping[str, Peer]:
        """Who can serve it."""
        return ROOMS if self.room else STREAMS


SCENARIOS = (
    Scenario("10hz", "1,000 readers at 10 Hz", 1000, 10),
    Scenario("50hz", "1,000 readers at 50 Hz", 1000, 50),
    Scenario("200hz", "1,000 readers at 200 Hz", 1000, 200),
    Scenario("10k", "10,000 readers at 1 Hz", 10_000, 1, repeated=False),
    Scenario("room", "a room of 1,000 at 10 Hz", 1000, 10, room=True, repeated=False),
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
        fan: makes the readers.
        cores: says who runs where.
        scenarios: in the order of the table.
        peers: names of the servers that take part.
        max_readers: as many as the limit of open files allows.
        repeats: rounds; every server has its turn in each, so that drift hits all alike.
        window_s: how long a run is measured.
        say: takes a line that tells how it goes.
    """

    fan: Fan
    cores: Cores
    scenarios: Sequence[Scenario]
    peers: Sequence[str]
    max_readers: int
    repeats: int
    window_s: float
    say: Callable[[str], None]

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
                except Failed as exc:
                    results.left_out[scenario.key, key] = f"failed: {exc}"
                    self.say(f"{scenario.title}, {key}: failed: {exc}")
                    continue
                results.runs[scenario.key, key].append(figures)
                self.say(
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
        if (lacks := scenario.peers[key].lacks()) is not None:
            return lacks
        if (failed := results.left_out.get((scenario.key, key))) is not None:
            return failed
        if key not in ALWAYS:
            for easier in self.scenarios[: self.scenarios.index(scenario)]:
                before = results.figures(easier.key, key)
                lighter = easier.deliveries_hz <= scenario.deliveries_hz
                if before and before.saturated and lighter and easier.room == scenario.room:
                    return f"saturated by {easier.title} already"
        return None

    def _measure(self, scenario: Scenario, peer: Peer) -> Figures:
        course = Course(
            scenario.readers,
            max(self.window_s, LEAST_PERIODS / scenario.rate_hz),
            connect_s=CONNECT_LEAST_S + scenario.readers / CONNECT_HZ,
            say_hz=scenario.rate_hz if scenario.room else 0,
        )
        load = Load(0 if scenario.room else scenario.rate_hz)
        with peer.serve(load, self.cores) as server:
            seen = self.fan.run(server, peer.path, course)
        return Figures.of(seen, readers=scenario.readers, rate_hz=scenario.rate_hz)
