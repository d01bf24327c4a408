"""Results as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.peers import NCHAN, SSE_STARLETTE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.fanout import Results, Scenario
    from bench.figures import Figures

STREAM_REFERENCES = {NCHAN: "nchan", SSE_STARLETTE: "sse-starlette"}
CHANNEL_REFERENCES = {NCHAN: "nchan", "broadcast": "the loop"}

FIGURES = ("p50 ms", "p99 ms", "kB/conn", "deliveries/s", "CPU", "harmed")

LEGEND = """\
- CPU µs/event: of the server, for each event delivered to a reader; and its ratio to another's.
- p50, p99: from when an event was due until a reader had it. kB/conn: of resident memory.
- harmed: readers that missed an event, got none, were cut off, or never got in.
- Those with a generator per client share no event: each client has its own, and its own clock."""

NOTES = {
    "†": "saturated: it delivers no more than this",
    "‡": "the load generator was busy too: the server may do better",
    "§": "something else used the server's core meanwhile: measure again on a quiet machine",
}


def fanout_table(
    scenarios: Sequence[Scenario], results: Results, references: Mapping[str, str]
) -> str:
    """One row for each server under each load.

    Args:
        scenarios: in the order of the rows.
        results: of them.
        references: by server, the name under which it is what others are compared with.
    """
    head = ["load", "server", "CPU µs/event", *(f"to {name}" for name in references.values())]
    lines = [_row([*head, *FIGURES]), _row(["---", "---", *["--:"] * (len(head) + 4)])]
    notes: set[str] = set()
    for scenario in scenarios:
        title = scenario.title
        for key, peer in scenario.peers.items():
            figures = results.figures(scenario.key, key)
            if figures is None:
                if (reason := results.left_out.get((scenario.key, key))) is not None:
                    lines.append(_row([title, peer.title, f"*{reason}*"]))
                    title = ""
                continue
            ratios = [_ratio(figures, results.figures(scenario.key, ref)) for ref in references]
            lines.append(_row([title, peer.title, *_cells(figures, ratios)]))
            title = ""
            notes.update(_marks(figures))
    told = [f"{mark} {text}  " for mark, text in NOTES.items() if mark in notes]
    return "\n".join([*lines, *(["", *told] if told else [])])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(figures: Figures, ratios: Sequence[str]) -> list[str]:
    return [
        f"{figures.us_per_event:.1f}{_marks(figures)}",
        *ratios,
        f"{figures.p50_ms:,.0f}" if figures.p50_ms >= 10 else f"{figures.p50_ms:.1f}",
        f"{figures.p99_ms:,.0f}" if figures.p99_ms >= 10 else f"{figures.p99_ms:.1f}",
        f"{figures.kb_per_connection:.0f}",
        f"{figures.deliveries_hz:,.0f}",
        f"{figures.cpu:.0%}",
        f"{figures.harmed:,}",
    ]


def _ratio(figures: Figures, reference: Figures | None) -> str:
    return "" if reference is None else f"{figures.us_per_event / reference.us_per_event:.2f}"


def _marks(figures: Figures) -> str:
    return "†" * figures.saturated + "‡" * figures.load_bound + "§" * figures.starved
