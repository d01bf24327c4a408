"""The command validator for XTCE databases: `xtce:rover.xml`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sources.base import Finding, Progress, Severity, Step
from sources.values.files import command_file
from sources.values.json_text import read_json_text
from sources.values.languages import check_language
from sources.values.slices import in_slices
from sources.values.tally import Tally
from sources.values.text_blocks import NotText, count_lines, text_blocks
from sources.values.wording import Suggestions, listed, quoted, suggestion
from sources.xtce.database import read_database
from sources.xtce.forms import Call, FormMistake, Given, parse_line, read_calls
from sources.xtce.types import Wrong

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from sources.base import CommandDictionary, Verdict
    from sources.xtce.database import Command

CONTENT_TYPE = "application/json"

MAX_FILE_BYTES = 16 * 2**20

STEPS = (Step("syntax", "Syntax"), Step("commands", "Commands and arguments"))

Report = Finding | dict[str, Any]
"""A finding, or a command without an error."""


class XtceValidator:
    """Checks command files against the `MetaCommandSet` of an XTCE database.

    A file has one command per line, or is JSON.

    Args:
        database: path of the XML file.

    Raises:
        SourceError: the database cannot be read or is not valid.
    """

    suffixes = (".txt", ".cmd", ".json")
    max_bytes = MAX_FILE_BYTES

    def __init__(self, database: Path) -> None:
        self._database = read_database(Path(database))

    @property
    def steps(self) -> tuple[Step, ...]:
        """Syntax, commands and arguments."""
        return STEPS

    @property
    def dictionary(self) -> CommandDictionary:
        """The database."""
        return self._database.about

    def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        """Check a command file; see `CommandValidator`. Yields 1,000 findings at most."""
        return in_slices(self._check(path))

    def _check(self, path: Path) -> Generator[Progress | Finding | Verdict]:
        tally, commands, reason = Tally(), list[dict[str, Any]](), ""
        suggestions = Suggestions({**self._database.short_names, **self._database.commands})
        yield Progress("syntax", 0.0, "reading the file")
        try:
            for report in self._reports(path, suggestions):
                if isinstance(report, Progress):
                    yield report
                elif isinstance(report, Finding):
                    yield from tally.reported([report])
                else:
                    commands.append(report)
        except NotText as exc:
            reason = "not checked, the file is not readable"
            yield from tally.reported([exc.error.finding()])
        except ValueError as exc:
            reason = "not checked, the file is not valid JSON"
            yield from tally.reported(exc.args)
        if not commands and not tally.errors:
            yield from tally.reported([_error("file.no-commands", "the file has no command", 1, 1)])
        yield Progress("commands", 0.95, reason or "checked", skipped=reason != "")
        plural = "" if len(commands) == 1 else "s"
        yield from tally.conclusion(
            f"{len(commands):,} command{plural}",
            {"commands": len(commands)},
            json.dumps({"commands": commands}).encode(),
            CONTENT_TYPE,
        )

    def _reports(self, path: Path, suggestions: Suggestions) -> Iterator[Progress | Report]:
        for call in _calls(path):
            if isinstance(call, FormMistake):
                yield _error(
                    "syntax.command", str(call), call.line, call.column, call.hint, "syntax"
                )
            elif isinstance(call, Call):
                yield from self._checked(call, suggestions)
            else:
                yield call

    def _checked(self, call: Call, suggestions: Suggestions) -> Iterator[Report]:
        """Yield the findings about a command, or the command with all its arguments."""
        command = self._database.find(call.name)
        if isinstance(command, tuple):
            if command:
                message, hint = f"{call.name} is ambiguous", f"write one of {listed(command)}"
                yield _error("command.ambiguous", message, call.line, call.column, hint)
            else:
                message, hint = f"unknown command {quoted(call.name)}", suggestions.hint(call.name)
                yield _error("command.unknown", message, call.line, call.column, hint)
            return
        if command.is_abstract:
            message = f"{command.name} is abstract; only commands that inherit from it can be sent"
            yield _error("command.abstract", message, call.line, call.column)
            return
        values: dict[str, Any] = {}
        errors = 0
        for finding in _arguments(command, call, values):
            errors += 1
            yield finding
        if not errors:
            ordered = {name: values[name] for name in command.arguments}
            yield {"name": command.name, "args": ordered}


def _calls(path: Path) -> Iterator[Call | FormMistake | Progress | Finding]:
    """Yield the commands of a file in either form."""
    if _is_json(path):
        text = read_json_text(path, MAX_FILE_BYTES)
        mistakes = list(text.mistakes())
        yield from mistakes
        if not any(one.severity is Severity.ERROR for one in mistakes):
            yield from read_calls(text, text.parse())
        return
    lines, size = count_lines(path), max(1, path.stat().st_size)
    for block in text_blocks(path):
        if block.first == 1:
            check_language(block, "text")
        yield from (error.finding() for error in block.errors)
        for number, line in enumerate(block.lines, block.first):
            try:
                call = parse_line(line, number)
            except FormMistake as exc:
                yield exc
            else:
                if call is not None:
                    yield call
        line_number = block.first + len(block.lines) - 1
        detail = f"line {line_number:,} of {lines:,}"
        yield Progress("syntax", 0.9 * block.end / size, detail, line=line_number, lines=lines)


def _is_json(path: Path) -> bool:
    """Whether a file begins like JSON, in any encoding."""
    with command_file(path) as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip(b"\xff\xfe\0 \t\r\n")
    return start[:1] in (b"{", b"[")


def _arguments(command: Command, call: Call, values: dict[str, Any]) -> Iterator[Finding]:
    """Yield the findings about the arguments of a command, and fill in their values."""
    free = [name for name in command.arguments if name not in command.assigned]
    usage = f"the command is {command.usage}"
    given: set[str] = set()
    for position, one in enumerate(call.arguments):
        if one.name is None and position >= len(free):
            message = f"{command.name} takes {len(free)} arguments, not {len(call.arguments)}"
            yield _error("argument.extra", message, one.line, one.column, usage)
            break
        name = free[position] if one.name is None else one.name
        yield from _argument(command, one, name, given, values)
    for name, argument in command.arguments.items():
        if name in command.assigned:
            values[name] = command.assigned[name]
        elif name not in given:
            if argument.initial is None:
                message = f"{command.name} lacks {name}: {argument.type.expected}"
                yield _error("argument.missing", message, call.line, call.column, usage)
            values[name] = argument.initial


def _argument(
    command: Command, one: Given, name: str, given: set[str], values: dict[str, Any]
) -> Iterator[Finding]:
    code, message, hint = "", "", ""
    if name not in command.arguments:
        code, message = "argument.unknown", f"{command.name} has no argument {quoted(name)}"
        hint = suggestion(name, command.arguments)
    elif name in command.assigned:
        code, message = "argument.assigned", f"{command.name} itself assigns {name}"
        hint = "delete it"
    elif name in given:
        code, message = "argument.duplicate", f"{name} is a duplicate"
    else:
        given.add(name)
        try:
            values[name] = command.arguments[name].type.read(one.value)
        except Wrong as exc:
            code, message, hint = exc.code, f"{name} {exc}", exc.hint
    if code:
        yield _error(code, message, one.line, one.column, hint)


def _error(
    code: str, message: str, line: int, column: int, hint: str = "", step: str = "commands"
) -> Finding:
    return Finding(Severity.ERROR, code, message, line, column, hint, step)
