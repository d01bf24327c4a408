"""Checks of a validator's steps, and of the reports that it yields for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.testing.clauses import Clause
from rover.testing.values import is_number, is_sequence_of, json_error, text_error
from sources.base import Finding, Progress, Severity, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sources.base import CommandValidator

Report = Progress | Finding | Verdict

MAX_ARTIFACT_BYTES = 16 * 2**20


def check_steps(validator: CommandValidator) -> list[Step]:
    """Return the steps of the validator.

    Raises:
        ContractBroken: they are not a sequence of steps with unique names.
    """
    steps = validator.steps
    Clause.COMMANDS_STEPS.require(
        is_sequence_of(Step, steps) and steps,
        f"steps={steps!r}: must be a sequence of Step, not empty; is `@property` missing?",
    )
    for step in steps:
        for attribute, text in (("name", step.name), ("title", step.title)):
            error = text_error(text)
            Clause.COMMANDS_STEP.require(not error, f"{attribute} of {step!r}: {error}")
    names = [step.name for step in steps]
    Clause.COMMANDS_STEP.require(
        len(set(names)) == len(names), f"names of steps={names!r}: must be unique"
    )
    return list(steps)


def check_reports(reports: Sequence[Report], steps: Sequence[Step], name: str) -> Verdict:
    """Return the verdict on a file.

    Args:
        reports: everything that `validate()` yielded for the file.
        steps: of the validator.
        name: of the file, for messages.

    Raises:
        ContractBroken: a report is invalid, or there is not one verdict at the end.
    """
    verdicts = [report for report in reports if isinstance(report, Verdict)]
    last = type(reports[-1]).__name__ if reports else "nothing"
    Clause.COMMANDS_VERDICT.require(
        len(verdicts) == 1 and reports[-1] is verdicts[0],
        f"validate() of the {name} file must yield one Verdict, at the end; it yielded"
        f" {len(verdicts)}, and {last} at the end",
    )
    names = {step.name for step in steps}
    fraction = 0.0
    for report in reports:
        if isinstance(report, Progress):
            _check_progress(report, names, fraction)
            fraction = report.fraction
        elif isinstance(report, Finding):
            _check_finding(report, names)
        else:
            Clause.COMMANDS_VERDICT.require(
                isinstance(report, Verdict),
                f"validate() of the {name} file yielded {report!r}: must be Progress, Finding or"
                " Verdict",
            )
    findings = [report for report in reports if isinstance(report, Finding)]
    _check_verdict(verdicts[0], findings, name)
    return verdicts[0]


def _check_progress(progress: Progress, names: set[str], before: float) -> None:
    Clause.COMMANDS_STEP.require(
        progress.step in names, f"step of {progress!r}: must be one of {', '.join(sorted(names))}"
    )
    fraction = progress.fraction
    Clause.COMMANDS_FRACTION.require(
        is_number(fraction) and 0 <= fraction <= 1,
        f"fraction of {progress!r}: must be a number of at least 0 and at most 1",
    )
    Clause.COMMANDS_FRACTION.require(
        fraction >= before, f"fraction of {progress!r}: must not decrease, and was {before}"
    )


def _check_finding(finding: Finding, names: set[str]) -> None:
    Clause.COMMANDS_STEP.require(
        finding.step == "" or finding.step in names,
        f"step of {finding!r}: must be one of {', '.join(sorted(names))}, or empty",
    )
    Clause.COMMANDS_FINDING.require(
        isinstance(finding.severity, Severity), f"severity of {finding!r}: must be a Severity"
    )
    for attribute, text, empty in (
        ("code", finding.code, False),
        ("message", finding.message, False),
        ("hint", finding.hint, True),
    ):
        error = text_error(text, empty=empty)
        Clause.COMMANDS_FINDING.require(not error, f"{attribute} of {finding!r}: {error}")
    for attribute, number in (("line", finding.line), ("column", finding.column)):
        Clause.COMMANDS_PLACE.require(
            number is None or (type(number) is int and number >= 1),
            f"{attribute} of {finding!r}: must be a whole number of at least 1",
        )
    Clause.COMMANDS_PLACE.require(
        finding.line is not None or finding.column is None,
        f"column of {finding!r}: must be None without a line",
    )


def _check_verdict(verdict: Verdict, findings: Sequence[Finding], name: str) -> None:
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    warnings = sum(finding.severity is Severity.WARNING for finding in findings)
    file = f"in the verdict on the {name} file"
    error = text_error(verdict.detail)
    Clause.COMMANDS_OUTCOME.require(not error, f"detail={verdict.detail!r} {file}: {error}")
    for attribute, count, minimum in (
        ("errors", verdict.errors, errors),
        ("warnings", verdict.warnings, warnings),
    ):
        Clause.COMMANDS_COUNTS.require(
            count >= minimum,
            f"{attribute}={count} {file}: must be at least {minimum}, the number of such findings",
        )
    Clause.COMMANDS_COUNTS.require(
        verdict.accepted is (verdict.errors == 0),
        f"accepted={verdict.accepted} {file}: must be {verdict.errors == 0} with"
        f" errors={verdict.errors}, as only errors reject a file",
    )
    Clause.COMMANDS_ANYTHING.require(
        verdict.accepted or errors,
        f"accepted=False {file}: must have a finding with Severity.ERROR that gives the reason",
    )
    error = json_error(verdict.summary)
    Clause.COMMANDS_SUMMARY.require(not error, f"summary {file}: {error}")
    if verdict.artifact is not None:
        Clause.COMMANDS_ARTIFACT.require(
            isinstance(verdict.artifact, bytes),
            f"artifact {file}: must be bytes, not {type(verdict.artifact).__name__}",
        )
        size = len(verdict.artifact)
        Clause.COMMANDS_ARTIFACT.require(
            size <= MAX_ARTIFACT_BYTES,
            f"artifact {file}: must have at most {MAX_ARTIFACT_BYTES:,} bytes, not {size:,}",
        )


def result_of(reports: Sequence[Report]) -> object:
    """Return the part of the reports that is the same for each check of a file.

    Progress and the summary may differ.
    """
    return [
        (report.accepted, report.errors, report.warnings)
        if isinstance(report, Verdict)
        else (report.severity, report.code, report.message, report.line, report.column)
        for report in reports
        if not isinstance(report, Progress)
    ]
