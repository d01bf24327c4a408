"""When each command of a sequence runs, and what is on at every moment between."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sources.simulated.dictionary import Zone
from sources.simulated.energy import ASLEEP_W, AWAKE_W, HEATER_W

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sources.simulated.sequence import Instruction, SequenceHeader

HORIZON_MS = 88_775_244
"""One sol: the longest a sequence may be, and as far as it is simulated."""

MAX_SPAN_MS = 60_000
"""Sun and temperatures are followed at least this closely."""

ZONE_HEATER_W = {Zone.MOTORS: 30.0, Zone.ARM: 20.0, Zone.ELECTRONICS: HEATER_W}


@dataclass(frozen=True, slots=True)
class ScheduledCommand:
    """A command with its place in time; milliseconds since the start of the sequence.

    Attributes:
        instruction: the line that it comes from.
        asked_ms: when the line asks to start.
        start_ms: the same, but never before the activity above it, so that a sequence with a
            wrong time can be simulated all the same.
    """

    instruction: Instruction
    asked_ms: int
    start_ms: int

    @property
    def end_ms(self) -> int:
        """When it is done."""
        return self.start_ms + self.instruction.duration_ms

    @property
    def line(self) -> int:
        """Where it stands in the file."""
        return self.instruction.line

    @property
    def name(self) -> str:
        """The command's name."""
        return self.instruction.command.name


@dataclass(slots=True)
class LoadState:
    """What is on at a moment.

    Attributes:
        awake: the computer runs.
        command_w: drawn by the commands under way.
        heat_w: from those commands, by zone.
        heaters: zones whose heater is on.
    """

    awake: bool = True
    command_w: float = 0.0
    heat_w: dict[Zone, float] = field(default_factory=lambda: dict.fromkeys(Zone, 0.0))
    heaters: set[Zone] = field(default_factory=set)

    @property
    def base_w(self) -> float:
        """What the rover draws when it does nothing."""
        return AWAKE_W if self.awake else ASLEEP_W

    @property
    def total_w(self) -> float:
        """Everything the bus carries."""
        return self.base_w + self.command_w + sum(ZONE_HEATER_W[zone] for zone in self.heaters)

    def starts(self, activity: ScheduledCommand) -> None:
        """Add what a command draws from its start on."""
        self._add(activity, +1)
        match activity.name, activity.instruction.arguments:
            case "HEATER", (str(zone), "ON"):
                self.heaters.add(Zone(zone))
            case "HEATER", (str(zone), "OFF"):
                self.heaters.discard(Zone(zone))
            case "WAKE", _:
                self.awake = True

    def ends(self, activity: ScheduledCommand) -> None:
        """Take away what it drew."""
        self._add(activity, -1)
        if activity.name == "SLEEP":
            self.awake = False

    def _add(self, activity: ScheduledCommand, sign: int) -> None:
        load_w = activity.instruction.load_w
        self.command_w += sign * load_w
        for zone, share in activity.instruction.command.heats.items():
            self.heat_w[zone] += sign * share * load_w


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time in which nothing is switched.

    Attributes:
        start_ms: since the start of the sequence.
        end_ms: after `start_ms`, by `MAX_SPAN_MS` at most; equal where a command starts.
        load: what is on; changes with the next span, so take from it what you keep.
        latest: the command that started last, if any.
        started: a command starts right at `start_ms`; it is `latest`. Such a span has no length.
    """

    start_ms: int
    end_ms: int
    load: LoadState
    latest: ScheduledCommand | None
    started: bool = False

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return (self.end_ms - self.start_ms) / 1000


class Schedule:
    """A sequence in time: when each of its commands runs.

    Attributes:
        activities: in the order of the file, which is the order in which they start.
        end_ms: when the last of them is done.
    """

    def __init__(self, header: SequenceHeader, instructions: Sequence[Instruction]) -> None:
        self.activities = list(_schedule(header, instructions))
        self.end_ms = max((activity.end_ms for activity in self.activities), default=0)

    def share(self, span: Interval) -> float:
        """How far into the time that `spans` goes through a span is, 0 to 1."""
        return min(1.0, span.end_ms / max(1, min(self.end_ms, HORIZON_MS)))

    def spans(self) -> Iterator[Interval]:
        """Yield the time from 0 to the end, cut wherever anything is switched.

        Ends at the horizon. Commands that run at once add up; nothing is kept for them but sums,
        so any number may overlap.
        """
        load, latest, now_ms = LoadState(), None, 0
        running: list[tuple[int, int]] = []  # end, index
        for index, activity in enumerate(self.activities):
            if activity.start_ms >= HORIZON_MS:
                break
            while running and running[0][0] <= activity.start_ms:
                end_ms, ended = heapq.heappop(running)
                yield from _stretch(now_ms, end_ms, load, latest)
                now_ms = end_ms
                load.ends(self.activities[ended])
            yield from _stretch(now_ms, activity.start_ms, load, latest)
            now_ms, latest = activity.start_ms, activity
            load.starts(activity)
            yield Interval(now_ms, now_ms, load, latest, started=True)
            heapq.heappush(running, (activity.end_ms, index))
        while running and now_ms < HORIZON_MS:
            end_ms, ended = heapq.heappop(running)
            yield from _stretch(now_ms, min(end_ms, HORIZON_MS), load, latest)
            now_ms = end_ms
            load.ends(self.activities[ended])


def _schedule(
    header: SequenceHeader, instructions: Sequence[Instruction]
) -> Iterator[ScheduledCommand]:
    """Yield when each command runs, in the order of the file, which is the order of starts.

    `A` lines of a sequence whose `@start` is missing are taken as if they followed at once.
    """
    start_ms = end_ms = 0
    for instruction in instructions:
        time = instruction.time
        if time.kind == "R":
            asked_ms = start_ms + time.ms
        elif time.kind == "C":
            asked_ms = end_ms + time.ms
        elif header.start_ms is not None:
            asked_ms = time.ms - header.start_ms
        else:
            asked_ms = end_ms
        activity = ScheduledCommand(instruction, asked_ms, max(asked_ms, start_ms))
        start_ms, end_ms = activity.start_ms, activity.end_ms
        yield activity


def _stretch(
    start_ms: int, end_ms: int, load: LoadState, latest: ScheduledCommand | None
) -> Iterator[Interval]:
    while start_ms < end_ms:
        cut_ms = min(start_ms + MAX_SPAN_MS, end_ms)
        yield Interval(start_ms, cut_ms, load, latest)
        start_ms = cut_ms
