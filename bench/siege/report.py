"""The result of a siege as Markdown, with the goals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.siege.siege import MIB

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.siege.siege import Outcome

MAX_SILENCE_S = 1.0
MAX_GROWTH_BYTES = 64 * MIB
MAX_DELIVERY_S = 5.0
MAX_LOG_BYTES = 4 * MIB

MAX_NOTES = 20
"""Maximum number of problems of clients, and of pauses of the server, in a report."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure and its goal.

    Attributes:
        title: for people.
        value: for people.
        goal: for people.
        reached: whether the value is within the goal.
    """

    title: str
    value: str
    goal: str
    reached: bool


def figures(outcome: Outcome) -> list[Figure]:
    """The figures of a siege."""
    seen = outcome.experience
    grown = outcome.rss_peak - outcome.rss_before
    lost = seen.sent - seen.delivered
    errors = outcome.statuses[500]
    return [
        Figure(
            "longest silence of the reader",
            f"{seen.silence_s:.2f} s",
            f"< {MAX_SILENCE_S:g} s",
            seen.silence_s < MAX_SILENCE_S and seen.events > 0,
        ),
        Figure(
            "growth of resident memory",
            f"{grown / MIB:.0f} MiB of {outcome.rss_before / MIB:.0f}",
            f"< {MAX_GROWTH_BYTES // MIB} MiB",
            grown < MAX_GROWTH_BYTES,
        ),
        Figure("answers of status 500", f"{errors}", "0", not errors),
        Figure("tracebacks in the log", f"{outcome.tracebacks}", "0", not outcome.tracebacks),
        Figure(
            "messages lost (the last may be on its way)",
            f"{lost} of {seen.sent}",
            "≤ 1",
            lost <= 1 and seen.sent > 0,
        ),
        Figure(
            "longest wait for a message",
            f"{seen.slowest_s:.2f} s",
            f"< {MAX_DELIVERY_S:g} s",
            seen.slowest_s < MAX_DELIVERY_S,
        ),
        Figure(
            "uploads accepted (the last may be on its way)",
            f"{seen.accepted} of {seen.uploads}, {seen.upload_s:.1f} s at most",
            "all",
            seen.accepted >= max(seen.uploads - 1, 1),
        ),
        Figure("reconnections", f"{seen.reconnections}", "0", not seen.reconnections),
        Figure(
            "growth of the log",
            f"{outcome.log_bytes / MIB:.2f} MiB",
            f"< {MAX_LOG_BYTES // MIB} MiB",
            outcome.log_bytes < MAX_LOG_BYTES,
        ),
        Figure("server alive", "yes" if outcome.alive else "no", "yes", outcome.alive),
    ]


def table(outcome: Outcome) -> str:
    """All figures, and what the server answered to each attack."""
    lines = ["| figure | measured | goal | |", "| --- | --- | --- | --- |"]
    for figure in figures(outcome):
        mark = "reached" if figure.reached else "**missed**"
        lines.append(f"| {figure.title} | {figure.value} | {figure.goal} | {mark} |")
    lines += [
        "",
        "| attack | connections | refused | answers |",
        "| --- | --: | --: | --- |",
    ]
    for name, attack in outcome.attacks.items():
        answers = ", ".join(f"{n:,} of {s}" for s, n in sorted(attack["statuses"].items()))
        counts = f"{attack['connections']:,} | {attack['refused']:,}"
        lines.append(f"| {name} | {counts} | {answers or 'none'} |")
    lines += [
        "",
        f"The server ran for {outcome.ran_s:.0f} s and waited {outcome.waited_s:.0f} s for ",
    ]
    lines[-1] += "its core: repeat on an idle machine if it waited long."
    notes = [*outcome.experience.problems, *outcome.blocked]
    lines += ["", *notes[:MAX_NOTES]] if notes else []
    return "\n".join(lines)


def one_line(outcome: Outcome) -> str:
    """A row for the table of single attacks."""
    missed = [figure.title for figure in figures(outcome) if not figure.reached]
    seen = outcome.experience
    cells = (
        ", ".join(outcome.names),
        f"{seen.silence_s:.2f} s",
        f"{(outcome.rss_peak - outcome.rss_before) / MIB:.0f} MiB",
        f"{seen.slowest_s:.2f} s",
        f"{outcome.log_bytes / MIB:.2f} MiB",
        f"{outcome.ran_s:.1f} s, {outcome.waited_s:.1f} s",
        ", ".join(missed) or "none",
    )
    return f"| {' | '.join(cells)} |"


HEAD = """\
| attack | silence | memory | message | log | server ran, waited | missed |
| --- | --: | --: | --: | --: | --: | --- |"""


def reached(outcomes: Iterable[Outcome]) -> bool:
    """Whether all goals are reached."""
    return all(figure.reached for outcome in outcomes for figure in figures(outcome))
