"""Checks of a validator's steps, and of the reports that it yields for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.testing.clauses import Clause, require_no_mistake
from sources.base import Finding, Progress, Severity, Step, Verdict
from sources.rules import report_mistake, steps_mistake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sources.base import CommandValidator

Report = Progress | Finding | Verdict


def check_steps(validator: CommandValidator) -> list[Step]:
    """Return the steps of the validator.

    Raises:
        ContractBroken: they are not a sequence of steps with unique names.
    """
    steps = validator.steps
    require_no_mistake(steps_mistake(steps))
    Clause.COMMANDS_STEPS.require(steps, f"steps={steps!r}: must not be empty")
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
        require_no_mistake(report_mistake(report), f"the {name} file")
        if isinstance(report, Progress):
            _check_progress(report, names, fraction)
            fraction = report.fraction
        elif isinstance(report, Finding):
            _check_finding(report, names)
    findings = [report for report in reports if isinstance(report, Finding)]
    _check_verdict(verdicts[0], findings, name)
    return verdicts[0]


def _check_progress(progress: Progress, names: set[str], before: float) -> None:
    Clause.COMMANDS_STEP.require(
        progress.step in names, f"step of {progress!r}: must be one of {', '.join(sorted(names))}"
    )
    Clause.COMMANDS_FRACTION.require(
        0 <= progress.fraction <= 1,
        f"fraction of {progress!r}: must be a number of at least 0 and at most 1",
    )
    Clause.COMMANDS_FRACTION.require(
        progress.fraction >= before,
        f"fraction of {progress!r}: must not decrease, and was {before}",
    )


def _check_finding(finding: Finding, names: set[str]) -> None:
    Clause.COMMANDS_STEP.require(
        finding.step == "" or finding.step in names,
        f"step of {finding!r}: must be one of {', '.join(sorted(names))}, or empty",
    )


def _check_verdict(verdict: Verdict, findings: Sequence[Finding], name: str) -> None:
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    warnings = sum(finding.severity is Severity.WARNING for finding in findings)
    file = f"in the verdict on the {name} file"
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
