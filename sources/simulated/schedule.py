"""When each command of a sequence runs, and the electrical load at any time."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sources.simulated.dictionary import Zone
from sources.simulated.energy import ASLEEP_W, AWAKE_W, HEATER_W

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sources.simulated.dictionary import Argument, Command
    from sources.simulated.sequence import Instruction, SequenceHeader

HORIZON_MS = 88_775_244
"""One sol: the maximum duration of a sequence. The simulation ends there."""

MAX_INTERVAL_MS = 60_000
"""Maximum time step of the simulation of sun and temperatures."""

ZONE_HEATER_W = {Zone.MOTORS: 30.0, Zone.ARM: 20.0, Zone.ELECTRONICS: HEATER_W}
"""Power of the heater of each zone."""


@dataclass(frozen=True, slots=True)
class ScheduledCommand:
    """A command with its start, in milliseconds since the start of the sequence.

    Attributes:
        instruction: the parsed line.
        requested_ms: the start time that the line gives.
        start_ms: the same, but not before the command above it, so that a sequence with a wrong
            time can be simulated.
    """

    instruction: Instruction
    requested_ms: int
    start_ms: int

    @property
    def end_ms(self) -> int:
        """Its end, in milliseconds since the start of the sequence."""
        return self.start_ms + self.instruction.duration_ms

    @property
    def line(self) -> int:
        """Number of its line in the file, from 1."""
        return self.instruction.line

    @property
    def name(self) -> str:
        """Name of the command."""
        return self.instruction.command.name

    @property
    def column(self) -> int:
        """Column of its name in the line, from 1."""
        return self.instruction.column

    @property
    def definition(self) -> Command:
        """Its entry in the dictionary."""
        return self.instruction.command

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """Its argument values."""
        return self.instruction.arguments


@dataclass(slots=True)
class LoadState:
    """The electrical load at one time.

    Attributes:
        awake: whether the computer runs.
        command_w: power of the running commands.
        heat_w: heat from the running commands, by zone.
        heaters: zones whose heater is on.
    """

    awake: bool = True
    command_w: float = 0.0
    heat_w: dict[Zone, float] = field(default_factory=lambda: dict.fromkeys(Zone, 0.0))
    heaters: set[Zone] = field(default_factory=set)

    @property
    def base_w(self) -> float:
        """Power without commands and heaters."""
        return AWAKE_W if self.awake else ASLEEP_W

    @property
    def total_w(self) -> float:
        """Total power on the bus."""
        return self.base_w + self.command_w + sum(ZONE_HEATER_W[zone] for zone in self.heaters)

    def add(self, command: ScheduledCommand) -> None:
        """Add a command that starts."""
        self._change(command, +1)
        match command.name, command.arguments:
            case "HEATER", (str(zone), "ON"):
                self.heaters.add(Zone(zone))
            case "HEATER", (str(zone), "OFF"):
                self.heaters.discard(Zone(zone))
            case "WAKE", _:
                self.awake = True

    def remove(self, command: ScheduledCommand) -> None:
        """Remove a command that ended."""
        self._change(command, -1)
        if command.name == "SLEEP":
            self.awake = False

    def _change(self, command: ScheduledCommand, sign: int) -> None:
        load_w = command.instruction.load_w
        self.command_w += sign * load_w
        for zone, share in command.definition.heats.items():
            self.heat_w[zone] += sign * share * load_w


@dataclass(frozen=True, slots=True)
class Interval:
    """A time interval in which the load is constant.

    Attributes:
        start_ms: its start, since the start of the sequence.
        end_ms: its end, at most `MAX_INTERVAL_MS` later; equal to `start_ms` if `started`.
        load: the load. The object is reused: it changes with the next interval.
        latest: the command that started last, if any.
        started: `latest` starts at `start_ms`. Such an interval has no duration.
    """

    start_ms: int
    end_ms: int
    load: LoadState
    latest: ScheduledCommand | None
    started: bool = False

    @property
    def duration_s(self) -> float:
        """Its duration in seconds."""
        return (self.end_ms - self.start_ms) / 1000


class Schedule:
    """The start and end of each command of a sequence.

    Attributes:
        commands: the commands in the order of the file, which is the order of their starts.
        end_ms: end of the last running command.
    """

    def __init__(self, header: SequenceHeader, instructions: Sequence[Instruction]) -> None:
        self.commands = list(_schedule(header, instructions))
        self.end_ms = max((command.end_ms for command in self.commands), default=0)

    def share_done(self, interval: Interval) -> float:
        """The share of the time of all `intervals` up to the end of this one, 0 to 1."""
        return min(1.0, interval.end_ms / max(1, min(self.end_ms, HORIZON_MS)))

    def intervals(self) -> Iterator[Interval]:
        """Yield the intervals of constant load from 0 to the end, or to `HORIZON_MS`.

        The loads of commands that run at the same time add up; any number may overlap.
        """
        load, latest, now_ms = LoadState(), None, 0
        running: list[tuple[int, int]] = []  # end, index
        for index, command in enumerate(self.commands):
            if command.start_ms >= HORIZON_MS:
                break
            while running and running[0][0] <= command.start_ms:
                end_ms, ended = heapq.heappop(running)
                yield from _split(now_ms, end_ms, load, latest)
                now_ms = end_ms
                load.remove(self.commands[ended])
            yield from _split(now_ms, command.start_ms, load, latest)
            now_ms, latest = command.start_ms, command
            load.add(command)
            yield Interval(now_ms, now_ms, load, latest, started=True)
            heapq.heappush(running, (command.end_ms, index))
        while running and now_ms < HORIZON_MS:
            end_ms, ended = heapq.heappop(running)
            yield from _split(now_ms, min(end_ms, HORIZON_MS), load, latest)
            now_ms = end_ms
            load.remove(self.commands[ended])


def _schedule(
    header: SequenceHeader, instructions: Sequence[Instruction]
) -> Iterator[ScheduledCommand]:
    """Yield the commands with their starts, in the order of the file.

    Without `@start`, an `A` line starts when the command above it ends.
    """
    start_ms = end_ms = 0
    for instruction in instructions:
        time = instruction.time
        if time.kind == "R":
            requested_ms = start_ms + time.ms
        elif time.kind == "C":
            requested_ms = end_ms + time.ms
        elif header.start_ms is not None:
            requested_ms = time.ms - header.start_ms
        else:
            requested_ms = end_ms
        command = ScheduledCommand(instruction, requested_ms, max(requested_ms, start_ms))
        start_ms, end_ms = command.start_ms, command.end_ms
        yield command


def _split(
    start_ms: int, end_ms: int, load: LoadState, latest: ScheduledCommand | None
) -> Iterator[Interval]:
    while start_ms < end_ms:
        next_ms = min(start_ms + MAX_INTERVAL_MS, end_ms)
        yield Interval(start_ms, next_ms, load, latest)
        start_ms = next_ms
