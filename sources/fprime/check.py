"""Checks the lines of a sequence against a dictionary, and encodes their commands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sources.base import Finding, Severity
from sources.fprime.sequence_file import record
from sources.fprime.statement import Statement
from sources.fprime.syntax import SyntaxMistake, parse_arguments
from sources.fprime.times import HINT, TimeCache, parse_time
from sources.fprime.types import Problem
from sources.values.wording import Suggestions, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sources.fprime.dictionary import Command, Dictionary
    from sources.fprime.times import Time
    from sources.values.text_blocks import Block

USUAL_LINE = re.compile(
    r"[ \t]*+([AR][0-9T:-]++)(?:\.([0-9]{1,6}))?+[ \t]++(\$?[A-Za-z_][\w.]*+)(.*)"
).fullmatch
"""The time, its fraction, the command and the arguments of a line in the usual form."""

TIME = re.compile(r"[ \t\f]*+([AR][ \t]++[0-9][0-9T:.-]*+|[^\s;,]++)")
"""The first word; F Prime allows spaces after `A` and `R`."""

TIME_LIKE = re.compile(r"[A-Za-z]?+[ \t]*+[0-9T:.-]++").fullmatch
"""A word that is meant as a time, whatever is wrong with it."""

NAME = re.compile(r"[ \t\f]*+([^\s;,\[\]{}\"']++)")

STEPS = {"time": "timing", "command": "commands", "argument": "commands"}
"""The steps of findings by the part of their code before the dot; all others are of `syntax`."""


class SequenceCheck:
    """The check of one sequence, block by block.

    Args:
        dictionary: of the machine.
        forms: encode the arguments in the usual form, by the name of the command.

    Attributes:
        commands: number of commands without an error.
    """

    def __init__(
        self, dictionary: Dictionary, forms: Mapping[str, Callable[[str], bytes | None]]
    ) -> None:
        self.commands = 0
        self._findings: list[Finding] = []
        self._earliest_us: int | None = None  # of the command above, in UTC
        self._dictionary = dictionary
        self._forms = forms
        self._suggestions = Suggestions(dictionary.commands)
        self._times = TimeCache()
        self._statement: Statement | None = None  # it goes on in the next line

    def records(self, block: Block) -> list[bytes]:
        """The records of the commands of a block."""
        errors = {error.line: error for error in block.errors}
        forms, find_time = self._forms, self._times.find
        found: list[bytes] = []
        for number, line in enumerate(block.lines, block.first):
            if (match := USUAL_LINE(line)) is not None and self._statement is None:
                text, fraction, name, arguments = match.groups()
                encode, time = forms.get(name), find_time(text, fraction)
                if encode is not None and time is not None:
                    command = encode(arguments)
                    if command is not None:
                        if time[2] or self._earliest_us is not None:
                            self._follow(time, number)
                        found.append(record(time[0], command))
                        continue
            if number in errors:
                self._findings.append(errors[number].finding())
            found += self._line(number, line)
        self.commands += len(found)
        return found

    def end(self) -> list[bytes]:
        """The record of a command that the last line leaves open."""
        if self._statement is None:
            return []
        found = self._check(self._statement)
        self.commands += len(found)
        return found

    def take_findings(self) -> list[Finding]:
        """The findings since the last call."""
        found, self._findings = self._findings, []
        return found

    def _line(self, number: int, line: str) -> list[bytes]:
        """The record of a command in any form, if it ends in this line and has no error."""
        if self._statement is not None:
            statement = self._statement
            statement.append(line)
        else:
            start = line.lstrip(" \t\f")
            if not start or start.startswith(";"):
                return []
            statement = Statement(line, number)
        self._statement = statement if statement.is_open else None
        return [] if statement.is_open else self._check(statement)

    def _check(self, statement: Statement) -> list[bytes]:
        """The record of a statement, if it has no error."""
        before = len(self._findings)
        time, at = self._time(statement)
        if at is None:
            return []
        command, at = self._command(statement, at)
        encoded = b""
        if command is not None:
            encoded = command.header + self._arguments(statement, command, at)
        if time is not None:
            self._follow(time, statement.line)
        if any(one.severity is Severity.ERROR for one in self._findings[before:]):
            return []
        return [] if time is None else [record(time[0], encoded)]

    def _time(self, statement: Statement) -> tuple[Time | None, int | None]:
        """The time of a statement, and where its command begins; `None` if it may have none."""
        match = TIME.match(statement.text)
        if match is None:
            self._problem(statement, Problem("time.syntax", "the line has no time", 0, HINT))
            return None, None
        try:
            return parse_time(match[1], match.start(1)), match.end()
        except SyntaxMistake as exc:
            self._problem(statement, Problem(exc.code, str(exc), exc.offset, exc.hint))
            if TIME_LIKE(match[1]):
                return None, match.end()
        starts = (0, match.end())  # the time may be missing
        return None, next((at for at in starts if self._is_command(statement, at)), None)

    def _is_command(self, statement: Statement, at: int) -> bool:
        match = NAME.match(statement.text, at)
        return match is not None and match[1] in self._dictionary.commands

    def _command(self, statement: Statement, at: int) -> tuple[Command | None, int]:
        """The command of a statement, and where its name ends."""
        match = NAME.match(statement.text, at)
        if match is None:
            message, hint = "the line has no command", "write a command after the time"
            self._problem(statement, Problem("syntax.command", message, at, hint))
            return None, at
        command = self._dictionary.commands.get(match[1])
        if command is None:
            message = f"unknown command {quoted(match[1])}"
            hint = self._suggestions.hint(match[1])
            self._problem(statement, Problem("command.unknown", message, match.start(1), hint))
        return command, match.end()

    def _arguments(self, statement: Statement, command: Command, at: int) -> bytes:
        """The encoded arguments of a statement; of no use if one has an error."""
        try:
            values = parse_arguments(statement.text, at)
        except SyntaxMistake as exc:
            self._problem(statement, Problem(exc.code, str(exc), exc.offset, exc.hint))
            return b""
        parameters = command.parameters
        problems: list[Problem] = []
        encoded = [
            one.type.encode(value, problems) for one, value in zip(parameters, values, strict=False)
        ]
        if len(values) != len(parameters):
            plural = "" if len(parameters) == 1 else "s"
            message = f"{command.name} takes {len(parameters)} argument{plural}, not {len(values)}"
            is_missing = len(values) < len(parameters)
            code = "argument.missing" if is_missing else "argument.extra"
            offset = at if is_missing else values[len(parameters)].offset
            hint = f"the command is {command.usage}"
            if not is_missing and "," in statement.text[at:offset]:
                hint += "; write decimals with a point"
            problems.append(Problem(code, message, offset, hint))
        for problem in problems:
            self._problem(statement, problem)
        return b"".join(encoded)

    def _follow(self, time: Time, line: int) -> None:
        """Check that a time is not before that of the command above."""
        _, us, is_absolute = time
        earliest_us = self._earliest_us
        if not is_absolute:
            self._earliest_us = None if earliest_us is None else earliest_us + us
        elif earliest_us is None or us >= earliest_us:
            self._earliest_us = us
        else:
            message = (
                f"the time is {(earliest_us - us) / 1e6:,.6g} s before the earliest time of "
                "the command above, so that the command is sent late"
            )
            self._add("time.order", message, line, 1, "sort the commands by their times")

    def _problem(self, statement: Statement, problem: Problem) -> None:
        line, column = statement.place(problem.offset)
        self._add(problem.code, problem.message, line, column, problem.hint, problem.severity)

    def _add(
        self,
        code: str,
        message: str,
        line: int,
        column: int | None,
        hint: str,
        severity: Severity = Severity.ERROR,
    ) -> None:
        step = STEPS.get(code.partition(".")[0], "syntax")
        self._findings.append(Finding(severity, code, message, line, column, hint, step))
