"""Times: in order, nothing needed twice at once, passes met, and an end within a sol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.simulated.dictionary import PASSES, Resource
from sources.simulated.findings import SLICE_LINES, Check, finding
from sources.simulated.schedule import HORIZON_MS, Schedule, ScheduledCommand
from sources.simulated.sequence import (
    SequenceHeader,
    format_duration,
    format_elapsed,
    format_local_time,
    local_hours,
)
from sources.simulated.sol import HOUR_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.base import Finding

IDLE_MS = 3_600_000
_SLACK_H = 1e-6
"""Hours; forgives the rounding of a start that is set right on a window's edge."""


def check_timing(header: SequenceHeader, schedule: Schedule) -> Check:
    """Look at every start and end; the windows of passes need `@local`."""
    held: dict[Resource, ScheduledCommand] = {}
    previous_ms = busy_ms = 0
    asleep = too_long = False
    for count, activity in enumerate(schedule.activities):
        if activity.asked_ms < previous_ms:
            yield _out_of_order(activity, previous_ms)
        else:
            yield from _overlap(activity, held)
        for resource in activity.instruction.command.resources:
            if resource not in held or held[resource].end_ms < activity.end_ms:
                held[resource] = activity
        if activity.name == "COMM" and header.local_h is not None:
            yield from _missed_pass(activity, header.local_h)
        if not asleep and activity.start_ms - busy_ms > IDLE_MS:
            yield finding(
                "timing.idle",
                f"the rover is awake for {format_duration(activity.start_ms - busy_ms)} before "
                f"{activity.name}, with nothing to do",
                activity.line,
                activity.instruction.column,
                "SLEEP and WAKE would save energy",
            )
        if activity.end_ms > HORIZON_MS and not too_long:
            too_long = True
            yield finding(
                "timing.length",
                f"{activity.name} ends at {format_elapsed(activity.end_ms)}; a sequence may last "
                f"{format_duration(HORIZON_MS)}, one sol",
                activity.line,
                activity.instruction.column,
                "put what follows into a sequence of its own",
            )
        if activity.name in ("SLEEP", "WAKE"):
            asleep = activity.name == "SLEEP"
        if activity.name != "WAIT":
            busy_ms = max(busy_ms, activity.end_ms)
        previous_ms = activity.start_ms
        if count % SLICE_LINES == 0:
            yield count / len(schedule.activities)
    return {"duration_s": schedule.end_ms / 1000}


def _out_of_order(activity: ScheduledCommand, previous_ms: int) -> Finding:
    if activity.asked_ms < 0:
        return finding(
            "timing.before-start",
            f"{activity.name} is set {format_duration(-activity.asked_ms)} before @start",
            activity.line,
            hint="correct @start, or this line's time",
        )
    return finding(
        "timing.backwards",
        f"{activity.name} is set at {format_elapsed(activity.asked_ms)}, and the command above it "
        f"at {format_elapsed(previous_ms)}",
        activity.line,
        hint="put the lines in the order of their times",
    )


def _overlap(
    activity: ScheduledCommand, held: dict[Resource, ScheduledCommand]
) -> Iterator[Finding]:
    """At most one finding: for what stays in use longest."""
    taken = [
        (held[resource].end_ms, resource)
        for resource in activity.instruction.command.resources
        if resource in held and held[resource].end_ms > activity.start_ms
    ]
    if not taken:
        return
    end_ms, resource = max(taken)
    holder = held[resource]
    yield finding(
        "timing.overlap",
        f"{activity.name} starts at {format_elapsed(activity.start_ms)}, but {holder.name} of line "
        f"{holder.line} uses the {resource} until {format_elapsed(end_ms)}",
        activity.line,
        activity.instruction.column,
        f"start it {format_duration(end_ms - activity.start_ms)} later, or with a C time",
    )


def _missed_pass(activity: ScheduledCommand, local_h: float) -> Iterator[Finding]:
    name, seconds = activity.instruction.arguments
    opens_h, closes_h = PASSES[str(name)]
    at_h = local_hours(local_h, activity.start_ms / 1000) % 24
    if opens_h - _SLACK_H <= at_h < closes_h:
        left_s = int((closes_h + _SLACK_H - at_h) * HOUR_S)
        if float(seconds) <= left_s:
            return
        hint = f"start it earlier, or ask for {left_s} s at most"
    else:
        wait_ms = (opens_h - at_h) % 24 * HOUR_S * 1000
        hint = f"start it {format_duration(wait_ms)} later, when the pass opens"
    yield finding(
        "timing.pass",
        f"COMM {name} of {seconds} s starts at {format_local_time(at_h)} of the rover's clock; "
        f"the pass is from {format_local_time(opens_h)} to {format_local_time(closes_h)}",
        activity.line,
        activity.instruction.column,
        hint,
    )
