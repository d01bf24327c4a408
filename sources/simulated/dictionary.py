"""The command dictionary: every command the simulated rover takes, and what it costs.

The one source of these facts: the parser takes types and ranges from here, the checks take power,
heat and resources, and the table in `docs/commands.md` is `table()` (a test compares them).
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
"""A parsed argument."""


class Resource(StrEnum):
    """What only one command can use at a time."""

    WHEELS = "wheels"
    ARM = "arm"
    MAST = "mast"
    RADIO = "radio"
    COMPUTER = "computer"


class Zone(StrEnum):
    """A part of the rover that is heated, and measured, by itself."""

    MOTORS = "MOTORS"
    ARM = "ARM"
    ELECTRONICS = "ELECTRONICS"


PASSES: Mapping[str, tuple[float, float]] = {
    "DIRECT": (10.0, 11.5),
    "RELAY_PM": (15.5, 16.0),
    "RELAY_AM": (3.0, 3.5),
}
"""When Earth, or an orbiter, can hear the rover: from and to, in hours of its own clock."""


@dataclass(frozen=True, slots=True)
class CommandParameter:
    """One argument a command takes.

    Attributes:
        name: as in the table; carries the unit.
        kind: what is written: a decimal number, a whole number, or one of `choices`.
        unit: may be written right behind the number; any other unit is an error.
        low: least value, inclusive.
        high: greatest value, inclusive.
        choices: words, for `choice`.
    """

    name: str
    kind: Literal["number", "integer", "choice"]
    unit: str = ""
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What may be written here, for people: `"1 to 100 m"`, `"ON or OFF"`."""
        if self.kind == "choice":
            return ", ".join(self.choices[:-1]) + f" or {self.choices[-1]}"
        whole = "whole, " if self.kind == "integer" else ""
        return f"{whole}{self.low:g} to {self.high:g} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Formula:
    """A figure that follows from a command's arguments.

    Attributes:
        text: for people, in the names of the command's parameters.
        of: the same as code; takes the arguments in their order. (A test holds both together.)
    """

    text: str
    of: Callable[..., float]

    def __call__(self, *arguments: Argument) -> float:
        """The figure for those arguments."""
        return self.of(*arguments)


def fixed(value: float) -> Formula:
    """The same figure whatever the arguments."""
    return Formula(f"{value:g}", lambda *_: value)


@dataclass(frozen=True, slots=True)
class Command:
    """One entry of the dictionary.

    Attributes:
        name: as written in a sequence.
        title: what it does, in a few words.
        parameters: what it takes, in order.
        duration_s: from its start to its end.
        load_w: electrical power while it runs, on top of what the rover draws anyway.
        heats: the share of that power that warms a zone.
        resources: what it uses alone while it runs.
        needs: what must hold when it starts, for people; the checks see to it.
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
        """How it is written: `"HEATER zone state"`."""
        return " ".join([self.name, *(parameter.name for parameter in self.parameters)])


_WARM_MOTORS = "arm stowed, motors warm enough"
_W_PER_MPS = round(DRIVE_W / CRUISE_M_S)

DICTIONARY: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command(
            "DRIVE",
            "drive straight ahead, or back",
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
            "turn in place, clockwise when positive",
            (CommandParameter("angle_deg", "number", "deg", -180, 180),),
            Formula("20 + abs(angle_deg) / 2", lambda degrees: 20 + abs(degrees) / 2),
            fixed(420),
            {Zone.MOTORS: 0.06},
            (Resource.WHEELS,),
            _WARM_MOTORS,
        ),
        Command(
            "ARM_DEPLOY",
            "unfold the arm",
            duration_s=fixed(120),
            load_w=fixed(60),
            heats={Zone.ARM: 0.2},
            resources=(Resource.ARM,),
            needs="rover standing, arm warm enough",
        ),
        Command(
            "ARM_STOW",
            "fold the arm",
            duration_s=fixed(120),
            load_w=fixed(60),
            heats={Zone.ARM: 0.2},
            resources=(Resource.ARM,),
            needs="arm warm enough",
        ),
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
            "take pictures",
            (
                CommandParameter("camera", "choice", choices=("NAVCAM", "PANCAM", "HAZCAM")),
                CommandParameter("count", "integer", "", 1, 50),
            ),
            Formula("5 + 12 * count", lambda _, count: 5 + 12 * count),
            fixed(12),
            {Zone.ELECTRONICS: 0.5},
            (Resource.MAST,),
            "rover standing, or they blur",
        ),
        Command(
            "HEATER",
            "switch a zone's heater",
            (
                CommandParameter("zone", "choice", choices=tuple(Zone)),
                CommandParameter("state", "choice", choices=("ON", "OFF")),
            ),
        ),
        Command(
            "COMM",
            "talk to Earth during a pass",
            (
                CommandParameter("window", "choice", choices=tuple(PASSES)),
                CommandParameter("seconds", "integer", "s", 60, 3600),
            ),
            Formula("seconds", lambda _, seconds: seconds),
            fixed(60),
            {Zone.ELECTRONICS: 0.4},
            (Resource.RADIO,),
            "inside that window",
        ),
        Command(
            "SLEEP",
            "shut the computer down until WAKE",
            duration_s=fixed(60),
            resources=tuple(Resource),
            needs="a WAKE later on",
        ),
        Command(
            "WAKE",
            "start the computer again",
            duration_s=fixed(120),
            load_w=fixed(10),
            resources=(Resource.COMPUTER,),
            needs="rover asleep",
        ),
        Command(
            "WAIT",
            "let time pass, so that a `C` line below starts later",
            (CommandParameter("seconds", "integer", "s", 1, 86_400),),
            Formula("seconds", lambda seconds: seconds),
        ),
    )
}
"""By name, in the order of the table."""


def table() -> str:
    """The dictionary as a Markdown table, as it stands in `docs/commands.md`."""
    rows = [
        "| command | does | arguments | seconds | W | warms | uses | needs |",
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
