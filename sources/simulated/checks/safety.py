"""Safety: nothing that could harm the rover or lose it, and a state at the end it can stay in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.simulated.findings import SLICE_LINES, Check, finding
from sources.simulated.schedule import Schedule, ScheduledCommand
from sources.simulated.sequence import SequenceHeader, format_elapsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.base import Finding

MAX_SLOPE_DEG = 20.0
STEEP_DEG = 10.0
MAX_STEEP_MPS = 0.1
MAX_DISTANCE_M = 500.0


def check_safety(header: SequenceHeader, schedule: Schedule, rover: str) -> Check:
    """Go through the commands with what is deployed, moving, asleep and on in mind."""
    if header.rover not in (None, rover):
        yield finding(
            "safety.rover",
            f"the sequence is for {header.rover}; this is the check of {rover}",
            header.lines.get("rover"),
            hint=f"send it to the right rover, or write @rover {rover}",
        )
    state = _State()
    for count, activity in enumerate(schedule.activities):
        yield from state.awake(activity)
        yield from state.takes(activity)
        if count % SLICE_LINES == 0:
            yield count / len(schedule.activities)
    yield from state.final()
    if schedule.activities and not state.talked:
        yield finding(
            "safety.no-comm",
            "the sequence has no COMM: nobody hears how it went",
            hint="add a COMM in a pass's window, or be sure that another sequence does it",
        )
    return {"distance_m": round(state.distance_m, 2), "images": state.images}


class _State:
    """What the commands so far have left the rover in. It starts awake, standing and stowed."""

    def __init__(self) -> None:
        self.distance_m = 0.0
        self.images = 0
        self.talked = False
        self._asleep: ScheduledCommand | None = None
        self._waking: ScheduledCommand | None = None
        self._deployed: ScheduledCommand | None = None
        self._stowing: ScheduledCommand | None = None
        self._moving: ScheduledCommand | None = None
        self._imaging: ScheduledCommand | None = None
        self._heaters: dict[str, ScheduledCommand] = {}

    def awake(self, activity: ScheduledCommand) -> Iterator[Finding]:
        """Tell of a command that nobody is awake to run."""
        if activity.name in ("WAIT", "WAKE"):
            return
        if self._asleep is not None:
            since = f"asleep since SLEEP of line {self._asleep.line}"
            yield _at(activity, "safety.asleep", f"the rover is {since}", "WAKE before it")
        elif waking := _under_way(self._waking, activity):
            until = f"still waking up until {format_elapsed(waking.end_ms)}"
            hint = "start it with a C time behind WAKE"
            yield _at(activity, "safety.asleep", f"the rover is {until}", hint)

    def takes(self, activity: ScheduledCommand) -> Iterator[Finding]:
        """Tell what is wrong with a command in this state, and go on to the state after it."""
        match activity.name, activity.instruction.arguments:
            case "DRIVE", (float(distance_m), float(speed_mps), float(slope_deg)):
                yield from self._slope(activity, speed_mps, abs(slope_deg))
                yield from self._distance(activity, abs(distance_m))
                yield from self._moves(activity)
            case "TURN", _:
                yield from self._moves(activity)
            case (("ARM_DEPLOY" | "ARM_STOW" | "DRILL"), _):
                yield from self._arm(activity)
            case "IMAGE", (_, int(count)):
                self.images += count
                if moving := _under_way(self._moving, activity):
                    yield _blurred(activity, moving)
                self._imaging = _later(self._imaging, activity)
            case "HEATER", (str(zone), state):
                yield from self._heater(activity, zone, on=state == "ON")
            case "COMM", _:
                self.talked = True
            case "SLEEP", _:
                self._asleep = activity
            case "WAKE", _:
                if self._asleep is None:
                    yield _at(activity, "safety.no-effect", "the rover is awake", "delete the line")
                else:
                    self._asleep, self._waking = None, activity

    def final(self) -> Iterator[Finding]:
        """Tell what the rover must not be left in."""
        if self._asleep is not None:
            message = "the sequence ends with the rover asleep"
            yield _at(self._asleep, "safety.no-wake", message, "add a WAKE below it")
        if self._deployed is not None:
            message = "the sequence ends with the arm deployed"
            yield _at(self._deployed, "safety.arm-left-out", message, "ARM_STOW at the end")
        for zone, activity in self._heaters.items():
            message = f"the sequence ends with the {zone.lower()} heater on"
            yield _at(activity, "safety.heater-left-on", message, f"HEATER {zone} OFF at the end")

    def _slope(
        self, activity: ScheduledCommand, speed_mps: float, steep_deg: float
    ) -> Iterator[Finding]:
        if steep_deg > MAX_SLOPE_DEG:
            yield _at(
                activity,
                "safety.slope",
                f"a slope of {steep_deg:g} deg; the rover is safe up to {MAX_SLOPE_DEG:g} deg",
                "find a way around",
            )
        elif steep_deg > STEEP_DEG and speed_mps > MAX_STEEP_MPS:
            yield _at(
                activity,
                "safety.speed",
                f"{speed_mps:g} m/s on a slope of {steep_deg:g} deg; over {STEEP_DEG:g} deg it is "
                f"{MAX_STEEP_MPS:g} m/s at most",
                f"drive this at {MAX_STEEP_MPS:g} m/s",
            )

    def _distance(self, activity: ScheduledCommand, distance_m: float) -> Iterator[Finding]:
        before_m = self.distance_m
        self.distance_m += distance_m
        if before_m <= MAX_DISTANCE_M < self.distance_m:
            yield _at(
                activity,
                "safety.distance",
                f"{self.distance_m:g} m by now; a sequence may drive {MAX_DISTANCE_M:g} m",
                "stop here, and look at the pictures before going on",
            )

    def _moves(self, activity: ScheduledCommand) -> Iterator[Finding]:
        if self._deployed is not None:
            since = f"the arm is deployed since line {self._deployed.line}"
            yield _at(activity, "safety.arm-out", since, "ARM_STOW before it")
        elif stowing := _under_way(self._stowing, activity):
            until = f"the arm is being stowed until {format_elapsed(stowing.end_ms)}"
            yield _at(activity, "safety.arm-out", until, "start it with a C time behind ARM_STOW")
        if imaging := _under_way(self._imaging, activity):
            yield _blurred(activity, imaging)
        self._moving = _later(self._moving, activity)

    def _arm(self, activity: ScheduledCommand) -> Iterator[Finding]:
        if moving := _under_way(self._moving, activity):
            still = f"{moving.name} of line {moving.line} moves the rover until "
            still += format_elapsed(moving.end_ms)
            yield _at(activity, "safety.moving", still, "start it with a C time behind that")
        match activity.name, self._deployed:
            case "DRILL", None:
                yield _at(
                    activity, "safety.arm-stowed", "the arm is stowed", "ARM_DEPLOY before it"
                )
            case "ARM_DEPLOY", None:
                self._deployed = activity
            case "ARM_STOW", ScheduledCommand():
                self._deployed, self._stowing = None, activity
            case "ARM_DEPLOY", _:
                yield _at(activity, "safety.no-effect", "the arm is deployed", "delete the line")
            case "ARM_STOW", _:
                yield _at(activity, "safety.no-effect", "the arm is stowed", "delete the line")

    def _heater(self, activity: ScheduledCommand, zone: str, *, on: bool) -> Iterator[Finding]:
        if on == (zone in self._heaters):
            message = f"the {zone.lower()} heater is {'on' if on else 'off'}"
            yield _at(activity, "safety.no-effect", message, "delete the line")
        elif on:
            self._heaters[zone] = activity
        else:
            del self._heaters[zone]


def _under_way(
    other: ScheduledCommand | None, activity: ScheduledCommand
) -> ScheduledCommand | None:
    """The other command, if it is not done yet when this one starts."""
    return other if other is not None and other.end_ms > activity.start_ms else None


def _later(other: ScheduledCommand | None, activity: ScheduledCommand) -> ScheduledCommand:
    """Whichever is done last."""
    return other if other is not None and other.end_ms > activity.end_ms else activity


def _blurred(activity: ScheduledCommand, other: ScheduledCommand) -> Finding:
    return _at(
        activity,
        "safety.blurred",
        f"{other.name} of line {other.line} is under way until {format_elapsed(other.end_ms)}: "
        "pictures blur while the rover moves",
        "start it with a C time behind that",
    )


def _at(activity: ScheduledCommand, code: str, message: str, hint: str) -> Finding:
    column = activity.instruction.column
    return finding(code, f"{activity.name}: {message}", activity.line, column, hint)
