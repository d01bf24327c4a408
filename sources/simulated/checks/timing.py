"""Timing: the order of commands, shared resources, passes, idle time and total duration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.simulated.dictionary import PASSES, Resource
from sources.simulated.findings import SLICE_LINES, Check, finding, finding_at
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
"""Time awake without a command after which a finding is reported."""

_TOLERANCE_H = 1e-6
"""Tolerance in hours for rounding errors, if a start is exactly at the edge of a window."""


def check_timing(header: SequenceHeader, schedule: Schedule) -> Check:
    """Check every start and end. Without `@local`, the windows of passes are not checked."""
    held: dict[Resource, ScheduledCommand] = {}
    previous_ms = busy_ms = 0
    asleep = too_long = False
    for count, command in enumerate(schedule.commands):
        if command.requested_ms < previous_ms:
            yield _out_of_order(command, previous_ms)
        else:
            yield from _overlap(command, held)
        for resource in command.definition.resources:
            if resource not in held or held[resource].end_ms < command.end_ms:
                held[resource] = command
        if command.name == "COMM" and header.local_h is not None:
            yield from _missed_pass(command, header.local_h)
        if not asleep and command.start_ms - busy_ms > IDLE_MS:
            yield finding_at(
                "timing.idle",
                command,
                f"the rover is awake and idle for {format_duration(command.start_ms - busy_ms)} "
                f"before {command.name}",
                "SLEEP and WAKE would save energy",
            )
        if command.end_ms > HORIZON_MS and not too_long:
            too_long = True
            yield finding_at(
                "timing.length",
                command,
                f"{command.name} ends at {format_elapsed(command.end_ms)}; the maximum duration "
                f"of a sequence is {format_duration(HORIZON_MS)}, one sol",
                "move the remaining commands to another sequence",
            )
        if command.name in ("SLEEP", "WAKE"):
            asleep = command.name == "SLEEP"
        if command.name != "WAIT":
            busy_ms = max(busy_ms, command.end_ms)
        previous_ms = command.start_ms
        if count % SLICE_LINES == 0:
            yield count / len(schedule.commands)
    return {"duration_s": schedule.end_ms / 1000}


def _out_of_order(command: ScheduledCommand, previous_ms: int) -> Finding:
    if command.requested_ms < 0:
        return finding(
            "timing.before-start",
            f"{command.name} starts {format_duration(-command.requested_ms)} before @start",
            command.line,
            hint="correct @start, or the time of this line",
        )
    return finding(
        "timing.backwards",
        f"{command.name} starts at {format_elapsed(command.requested_ms)}, before the command "
        f"above it, which starts at {format_elapsed(previous_ms)}",
        command.line,
        hint="sort the lines by their times",
    )


def _overlap(
    command: ScheduledCommand, held: dict[Resource, ScheduledCommand]
) -> Iterator[Finding]:
    """Yield at most one finding, for the resource that is in use longest."""
    conflicts = [
        (held[resource].end_ms, resource)
        for resource in command.definition.resources
        if resource in held and held[resource].end_ms > command.start_ms
    ]
    if not conflicts:
        return
    end_ms, resource = max(conflicts)
    holder = held[resource]
    yield finding_at(
        "timing.overlap",
        command,
        f"{command.name} starts at {format_elapsed(command.start_ms)}, but {holder.name} in line "
        f"{holder.line} uses the {resource} until {format_elapsed(end_ms)}",
        f"start it {format_duration(end_ms - command.start_ms)} later, or with a C time",
    )


def _missed_pass(command: ScheduledCommand, local_h: float) -> Iterator[Finding]:
    name, seconds = command.arguments
    opens_h, closes_h = PASSES[str(name)]
    at_h = local_hours(local_h, command.start_ms / 1000) % 24
    if opens_h - _TOLERANCE_H <= at_h < closes_h:
        left_s = int((closes_h + _TOLERANCE_H - at_h) * HOUR_S)
        if float(seconds) <= left_s:
            return
        hint = f"start it earlier, or shorten it to {left_s} s or less"
    else:
        wait_ms = (opens_h - at_h) % 24 * HOUR_S * 1000
        hint = f"start it {format_duration(wait_ms)} later, when the pass begins"
    yield finding_at(
        "timing.pass",
        command,
        f"COMM {name} of {seconds} s starts at {format_local_time(at_h)} local time; "
        f"the pass is from {format_local_time(opens_h)} to {format_local_time(closes_h)}",
        hint,
    )
