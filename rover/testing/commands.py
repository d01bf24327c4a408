"""The contract of a command validator."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rover.testing.clauses import Clause, ContractBroken
from rover.testing.life import cancel_everywhere, live
from rover.testing.reading import Reading
from rover.testing.values import flaw_of_scalars, flaw_of_text, is_number, is_sequence_of
from sources.base import Finding, Progress, Severity, SourceError, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sources.base import CommandValidator

Report = Progress | Finding | Verdict

MAX_ARTIFACT_BYTES = 16 * 2**20

NO_TEXT: Mapping[str, bytes] = {
    "an empty file": b"",
    "a binary file": bytes(range(256)) * 64,
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(4096),
}
"""None of these is a sequence in any format, so each is rejected."""

ODD: Mapping[str, bytes] = {
    "text in UTF-16": "\ufeffC00:00:00 MAST 0 0\n".encode("utf-16-le"),
    "text in Latin-1": "; température, größte\n".encode("latin-1") * 100,
    "one line of a million characters": b"A" * 1_000_000,
    "a hundred thousand brackets": b"[" * 100_000,
    "a hundred thousand empty lines": b"\r\n" * 100_000,
    "a number of a thousand digits": b"9" * 1_000,
}
"""Somebody will send these. A validator may make of them what it likes, but in a verdict."""


async def check_commands(
    validator: CommandValidator,
    *,
    good: Path | bytes,
    bad: Path | bytes,
    timeout_s: float = 30.0,
    max_stall_s: float = 0.25,
) -> None:
    """Return if the validator keeps its contract; takes about the time of thirty checks.

    Files are checked in a folder of their own, under names without a suffix, as the server does.

    Args:
        validator: not entered yet.
        good: a file, or what is in it, that is accepted.
        bad: one that is rejected.
        timeout_s: in which a check must end.
        max_stall_s: for so long the event loop may stand still at a time.

    Raises:
        ContractBroken: it does not keep it; the text says which clause and what was seen.
        SourceError: as the validator raised it: checks cannot be done.
    """
    contents = {"good": _content(good), "bad": _content(bad), **NO_TEXT, **ODD}
    with _laid_out(contents) as files:
        trial = _Trial(validator, files, contents, timeout_s)
        await live(validator, trial.run, beside=None, timeout_s=timeout_s, max_stall_s=max_stall_s)


@contextmanager
def _laid_out(contents: Mapping[str, bytes]) -> Iterator[Mapping[str, Path]]:
    """The files, in a folder that must hold nothing else after the block."""
    with tempfile.TemporaryDirectory(prefix="rover-testing-") as folder:
        files = {name: Path(folder, f"{number:02}") for number, name in enumerate(contents)}
        for name, content in contents.items():
            files[name].write_bytes(content)
        yield files
        more = sorted(path.name for path in set(Path(folder).iterdir()) - {*files.values()})
        Clause.COMMANDS_UNCHANGED.require(
            not more, f"the check left {', '.join(more)} beside the file"
        )


def _content(given: Path | bytes) -> bytes:
    return given if isinstance(given, bytes) else given.read_bytes()


class _Trial:
    """One validator before its files."""

    def __init__(
        self,
        validator: CommandValidator,
        files: Mapping[str, Path],
        contents: Mapping[str, bytes],
        timeout_s: float,
    ) -> None:
        self._validator = validator
        self._files = files
        self._contents = contents
        self._timeout_s = timeout_s

    async def run(self) -> None:
        steps = check_steps(self._validator)
        good, bad = await self._report("good"), await self._report("bad")
        for name, reports, accepted in (("good", good, True), ("bad", bad, False)):
            verdict = check_reports(reports, steps, name)
            Clause.COMMANDS_ACCEPTED.require(
                verdict.accepted is accepted,
                f"the {name} file was {'rejected' if accepted else 'accepted'}: {verdict.detail}",
            )
        for name in NO_TEXT:
            verdict = check_reports(await self._report(name), steps, name)
            Clause.COMMANDS_ANYTHING.require(not verdict.accepted, f"{name} was accepted")
        for name in ODD:
            check_reports(await self._report(name), steps, name)
        Clause.COMMANDS_STEPS.require(
            check_steps(self._validator) == steps, "`steps` are others after some checks"
        )
        await self._at_once({"good": good, "bad": bad})
        await self._without_a_file()
        await cancel_everywhere(
            "validate()",
            lambda: self._validator.validate(self._files["good"]),
            Clause.COMMANDS_VERDICT,
            first_s=0.1,
            timeout_s=self._timeout_s,
        )
        check_reports(await self._report("good"), steps, "good")

    def _begin(self, path: Path, what: str) -> Reading[Report]:
        return Reading(
            f"validate() of {what}", lambda: self._validator.validate(path), Clause.COMMANDS_VERDICT
        )

    async def _end(self, reading: Reading[Report]) -> list[Report]:
        ended = await reading.ended(self._timeout_s)
        if reading.failure is not None and not isinstance(reading.failure, SourceError):
            raise ContractBroken(
                Clause.COMMANDS_OUTCOME, f"{reading.what} raised {reading.failure!r}"
            ) from reading.failure
        reading.require_well()
        Clause.COMMANDS_VERDICT.require(
            ended, f"{reading.what} had not ended after {self._timeout_s:g} s"
        )
        return reading.items

    async def _report(self, name: str) -> list[Report]:
        async with self._begin(self._files[name], name) as reading:
            reports = await self._end(reading)
        self._require_unchanged(name)
        return reports

    def _require_unchanged(self, name: str) -> None:
        file = self._files[name]
        Clause.COMMANDS_UNCHANGED.require(
            file.is_file() and file.read_bytes() == self._contents[name],
            f"the file was changed or removed while it was checked ({name})",
        )

    async def _at_once(self, alone: Mapping[str, list[Report]]) -> None:
        """The same files at the same time, twice each: every report as when it was alone."""
        names = [*alone, *alone]
        async with AsyncExitStack() as stack:
            readings = [
                await stack.enter_async_context(self._begin(self._files[name], name))
                for name in names
            ]
            for name, reading in zip(names, readings, strict=True):
                Clause.COMMANDS_AT_ONCE.require(
                    _outcome(await self._end(reading)) == _outcome(alone[name]),
                    f"the {name} file, checked beside others, had another outcome than alone",
                )

    async def _without_a_file(self) -> None:
        missing = self._files["good"].with_name("no-such-file")
        async with self._begin(missing, "a file that is not there") as reading:
            await reading.ended(self._timeout_s)
        Clause.COMMANDS_UNCHECKED.require(
            isinstance(reading.failure, SourceError),
            f"{reading.what} {_told(reading)}; raise a SourceError",
        )


def _told(reading: Reading[Report]) -> str:
    if reading.failure is not None:
        return f"raised {reading.failure!r}"
    return f"ended with {reading.items[-1]!r}" if reading.items else "said nothing"


def check_steps(validator: CommandValidator) -> list[Step]:
    """The steps.

    Raises:
        ContractBroken: they are none, or their names make no sense.
    """
    steps = validator.steps
    Clause.COMMANDS_STEPS.require(
        is_sequence_of(Step, steps) and steps,
        f"`steps` is {steps!r}, and must be a sequence of Steps; is `@property` missing?",
    )
    for step in steps:
        flaw = flaw_of_text(step.name) or flaw_of_text(step.title)
        Clause.COMMANDS_STEP.require(not flaw, f"name or title of {step!r} is {flaw}")
    names = [step.name for step in steps]
    Clause.COMMANDS_STEP.require(
        len(set(names)) == len(names), f"steps share a name: {', '.join(names)}"
    )
    return list(steps)


def check_reports(reports: Sequence[Report], steps: Sequence[Step], name: str) -> Verdict:
    """The verdict over a file, if all that was yielded about it makes sense.

    Args:
        reports: all of it.
        steps: of the validator.
        name: of the file, for messages.

    Raises:
        ContractBroken: it does not.
    """
    verdicts = [report for report in reports if isinstance(report, Verdict)]
    Clause.COMMANDS_VERDICT.require(
        len(verdicts) == 1 and reports[-1] is verdicts[0],
        f"the check of {name} yielded {len(verdicts)} verdicts, and ended with"
        f" {reports[-1] if reports else 'nothing'!r}",
    )
    known = {step.name for step in steps}
    fraction = 0.0
    for report in reports:
        if isinstance(report, Progress):
            _check_progress(report, known, fraction)
            fraction = report.fraction
        elif isinstance(report, Finding):
            _check_finding(report, known)
        else:
            Clause.COMMANDS_VERDICT.require(
                isinstance(report, Verdict),
                f"validate() yielded {report!r}; only Progress, Finding and Verdict are known",
            )
    findings = [report for report in reports if isinstance(report, Finding)]
    _check_verdict(verdicts[0], findings, name)
    return verdicts[0]


def _check_progress(progress: Progress, known: set[str], before: float) -> None:
    Clause.COMMANDS_STEP.require(
        progress.step in known, f"{progress!r} is about a step that `steps` lacks"
    )
    fraction = progress.fraction
    Clause.COMMANDS_FRACTION.require(
        is_number(fraction) and 0 <= fraction <= 1,
        f"the fraction of {progress!r} is not from 0 to 1",
    )
    Clause.COMMANDS_FRACTION.require(
        fraction >= before, f"{progress!r} came after the fraction {before}"
    )


def _check_finding(finding: Finding, known: set[str]) -> None:
    Clause.COMMANDS_STEP.require(
        finding.step == "" or finding.step in known,
        f"{finding!r} is from a step that `steps` lacks",
    )
    Clause.COMMANDS_FINDING.require(
        isinstance(finding.severity, Severity), f"the severity of {finding!r} is no Severity"
    )
    flaw = flaw_of_text(finding.code) or flaw_of_text(finding.message)
    Clause.COMMANDS_FINDING.require(not flaw, f"code or message of {finding!r} is {flaw}")
    flaw = flaw_of_text(finding.hint, empty=True)
    Clause.COMMANDS_FINDING.require(not flaw, f"the hint of {finding!r} is {flaw}")
    for number in (finding.line, finding.column):
        Clause.COMMANDS_PLACE.require(
            number is None or (type(number) is int and number >= 1),
            f"line or column of {finding!r} is not a whole number from 1",
        )
    Clause.COMMANDS_PLACE.require(
        finding.line is not None or finding.column is None, f"{finding!r} has a column, but no line"
    )


def _check_verdict(verdict: Verdict, findings: Sequence[Finding], name: str) -> None:
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    warnings = sum(finding.severity is Severity.WARNING for finding in findings)
    flaw = flaw_of_text(verdict.detail)
    Clause.COMMANDS_OUTCOME.require(not flaw, f"the detail of the verdict over {name} is {flaw}")
    Clause.COMMANDS_COUNTS.require(
        verdict.errors >= errors and verdict.warnings >= warnings,
        f"the verdict over {name} counts {verdict.errors} errors and {verdict.warnings} warnings,"
        f" and {errors} and {warnings} were yielded",
    )
    Clause.COMMANDS_COUNTS.require(
        verdict.accepted is (verdict.errors == 0),
        f"the verdict over {name} says accepted={verdict.accepted} with {verdict.errors} errors;"
        " only errors reject",
    )
    Clause.COMMANDS_ANYTHING.require(
        verdict.accepted or errors, f"{name} was rejected, and no finding of an error says why"
    )
    flaw = flaw_of_scalars(verdict.summary)
    Clause.COMMANDS_SUMMARY.require(not flaw, f"the summary over {name} is {flaw}")
    _check_artifact(verdict.artifact, name)


def _check_artifact(artifact: object, name: str) -> None:
    if artifact is None:
        return
    Clause.COMMANDS_ARTIFACT.require(
        isinstance(artifact, bytes), f"the artifact of {name} is a {type(artifact).__name__}"
    )
    size = len(artifact) if isinstance(artifact, bytes) else 0
    Clause.COMMANDS_ARTIFACT.require(
        size <= MAX_ARTIFACT_BYTES, f"the artifact of {name} has {size:,} bytes"
    )


def _outcome(reports: Sequence[Report]) -> object:
    """What must be the same each time a file is checked: not its progress, nor its figures."""
    return [
        (r.accepted, r.errors, r.warnings)
        if isinstance(r, Verdict)
        else (r.severity, r.code, r.message, r.line, r.column)
        for r in reports
        if not isinstance(r, Progress)
    ]
