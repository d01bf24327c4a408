"""Safety: commands that could harm or lose the rover, and its state at the end of a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.simulated.findings import SLICE_LINES, Check, finding, finding_at
from sources.simulated.schedule import Schedule, ScheduledCommand
from sources.simulated.sequence import SequenceHeader, format_elapsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.base import Finding

MAX_SLOPE_DEG = 20.0
STEEP_DEG = 10.0
"""Slope above which the speed limit is `MAX_STEEP_MPS`."""

MAX_STEEP_MPS = 0.1
MAX_DISTANCE_M = 500.0
"""Maximum distance that one sequence drives."""


def check_safety(
    header: SequenceHeader, schedule: Schedule, rover: str, *, is_whole: bool
) -> Check:
    """Check each command against the state of arm, wheels, computer and heaters.

    Args:
        header: of the sequence.
        schedule: its commands.
        rover: that it must be for.
        is_whole: whether it has no other commands. Else nothing is known of its end.
    """
    if header.rover not in (None, rover):
        yield finding(
            "safety.rover",
            f"the sequence is for {header.rover}, not for {rover}",
            header.lines.get("rover"),
            hint=f"upload it to {header.rover}, or write @rover {rover}",
        )
    state = _RoverState()
    for count, command in enumerate(schedule.commands):
        yield from state.check_awake(command)
        yield from state.apply(command)
        if count % SLICE_LINES == 0:
            yield count / len(schedule.commands)
    if is_whole:
        yield from state.check_end()
    if is_whole and schedule.commands and not state.has_comm:
        yield finding(
            "safety.no-comm",
            "the sequence has no COMM, so it reports no result",
            hint="add a COMM in the window of a pass, unless another sequence has one",
        )
    return {"distance_m": round(state.distance_m, 2), "images": state.images}


class _RoverState:
    """The state of the rover after some commands; at first awake, at rest, with the arm stowed."""

    def __init__(self) -> None:
        self.distance_m = 0.0
        self.images = 0
        self.has_comm = False
        self._asleep: ScheduledCommand | None = None
        self._waking: ScheduledCommand | None = None
        self._deployed: ScheduledCommand | None = None
        self._stowing: ScheduledCommand | None = None
        self._moving: ScheduledCommand | None = None
        self._imaging: ScheduledCommand | None = None
        self._heaters: dict[str, ScheduledCommand] = {}

    def check_awake(self, command: ScheduledCommand) -> Iterator[Finding]:
        """Check that the rover is awake when a command starts."""
        if command.name in ("WAIT", "WAKE"):
            return
        if self._asleep is not None:
            since = f"asleep since SLEEP in line {self._asleep.line}"
            yield _at(command, "safety.asleep", f"the rover is {since}", "add a WAKE before it")
        elif waking := _still_running(self._waking, command):
            until = f"waking up until {format_elapsed(waking.end_ms)}"
            hint = "give it a C time after WAKE"
            yield _at(command, "safety.asleep", f"the rover is {until}", hint)

    def apply(self, command: ScheduledCommand) -> Iterator[Finding]:
        """Check a command in the current state, and change to the state after it."""
        match command.name, command.arguments:
            case "DRIVE", (float(distance_m), float(speed_mps), float(slope_deg)):
                yield from self._check_slope(command, speed_mps, abs(slope_deg))
                yield from self._add_distance(command, abs(distance_m))
                yield from self._apply_move(command)
            case "TURN", _:
                yield from self._apply_move(command)
            case (("ARM_DEPLOY" | "ARM_STOW" | "DRILL"), _):
                yield from self._apply_arm(command)
            case "IMAGE", (_, int(count)):
                self.images += count
                if moving := _still_running(self._moving, command):
                    yield _blurred(command, moving)
                self._imaging = _later(self._imaging, command)
            case "HEATER", (str(zone), state):
                yield from self._apply_heater(command, zone, on=state == "ON")
            case "COMM", _:
                self.has_comm = True
            case "SLEEP", _:
                self._asleep = command
            case "WAKE", _:
                if self._asleep is None:
                    yield _at(
                        command, "safety.no-effect", "the rover is already awake", "delete the line"
                    )
                else:
                    self._asleep, self._waking = None, command

    def check_end(self) -> Iterator[Finding]:
        """Check the state at the end of the sequence."""
        if self._asleep is not None:
            message = "the sequence ends with the rover asleep"
            yield _at(self._asleep, "safety.no-wake", message, "add a WAKE after it")
        if self._deployed is not None:
            message = "the sequence ends with the arm deployed"
            yield _at(self._deployed, "safety.arm-left-out", message, "add an ARM_STOW at the end")
        for zone, command in self._heaters.items():
            message = f"the sequence ends with the {zone.lower()} heater on"
            yield _at(
                command, "safety.heater-left-on", message, f"add HEATER {zone} OFF at the end"
            )

    def _check_slope(
        self, command: ScheduledCommand, speed_mps: float, steep_deg: float
    ) -> Iterator[Finding]:
        if steep_deg > MAX_SLOPE_DEG:
            yield _at(
                command,
                "safety.slope",
                f"the slope of {steep_deg:g} deg is above the limit of {MAX_SLOPE_DEG:g} deg",
                "drive around the slope",
            )
        elif steep_deg > STEEP_DEG and speed_mps > MAX_STEEP_MPS:
            yield _at(
                command,
                "safety.speed",
                f"{speed_mps:g} m/s on a slope of {steep_deg:g} deg; the limit above "
                f"{STEEP_DEG:g} deg is {MAX_STEEP_MPS:g} m/s",
                f"drive at {MAX_STEEP_MPS:g} m/s",
            )

    def _add_distance(self, command: ScheduledCommand, distance_m: float) -> Iterator[Finding]:
        before_m = self.distance_m
        self.distance_m += distance_m
        if before_m <= MAX_DISTANCE_M < self.distance_m:
            yield _at(
                command,
                "safety.distance",
                f"total distance {self.distance_m:g} m; the limit is {MAX_DISTANCE_M:g} m",
                "end the sequence here, and check the images before driving on",
            )

    def _apply_move(self, command: ScheduledCommand) -> Iterator[Finding]:
        if self._deployed is not None:
            since = f"the arm is deployed since line {self._deployed.line}"
            yield _at(command, "safety.arm-out", since, "add an ARM_STOW before it")
        elif stowing := _still_running(self._stowing, command):
            until = f"the arm is being stowed until {format_elapsed(stowing.end_ms)}"
            yield _at(command, "safety.arm-out", until, "give it a C time after ARM_STOW")
        if imaging := _still_running(self._imaging, command):
            yield _blurred(command, imaging)
        self._moving = _later(self._moving, command)

    def _apply_arm(self, command: ScheduledCommand) -> Iterator[Finding]:
        if moving := _still_running(self._moving, command):
            message = f"{moving.name} in line {moving.line} moves the rover until "
            message += format_elapsed(moving.end_ms)
            yield _at(command, "safety.moving", message, f"give it a C time after {moving.name}")
        match command.name, self._deployed:
            case "DRILL", None:
                yield _at(
                    command, "safety.arm-stowed", "the arm is stowed", "add an ARM_DEPLOY before it"
                )
            case "ARM_DEPLOY", None:
                self._deployed = command
            case "ARM_STOW", ScheduledCommand():
                self._deployed, self._stowing = None, command
            case "ARM_DEPLOY", _:
                yield _at(
                    command, "safety.no-effect", "the arm is already deployed", "delete the line"
                )
            case "ARM_STOW", _:
                yield _at(
                    command, "safety.no-effect", "the arm is already stowed", "delete the line"
                )

    def _apply_heater(self, command: ScheduledCommand, zone: str, *, on: bool) -> Iterator[Finding]:
        if on == (zone in self._heaters):
            message = f"the {zone.lower()} heater is already {'on' if on else 'off'}"
            yield _at(command, "safety.no-effect", message, "delete the line")
        elif on:
            self._heaters[zone] = command
        else:
            del self._heaters[zone]


def _still_running(
    other: ScheduledCommand | None, command: ScheduledCommand
) -> ScheduledCommand | None:
    """The other command, if it is still running when this one starts."""
    return other if other is not None and other.end_ms > command.start_ms else None


def _later(other: ScheduledCommand | None, command: ScheduledCommand) -> ScheduledCommand:
    """The command that ends later."""
    return other if other is not None and other.end_ms > command.end_ms else command


def _blurred(command: ScheduledCommand, other: ScheduledCommand) -> Finding:
    return _at(
        command,
        "safety.blurred",
        f"{other.name} in line {other.line} runs until {format_elapsed(other.end_ms)}; "
        "images blur while the rover moves",
        f"give it a C time after {other.name}",
    )


def _at(command: ScheduledCommand, code: str, message: str, hint: str) -> Finding:
    return finding_at(code, command, f"{command.name}: {message}", hint)
