"""A command's words to its arguments: how many, of which kind, unit and range."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sources.simulated.checks.wording import quoted, suggestion
from sources.simulated.findings import finding

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from sources.base import Finding
    from sources.simulated.dictionary import Argument, Command, CommandParameter

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(.*)", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_UNIT = re.compile(r"[A-Za-z°%][A-Za-z°%/]*")


def read_arguments(
    command: Command, words: Sequence[re.Match[str]], line: int, end: int
) -> Generator[Finding, None, tuple[Argument, ...] | None]:
    """Yield what is wrong with a command's words; return its arguments if nothing is.

    Args:
        command: what they are for.
        words: what stands behind its name. A unit may be a word by itself: `10 m`.
        line: from 1.
        end: the last column of the line's text.
    """
    taken: list[tuple[str, str, int]] = []  # value, unit, column
    for word in words:
        open_unit = bool(taken) and not taken[-1][1] and _takes_unit(command, len(taken))
        if open_unit and _UNIT.fullmatch(word.group()) and _NUMBER.fullmatch(taken[-1][0]):
            taken[-1] = (taken[-1][0], word.group(), taken[-1][2])
            continue
        number = _NUMBER.fullmatch(word.group())
        value, unit = number.groups() if number else (word.group(), "")
        taken.append((value, unit, word.start() + 1))

    expected = len(command.parameters)
    if len(taken) != expected:
        plural = "" if expected == 1 else "s"
        yield finding(
            "syntax.arguments",
            f"{command.name} takes {expected} argument{plural}, not {len(taken)}",
            line,
            taken[expected][2] if len(taken) > expected else end,
            f"write it as {command.usage}",
        )
        return None
    arguments: list[Argument] = []
    for parameter, (value, unit, column) in zip(command.parameters, taken, strict=True):
        read = _read_argument(command, parameter, value, unit)
        if isinstance(read, tuple):
            code, message, hint = read
            yield finding(code, f"{command.name} {parameter.name}: {message}", line, column, hint)
        else:
            arguments.append(read)
    return tuple(arguments) if len(arguments) == expected else None


def _takes_unit(command: Command, count: int) -> bool:
    """Whether the last of `count` words so far is for a number."""
    parameters = command.parameters
    return count <= len(parameters) and parameters[count - 1].kind != "choice"


def _read_argument(
    command: Command, parameter: CommandParameter, value: str, unit: str
) -> Argument | tuple[str, str, str]:
    """The argument, or the code, message and hint of what is wrong with it."""
    hint = f"{parameter.name} is {parameter.allowed}; write it as {command.usage}"
    if parameter.kind == "choice":
        if value + unit in parameter.choices:
            return value + unit
        guess = suggestion(value + unit, parameter.choices)
        return "syntax.type", f"{quoted(value + unit)} is not {parameter.allowed}", guess
    if not _NUMBER.fullmatch(value):
        return "syntax.type", f"{quoted(value)} is not a number", hint
    if unit not in ("", parameter.unit):
        right = f"in {parameter.unit}" if parameter.unit else "without a unit"
        return "syntax.unit", f"{quoted(unit)} is not its unit", f"give {parameter.name} {right}"
    if parameter.kind == "integer" and not _WHOLE.fullmatch(value):
        return "syntax.type", f"{value} is not a whole number", hint
    number = int(value) if parameter.kind == "integer" else float(value)
    if not parameter.low <= number <= parameter.high:
        shown = value if len(value) <= 20 else f"{value[:19]}…"
        return "syntax.range", f"{shown} is not within {parameter.allowed}", hint
    return number
