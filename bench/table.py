"""The results of a comparison as Markdown tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.peers import LOOP, NCHAN, SSE_STARLETTE, WEBSOCKETS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.fanout import Results, Scenario
    from bench.figures import Figures

STREAM_REFERENCES = {NCHAN: "nchan", SSE_STARLETTE: "sse-starlette"}
CHANNEL_REFERENCES = {NCHAN: "nchan", LOOP: "broadcast loop", WEBSOCKETS: "`websockets`"}

FIGURES = ("p50 ms", "p99 ms", "kB/conn", "deliveries/s", "CPU", "harmed")

LEGEND = """\
- CPU µs/event: CPU time of the server per event delivered to a reader.
- to …: ratio of that CPU time to the named server's.
- p50, p99: time from the moment an event was due until a reader received it.
- kB/conn: resident memory of the server per connection.
- harmed: readers that lost an event, received none, were closed, or did not connect.
- Servers with a generator per client share no events: each client has a schedule of its own."""

NOTES = {
    "†": "saturated: this is the most it delivers",
    "‡": "the load generator was saturated: the server may be faster",
    "§": "another process used the server's core: repeat on an idle machine",
}


def fanout_table(
    scenarios: Sequence[Scenario], results: Results, references: Mapping[str, str]
) -> str:
    """A table with one row per server and load.

    Args:
        scenarios: the loads, in the order of the rows.
        results: the figures under these loads.
        references: the servers that the others are compared with; their short names by key.
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
    legend = [f"{mark} {text}  " for mark, text in NOTES.items() if mark in notes]
    return "\n".join([*lines, *(["", *legend] if legend else [])])


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
