"""Parses the arguments of a command: their number, types, units and ranges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sources.simulated.findings import finding
from sources.values.wording import quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from sources.base import Finding
    from sources.simulated.dictionary import Argument, Command, CommandParameter

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_UNIT = re.compile(r"[A-Za-z°%][A-Za-z°%/]*")


def read_arguments(
    command: Command, words: Sequence[re.Match[str]], line: int, end: int
) -> Generator[Finding, None, tuple[Argument, ...] | None]:
    """Yield findings about the arguments of a command; return its arguments if there are none.

    Args:
        command: the definition of the command.
        words: the words after its name. A unit may be a separate word: `10 m`.
        line: number of the line, from 1.
        end: the last column of the line's text.
    """
    found: list[tuple[str, str, int]] = []  # value, unit, column
    for word in words:
        if found and _is_unit(word.group(), *found[-1][:2], command.parameters[: len(found)]):
            found[-1] = (found[-1][0], word.group(), found[-1][2])
        else:
            found.append((*_value_and_unit(word.group()), word.start() + 1))

    expected = len(command.parameters)
    if len(found) != expected:
        plural = "" if expected == 1 else "s"
        yield finding(
            "syntax.arguments",
            f"{command.name} takes {expected} argument{plural}, not {len(found)}",
            line,
            found[expected][2] if len(found) > expected else end,
            f"the syntax is {command.usage}",
        )
        return None
    arguments: list[Argument] = []
    for parameter, (value, unit, column) in zip(command.parameters, found, strict=True):
        read = _read_argument(command, parameter, value, unit)
        if isinstance(read, tuple):
            code, message, hint = read
            yield finding(code, f"{command.name} {parameter.name}: {message}", line, column, hint)
        else:
            arguments.append(read)
    return tuple(arguments) if len(arguments) == expected else None


def _value_and_unit(word: str) -> tuple[str, str]:
    """The number and the unit of a word; the word and no unit if it is not a number."""
    number = _NUMBER.match(word)
    unit = "" if number is None else word[number.end() :]
    if number is None or unit in ("e", "E") or (unit and not _UNIT.fullmatch(unit)):
        return word, ""
    return number[0], unit


def _is_unit(word: str, value: str, unit: str, parameters: Sequence[CommandParameter]) -> bool:
    """Whether a word is the unit of the argument before it.

    Args:
        word: as written.
        value: of that argument.
        unit: of that argument; empty if it has none.
        parameters: up to that argument; fewer if the command has no parameter for it.
    """
    if unit or not parameters or parameters[-1].kind == "choice":
        return False
    return word == parameters[-1].unit or bool(_UNIT.fullmatch(word) and _NUMBER.fullmatch(value))


def _read_argument(
    command: Command, parameter: CommandParameter, value: str, unit: str
) -> Argument | tuple[str, str, str]:
    """The argument, or the code, message and hint of a finding."""
    hint = f"{parameter.name} is {parameter.allowed}; the syntax is {command.usage}"
    if parameter.kind == "choice":
        if value + unit in parameter.choices:
            return value + unit
        guess = suggestion(value + unit, parameter.choices)
        return "syntax.type", f"must be {parameter.allowed}, not {quoted(value + unit)}", guess
    if not _NUMBER.fullmatch(value):
        return "syntax.type", f"must be a number, not {quoted(value)}", hint
    if unit not in ("", parameter.unit):
        needed = f"the unit must be {parameter.unit}" if parameter.unit else "must have no unit"
        give = f"in {parameter.unit}" if parameter.unit else "without a unit"
        return "syntax.unit", f"{needed}, not {quoted(unit)}", f"give {parameter.name} {give}"
    if parameter.kind == "integer" and not _WHOLE.fullmatch(value):
        return "syntax.type", f"must be a whole number, not {value}", hint
    number = int(value) if parameter.kind == "integer" else float(value)
    if not parameter.low <= number <= parameter.high:
        shown = value if len(value) <= 20 else f"{value[:19]}…"
        return "syntax.range", f"must be {parameter.allowed}, not {shown}", hint
    return number
