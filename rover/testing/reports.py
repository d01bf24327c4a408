"""What must hold of the steps of a command validator, and of all that it yields about a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.testing.clauses import Clause
from rover.testing.values import flaw_of_scalars, flaw_of_text, is_number, is_sequence_of
from sources.base import Finding, Progress, Severity, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sources.base import CommandValidator

Report = Progress | Finding | Verdict

MAX_ARTIFACT_BYTES = 16 * 2**20


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


def outcome_of(reports: Sequence[Report]) -> object:
    """What must be the same each time a file is checked: not its progress, nor its figures."""
    return [
        (r.accepted, r.errors, r.warnings)
        if isinstance(r, Verdict)
        else (r.severity, r.code, r.message, r.line, r.column)
        for r in reports
        if not isinstance(r, Progress)
    ]
