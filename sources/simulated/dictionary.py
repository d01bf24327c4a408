"""The command dictionary: every command the simulated rover takes, and what it costs.

The one source of these facts: the parser takes types and ranges from here, the checks take power,
heat and resources, and the table in `docs/commands.md` is `table()` (a test compares them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Argument = float | int | str
"""A parsed argument."""


class Resource(StrEnum):
    """What only one command can use at a time."""

    MOBILITY = "mobility"
    ARM = "arm"
    MAST = "mast"
    RADIO = "radio"
    COMPUTER = "computer"


class Zone(StrEnum):
    """A part of the rover that is heated, and measured, by itself."""

    MOTORS = "MOTORS"
    ARM = "ARM"
    ELECTRONICS = "ELECTRONICS"


@dataclass(frozen=True, slots=True)
class Parameter:
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
class Command:
    """One entry of the dictionary.

    Attributes:
        name: as written in a sequence.
        title: what it does, in a few words.
        parameters: what it takes, in order.
        formula: seconds from its start to its end, for people; `duration_s` is the same as code.
        duration_s: gives those seconds for its arguments.
        load_w: electrical power while it runs, on top of what the rover draws anyway.
        heat_w: how much of that warms which zone.
        resources: what it uses alone while it runs.
        needs: what must hold when it starts, for people; `checks.safety` and others hold it.
    """

    name: str
    title: str
    parameters: tuple[Parameter, ...] = ()
    formula: str = "1"
    duration_s: Callable[..., float] = lambda: 1.0
    load_w: float = 0
    heat_w: Mapping[Zone, float] = field(default_factory=dict)
    resources: tuple[Resource, ...] = ()
    needs: str = ""

    @property
    def usage(self) -> str:
        """How it is written: `"HEATER zone state"`."""
        return " ".join([self.name, *(parameter.name for parameter in self.parameters)])


def _number(name: str, unit: str, low: float, high: float) -> Parameter:
    return Parameter(name, "number", unit, low, high)


def _integer(name: str, unit: str, low: int, high: int) -> Parameter:
    return Parameter(name, "integer", unit, low, high)


def _choice(name: str, *choices: str) -> Parameter:
    return Parameter(name, "choice", choices=choices)


_ARM_DOWN = "arm stowed, motors at −40 °C or more"

DICTIONARY: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command(
            "DRIVE",
            "drive straight ahead, or back",
            (
                _number("distance_m", "m", -100, 100),
                _number("speed_mps", "m/s", 0.005, 0.15),
                _number("slope_deg", "deg", -30, 30),
            ),
            "10 + abs(distance_m) / speed_mps",
            lambda distance_m, speed_mps, slope_deg: 10 + abs(distance_m) / speed_mps,  # noqa: ARG005
            90,
            {Zone.MOTORS: 15},
            (Resource.MOBILITY,),
            _ARM_DOWN,
        ),
        Command(
            "TURN",
            "turn in place, clockwise when positive",
            (_number("angle_deg", "deg", -180, 180),),
            "20 + abs(angle_deg) / 2",
            lambda angle_deg: 20 + abs(angle_deg) / 2,
            110,
            {Zone.MOTORS: 20},
            (Resource.MOBILITY,),
            _ARM_DOWN,
        ),
        Command(
            "ARM_DEPLOY",
            "unfold the arm",
            formula="120",
            duration_s=lambda: 120.0,
            load_w=35,
            heat_w={Zone.ARM: 10},
            resources=(Resource.ARM,),
            needs="rover standing, arm at −40 °C or more",
        ),
        Command(
            "ARM_STOW",
            "fold the arm",
            formula="120",
            duration_s=lambda: 120.0,
            load_w=35,
            heat_w={Zone.ARM: 10},
            resources=(Resource.ARM,),
            needs="arm at −40 °C or more",
        ),
        Command(
            "DRILL",
            "drill into the ground under the arm",
            (_number("depth_mm", "mm", 1, 60),),
            "60 + 40 * depth_mm",
            lambda depth_mm: 60 + 40 * depth_mm,
            75,
            {Zone.ARM: 36},
            (Resource.ARM,),
            "rover standing, arm deployed, at −40 °C or more",
        ),
        Command(
            "MAST",
            "point the mast",
            (_number("pan_deg", "deg", -180, 180), _number("tilt_deg", "deg", -60, 60)),
            "30",
            lambda pan_deg, tilt_deg: 30.0,  # noqa: ARG005
            18,
            resources=(Resource.MAST,),
        ),
        Command(
            "IMAGE",
            "take pictures",
            (_choice("camera", "NAVCAM", "PANCAM", "HAZCAM"), _integer("count", "", 1, 50)),
            "5 + 12 * count",
            lambda camera, count: 5.0 + 12 * count,  # noqa: ARG005
            12,
            {Zone.ELECTRONICS: 6},
            (Resource.MAST,),
            "rover standing, or they blur",
        ),
        Command(
            "HEATER",
            "switch a zone's heater",
            (_choice("zone", *Zone), _choice("state", "ON", "OFF")),
        ),
        Command(
            "COMM",
            "talk to Earth during a pass",
            (_choice("pass", "DIRECT", "RELAY_AM", "RELAY_PM"), _integer("seconds", "s", 60, 3600)),
            "seconds",
            lambda comm_pass, seconds: float(seconds),  # noqa: ARG005
            45,
            {Zone.ELECTRONICS: 20},
            (Resource.RADIO,),
            "inside the pass's window",
        ),
        Command(
            "SLEEP",
            "shut the computer down until WAKE",
            formula="60",
            duration_s=lambda: 60.0,
            resources=tuple(Resource),
            needs="a WAKE later on",
        ),
        Command(
            "WAKE",
            "start the computer again",
            formula="120",
            duration_s=lambda: 120.0,
            load_w=10,
            resources=(Resource.COMPUTER,),
            needs="rover asleep",
        ),
        Command(
            "WAIT",
            "do nothing, so that the next C line starts later",
            (_integer("seconds", "s", 1, 86400),),
            "seconds",
            lambda seconds: float(seconds),
        ),
    )
}
"""By name, in the order of the table."""


def table() -> str:
    """The dictionary as a Markdown table, as it stands in `docs/commands.md`."""
    rows = ["| command | does | arguments | seconds | W | heats | uses | needs |"]
    rows.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for command in DICTIONARY.values():
        cells = (
            f"`{command.name}`",
            command.title,
            "<br>".join(f"`{p.name}` {p.allowed}" for p in command.parameters),
            f"`{command.formula}`",
            f"{command.load_w:g}",
            "<br>".join(f"{zone} {watts:g} W" for zone, watts in command.heat_w.items()),
            "everything" if len(command.resources) == len(Resource) else ", ".join(command.resources),
            command.needs,
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"
