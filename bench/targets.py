"""The performance targets of this server, and whether a run met them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.peers import LOOP, NCHAN, OURS, SSE_STARLETTE, WEBSOCKETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.extremes import Joining, Stalled
    from bench.fanout import Results

SAME_P99_SLACK_MS = 20.0
"""Milliseconds by which two p99 of the same server may differ between runs."""

MORE_P99_MS = 10.0
"""Milliseconds by which the p99 may exceed nchan's."""

STALLED_GROWTH_KB = 10 * 1024

JOIN_SILENCE_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Target:
    """A figure and its upper limit.

    Attributes:
        text: name of the figure.
        value: measured value.
        at_most: upper limit.
    """

    text: str
    value: float
    at_most: float

    @property
    def met(self) -> bool:
        """Whether the figure is within its limit."""
        return self.value <= self.at_most

    def __str__(self) -> str:
        verdict = "met" if self.met else "**missed**"
        return f"{verdict}: {self.text}: {_number(self.value)} (at most {_number(self.at_most)})"


def targets(
    results: Results, stalled: Sequence[Stalled], joining: Sequence[Joining]
) -> Iterator[Target]:
    """Yield the targets for which there are figures."""
    for scenario, reference, at_most in (
        ("10hz", NCHAN, 0.8),
        ("50hz", NCHAN, 0.5),
        ("200hz", NCHAN, 0.2),
        ("10hz", SSE_STARLETTE, 0.2),
        ("10k", NCHAN, 1.0),
        ("channel", LOOP, 0.8),
        ("channel", WEBSOCKETS, 1.0),
        ("deflate", LOOP, 0.8),
        ("deflate", WEBSOCKETS, 1.0),
    ):
        ours, other = results.figures(scenario, OURS), results.figures(scenario, reference)
        if ours and other:
            ratio = ours.us_per_event / other.us_per_event
            yield Target(f"CPU per event to {reference}'s at {scenario}", ratio, at_most)
    if ours := results.figures("200hz", OURS):
        yield Target("p99 in ms at 200hz", ours.p99_ms, 100)
    if ours := results.figures("10hz", OURS):
        yield Target("kB per connection", ours.kb_per_connection, 9)
        if other := results.figures("10hz", NCHAN):
            limit_ms = other.p99_ms + MORE_P99_MS
            yield Target("p99 in ms at 10hz", ours.p99_ms, limit_ms)
    for scenario in ("channel", "deflate"):
        if ours := results.figures(scenario, OURS):
            yield Target(f"kB per member of the {scenario}", ours.kb_per_connection, 20)
    if ours := results.figures("10k", OURS):
        yield Target("p99 in ms with 10,000 readers at 1 Hz", ours.p99_ms, 100)
        yield Target("harmed readers of 10,000 at 1 Hz", ours.harmed, 0)
    if ours := results.figures("channel20", OURS):
        yield Target("p99 in ms of a channel of 1,000 at 20 Hz", ours.p99_ms, 60)
    if ours := results.figures("channels", OURS):
        yield Target("harmed members of 200 channels", ours.harmed, 0)
    for one in stalled:
        limit_ms = one.p99_without_ms + SAME_P99_SLACK_MS
        yield Target(f"p99 in ms of {one.text}", one.p99_ms, limit_ms)
        growth_kb = one.growth_kb - one.growth_without_kb
        yield Target(
            f"growth in kB due to stalled ones of {one.text}", growth_kb, STALLED_GROWTH_KB
        )
    if joining:
        silence_ms = joining[0].silence_ms
        yield Target("ms between two events while 10,000 join", silence_ms, JOIN_SILENCE_MS)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.2f}"
