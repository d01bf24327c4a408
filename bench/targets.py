"""What this server is to reach, and whether it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.peers import NCHAN, OURS, SSE_STARLETTE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.extremes import Joining, Stalled
    from bench.fanout import Results

SAME_P99_SLACK_MS = 20.0
"""Two p99 of the same server differ by so much from one run to the next."""

STALLED_GROWTH_KB = 10 * 1024

JOIN_SILENCE_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Target:
    """A figure and its bound.

    Attributes:
        text: what it is.
        value: as measured.
        at_most: the bound.
    """

    text: str
    value: float
    at_most: float

    @property
    def met(self) -> bool:
        """Whether the figure is within its bound."""
        return self.value <= self.at_most

    def __str__(self) -> str:
        verdict = "met" if self.met else "**missed**"
        return f"{verdict}: {self.text}: {_number(self.value)} (at most {_number(self.at_most)})"


def targets(
    results: Results, stalled: Stalled | None, joining: Sequence[Joining]
) -> Iterator[Target]:
    """Those targets for which there are figures."""
    for scenario, reference, at_most in (
        ("10hz", NCHAN, 1.6),
        ("50hz", NCHAN, 0.9),
        ("200hz", NCHAN, 0.3),
        ("10hz", SSE_STARLETTE, 0.35),
    ):
        ours, other = results.figures(scenario, OURS), results.figures(scenario, reference)
        if ours and other:
            ratio = ours.us_per_event / other.us_per_event
            yield Target(f"CPU per event to {reference}'s at {scenario}", ratio, at_most)
    if ours := results.figures("200hz", OURS):
        yield Target("p99 in ms at 200hz", ours.p99_ms, 100)
    if ours := results.figures("10hz", OURS):
        yield Target("kB per connection", ours.kb_per_connection, 15)
    if ours := results.figures("10k", OURS):
        yield Target("p99 in ms with 10,000 readers at 1 Hz", ours.p99_ms, 500)
        yield Target("of those, harmed", ours.harmed, 0)
    if stalled:
        bound = stalled.p99_without_ms + SAME_P99_SLACK_MS
        yield Target("p99 in ms beside readers that never read", stalled.p99_ms, bound)
        growth_kb = stalled.growth_kb - stalled.growth_without_kb
        yield Target("kB that those made the server grow", growth_kb, STALLED_GROWTH_KB)
    if joining:
        silence_ms = joining[0].silence_ms
        yield Target("ms of silence while 10,000 join", silence_ms, JOIN_SILENCE_MS)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.2f}"
