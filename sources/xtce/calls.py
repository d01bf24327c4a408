"""Checks a command of a file against the database, and fills in its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sources.base import Severity
from sources.values.wording import Suggestions, listed, quoted, suggestion
from sources.xtce.types import Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.xtce.database import Command, Database
    from sources.xtce.forms import Call, Given, Place


@dataclass(frozen=True, slots=True)
class Problem:
    """An error of a command, or a note about it; its attributes are those of a finding."""

    code: str
    message: str
    place: Place
    hint: str = ""
    severity: Severity = Severity.ERROR


class CallCheck:
    """Checks the commands of one file.

    Args:
        database: of the machine.

    Attributes:
        has_checked: whether it has checked a command.
    """

    def __init__(self, database: Database) -> None:
        self.has_checked = False
        self._database = database
        self._noted: set[str] = set()
        self._suggestions = Suggestions({**database.short_names, **database.commands})

    def check(self, call: Call, values: dict[str, Any]) -> tuple[str, list[Problem]]:
        """The full name of the command, and its problems.

        The notes about a command are at its first use only.

        Args:
            call: the command.
            values: filled with its arguments in the order of the database.
        """
        self.has_checked = True
        command = self._database.find(call.name)
        if isinstance(command, tuple):
            if command:
                message, hint = f"{call.name} is ambiguous", f"write one of {listed(command)}"
                return "", [Problem("command.ambiguous", message, call.place, hint)]
            message, hint = (
                f"unknown command {quoted(call.name)}",
                self._suggestions.hint(call.name),
            )
            return "", [Problem("command.unknown", message, call.place, hint)]
        if command.is_abstract:
            message = f"{command.name} is abstract; only commands that inherit from it can be sent"
            return "", [Problem("command.abstract", message, call.place)]
        found: dict[str, Any] = {}
        problems = list(_arguments(command, call, found))
        if not problems:
            values.update((name, found[name]) for name in command.arguments)
        if command.name not in self._noted:
            self._noted.add(command.name)
            problems += [
                Problem(code, message, call.place, severity=severity)
                for severity, code, message in command.notes.findings(command.name)
            ]
        return command.name, problems


def _arguments(command: Command, call: Call, values: dict[str, Any]) -> Iterator[Problem]:
    """Yield the problems of the arguments of a command, and fill in their values."""
    free = [name for name in command.arguments if name not in command.assigned]
    usage = f"the command is {command.usage}"
    given: set[str] = set()
    for position, one in enumerate(call.arguments):
        if one.name is None and position >= len(free):
            message = f"{command.name} takes {len(free)} arguments, not {len(call.arguments)}"
            yield Problem("argument.extra", message, one.place, usage)
            break
        name = free[position] if one.name is None else one.name
        yield from _argument(command, one, name, given, values)
    for name, argument in command.arguments.items():
        if name in command.assigned:
            values[name] = command.assigned[name]
        elif name not in given:
            if argument.initial is None:
                message = f"{command.name} lacks {name}: {argument.type.expected}"
                yield Problem("argument.missing", message, call.place, usage)
            values[name] = argument.initial


def _argument(
    command: Command, one: Given, name: str, given: set[str], values: dict[str, Any]
) -> Iterator[Problem]:
    if name not in command.arguments:
        message = f"{command.name} has no argument {quoted(name)}"
        hint = suggestion(name, command.arguments)
        yield Problem("argument.unknown", message, one.place, hint)
    elif name in command.assigned:
        message = f"{command.name} itself assigns {name}"
        yield Problem("argument.assigned", message, one.place, "delete it")
    elif name in given:
        yield Problem("argument.duplicate", f"{name} is a duplicate", one.place)
    else:
        given.add(name)
        try:
            values[name] = command.arguments[name].type.read(one.value)
        except Wrong as exc:
            yield Problem(exc.code, f"{name} {exc}", one.place, exc.hint)
