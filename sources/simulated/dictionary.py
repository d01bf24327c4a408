"""The command dictionary: the commands of the simulated rover, their arguments and their costs.

The parser reads types and ranges from here, the checks read power, heat and resources. The table in
docs/commands.md is the output of `table()`; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from sources.simulated.energy import DRIVE_W
from sources.simulated.traverse import CRUISE_M_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Argument = float | int | str
"""The value of an argument."""


class Resource(StrEnum):
    """A part of the rover that only one command can use at a time."""

    WHEELS = "wheels"
    ARM = "arm"
    MAST = "mast"
    RADIO = "radio"
    COMPUTER = "computer"


class Zone(StrEnum):
    """A part of the rover with a temperature and a heater of its own."""

    MOTORS = "MOTORS"
    ARM = "ARM"
    ELECTRONICS = "ELECTRONICS"


PASSES: Mapping[str, tuple[float, float]] = {
    "DIRECT": (10.0, 11.5),
    "RELAY_PM": (15.5, 16.0),
    "RELAY_AM": (3.0, 3.5),
}
"""The passes: begin and end of each communication window, in hours of local time."""


@dataclass(frozen=True, slots=True)
class CommandParameter:
    """The definition of one argument of a command.

    Attributes:
        name: its name, which includes the unit.
        kind: a decimal number, a whole number, or one of `choices`.
        unit: may follow the number; any other unit is an error.
        low: minimum, inclusive.
        high: maximum, inclusive.
        choices: the allowed words of a `choice`.
    """

    name: str
    kind: Literal["number", "integer", "choice"]
    unit: str = ""
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """The allowed values for people: `"1 to 100 m"`, `"ON or OFF"`."""
        if self.kind == "choice":
            return ", ".join(self.choices[:-1]) + f" or {self.choices[-1]}"
        whole = "whole, " if self.kind == "integer" else ""
        return f"{whole}{self.low:g} to {self.high:g} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Formula:
    """A quantity that depends on the arguments of a command.

    Attributes:
        text: the formula for people, with the names of the parameters.
        of: the formula as code; takes the arguments in order. A test compares both.
    """

    text: str
    of: Callable[..., float]

    def __call__(self, *arguments: Argument) -> float:
        """The quantity for these arguments."""
        return self.of(*arguments)


def fixed(value: float) -> Formula:
    """A formula that ignores the arguments."""
    return Formula(f"{value:g}", lambda *_: value)


@dataclass(frozen=True, slots=True)
class Command:
    """One entry of the dictionary.

    Attributes:
        name: its name in a sequence.
        title: a short description.
        parameters: the definitions of its arguments, in order.
        duration_s: seconds from its start to its end.
        load_w: electrical power while it runs, in addition to the base load.
        heats: the share of that power that heats each zone.
        resources: the resources that it uses while it runs.
        needs: its preconditions for people; the checks enforce them.
    """

    name: str
    title: str
    parameters: tuple[CommandParameter, ...] = ()
    duration_s: Formula = field(default_factory=lambda: fixed(1))
    load_w: Formula = field(default_factory=lambda: fixed(0))
    heats: Mapping[Zone, float] = field(default_factory=dict)
    resources: tuple[Resource, ...] = ()
    needs: str = ""

    @property
    def usage(self) -> str:
        """Its syntax: `"HEATER zone state"`."""
        return " ".join([self.name, *(parameter.name for parameter in self.parameters)])


_WARM_MOTORS = "arm stowed, motors warm enough"
_W_PER_MPS = round(DRIVE_W / CRUISE_M_S)


def _arm_motion(name: str, title: str, needs: str) -> Command:
    return Command(
        name,
        title,
        duration_s=fixed(120),
        load_w=fixed(60),
        heats={Zone.ARM: 0.2},
        resources=(Resource.ARM,),
        needs=needs,
    )


DICTIONARY: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command(
            "DRIVE",
            "drive straight ahead, or back if negative",
            (
                CommandParameter("distance_m", "number", "m", -250, 250),
                CommandParameter("speed_mps", "number", "m/s", 0.01, 0.35),
                CommandParameter("slope_deg", "number", "deg", -30, 30),
            ),
            Formula("10 + abs(distance_m) / speed_mps", lambda far, fast, _: 10 + abs(far) / fast),
            Formula(f"{_W_PER_MPS} * speed_mps", lambda _far, fast, _: _W_PER_MPS * fast),
            {Zone.MOTORS: 0.06},
            (Resource.WHEELS,),
            _WARM_MOTORS,
        ),
        Command(
            "TURN",
            "turn in place, clockwise if positive",
            (CommandParameter("angle_deg", "number", "deg", -180, 180),),
            Formula("20 + abs(angle_deg) / 2", lambda degrees: 20 + abs(degrees) / 2),
            fixed(420),
            {Zone.MOTORS: 0.06},
            (Resource.WHEELS,),
            _WARM_MOTORS,
        ),
        _arm_motion("ARM_DEPLOY", "unfold the arm", "rover standing, arm warm enough"),
        _arm_motion("ARM_STOW", "fold the arm", "arm warm enough"),
        Command(
            "DRILL",
            "drill into the ground under the arm",
            (CommandParameter("depth_mm", "number", "mm", 1, 60),),
            Formula("60 + 40 * depth_mm", lambda depth: 60 + 40 * depth),
            fixed(150),
            {Zone.ARM: 0.3},
            (Resource.ARM,),
            "rover standing, arm deployed and warm enough",
        ),
        Command(
            "MAST",
            "point the mast",
            (
                CommandParameter("pan_deg", "number", "deg", -180, 180),
                CommandParameter("tilt_deg", "number", "deg", -60, 60),
            ),
            duration_s=fixed(30),
            load_w=fixed(18),
            resources=(Resource.MAST,),
        ),
        Command(
            "IMAGE",
            "take images",
            (
                CommandParameter("camera", "choice", choices=("NAVCAM", "PANCAM", "HAZCAM")),
                CommandParameter("count", "integer", "", 1, 50),
            ),
            Formula("5 + 12 * count", lambda _, count: 5 + 12 * count),
            fixed(12),
            {Zone.ELECTRONICS: 0.5},
            (Resource.MAST,),
            "rover standing, or images blur",
        ),
        Command(
            "HEATER",
            "switch the heater of a zone",
            (
                CommandParameter("zone", "choice", choices=tuple(Zone)),
                CommandParameter("state", "choice", choices=("ON", "OFF")),
            ),
        ),
        Command(
            "COMM",
            "transmit to Earth during a pass",
            (
                CommandParameter("window", "choice", choices=tuple(PASSES)),
                CommandParameter("seconds", "integer", "s", 60, 3600),
            ),
            Formula("seconds", lambda _, seconds: seconds),
            fixed(60),
            {Zone.ELECTRONICS: 0.4},
            (Resource.RADIO,),
            "inside the window of the pass",
        ),
        Command(
            "SLEEP",
            "shut down the computer until WAKE",
            duration_s=fixed(60),
            resources=tuple(Resource),
            needs="a WAKE after it",
        ),
        Command(
            "WAKE",
            "start the computer",
            duration_s=fixed(120),
            load_w=fixed(10),
            resources=(Resource.COMPUTER,),
            needs="rover asleep",
        ),
        Command(
            "WAIT",
            "wait, so that a `C` line below starts later",
            (CommandParameter("seconds", "integer", "s", 1, 86_400),),
            Formula("seconds", lambda seconds: seconds),
        ),
    )
}
"""The commands by name, in the order of the table."""


def table() -> str:
    """The dictionary as a Markdown table, for docs/commands.md."""
    rows = [
        "| command | does | arguments | seconds | W | heats | uses | needs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for command in DICTIONARY.values():
        cells = (
            f"`{command.name}`",
            command.title,
            "<br>".join(f"`{each.name}` {each.allowed}" for each in command.parameters),
            f"`{command.duration_s.text}`",
            f"`{command.load_w.text}`",
            ", ".join(f"{zone} {share:.0%}" for zone, share in command.heats.items()),
            ", ".join(command.resources),
            command.needs,
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"
