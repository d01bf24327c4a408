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
from sources.values.tally import MAX_FINDINGS, Tally
from sources.values.text_blocks import NotText, count_lines, text_blocks
from sources.xtce.calls import CallCheck, Problem
from sources.xtce.database import read_database
from sources.xtce.forms import FormMistake, Spot, parse_line, read_calls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from sources.base import CommandDictionary, Verdict
    from sources.xtce.forms import Call

CONTENT_TYPE = "application/json"

MAX_FILE_BYTES = 16 * 2**20

STEPS = (Step("syntax", "Syntax"), Step("commands", "Commands and arguments"))


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
        tally, accepted, reason = Tally(), list[str](), ""
        check = CallCheck(self._database)
        yield Progress("syntax", 0.0, "reading the file")
        try:
            read = self._check_json if _is_json(path) else self._check_lines
            for report in read(path, check, accepted):
                if isinstance(report, Progress):
                    yield report
                else:
                    yield from tally.reported([report])
        except NotText as exc:
            reason = "not checked, the file is not readable"
            yield from tally.reported([exc.error.finding()])
        except ValueError as exc:
            reason = "not checked, the file is not valid JSON"
            yield from tally.reported(exc.args)
        if not accepted and not tally.errors:
            problem = Problem("file.no-commands", "the file has no command", Spot(1, 1))
            yield from tally.reported([_finding(problem, Spot(1, 1))])
        if not check.has_checked and not reason:
            reason = "not checked, no command is readable"
        yield Progress("commands", 0.95, reason or "checked", skipped=reason != "")
        plural = "" if len(accepted) == 1 else "s"
        yield from tally.conclusion(
            f"{len(accepted):,} command{plural}",
            {"commands": len(accepted)},
            f'{{"commands":[{",".join(accepted)}]}}'.encode(errors="surrogatepass"),
            CONTENT_TYPE,
        )

    def _check_lines(
        self, path: Path, check: CallCheck, accepted: list[str]
    ) -> Iterator[Progress | Finding]:
        lines, size = count_lines(path), max(1, path.stat().st_size)
        for block in text_blocks(path):
            if block.first == 1:
                check_language(block, "text")
            yield from (error.finding() for error in block.errors)
            for number, line in enumerate(block.lines, block.first):
                try:
                    call: Call | FormMistake | None = parse_line(line, number)
                except FormMistake as exc:
                    call = exc
                for problem in _problems(call, check, accepted):
                    assert isinstance(problem.place, Spot)  # noqa: S101 # for mypy
                    yield _finding(problem, problem.place)
            last = block.first + len(block.lines) - 1
            detail = f"line {last:,} of {lines:,}"
            yield Progress("syntax", 0.9 * block.end / size, detail, line=last, lines=lines)

    def _check_json(
        self, path: Path, check: CallCheck, accepted: list[str]
    ) -> Iterator[Progress | Finding]:
        text = read_json_text(path, MAX_FILE_BYTES)
        mistakes = list(text.mistakes())
        yield from mistakes
        if any(one.severity is Severity.ERROR for one in mistakes):
            return
        problems = [
            problem
            for call in read_calls(text.parse())
            for problem in _problems(call, check, accepted)
        ]
        shown = {problem.place for problem in problems[:MAX_FINDINGS]}
        offsets = text.locate(shown)
        for problem in problems:
            yield _finding(problem, Spot(*text.place(offsets.get(problem.place, 0))))


def _problems(
    call: Call | FormMistake | None, check: CallCheck, accepted: list[str]
) -> list[Problem]:
    """The problems of a command; without an error, it is appended to the accepted ones as JSON."""
    if call is None:
        return []
    if isinstance(call, FormMistake):
        return [Problem("syntax.command", str(call), call.place, call.hint)]
    values: dict[str, Any] = {}
    name, problems = check.check(call, values)
    if not any(problem.severity is Severity.ERROR for problem in problems):
        accepted.append(json.dumps({"name": name, "args": values}, separators=(",", ":")))
    return problems


def _finding(problem: Problem, spot: Spot) -> Finding:
    step = "syntax" if problem.code.startswith(("syntax.", "file.")) else "commands"
    return Finding(
        problem.severity, problem.code, problem.message, *spot, hint=problem.hint, step=step
    )


def _is_json(path: Path) -> bool:
    """Whether a file begins like JSON, in any encoding."""
    with command_file(path) as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip(b"\xff\xfe\0 \t\r\n")
    return start[:1] in (b"{", b"[")
