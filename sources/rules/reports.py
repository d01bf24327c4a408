"""The rules for the steps and the reports of a validator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sources.base import Finding, Progress, Severity, Step, Verdict
from sources.rules.mistake import Mistake, shown
from sources.rules.values import is_number, json_error, text_error

MAX_ARTIFACT_BYTES = 16 * 2**20

MAX_COUNT = 2**53
"""Every client reads a whole number up to here as it is written (RFC 8259, section 6)."""


def steps_mistake(steps: object) -> Mistake | None:
    """The first mistake in `CommandValidator.steps`; `None` if there is none."""
    if not isinstance(steps, Sequence) or not all(isinstance(step, Step) for step in steps):
        return Mistake(
            "commands.steps",
            f"steps={shown(steps)}: must be a sequence of Step; is `@property` missing?",
        )
    for step in steps:
        for attribute, text in (("name", step.name), ("title", step.title)):
            if error := text_error(text):
                return Mistake("commands.step", f"{attribute} of {shown(step)}: {error}")
    names = [step.name for step in steps]
    if len(set(names)) < len(names):
        return Mistake("commands.step", f"names of steps={shown(names)}: must be unique")
    return None


def report_mistake(report: object) -> Mistake | None:
    """The first mistake in something that `validate()` yielded; `None` if there is none."""
    if isinstance(report, Progress):
        return _progress_mistake(report)
    if isinstance(report, Finding):
        return _finding_mistake(report)
    if isinstance(report, Verdict):
        return _verdict_mistake(report)
    return Mistake(
        "commands.verdict",
        f"validate() yielded {shown(report)}: must be Progress, Finding or Verdict",
    )


def _progress_mistake(progress: Progress) -> Mistake | None:
    for attribute, text in (("step", progress.step), ("detail", progress.detail)):
        if error := text_error(text, empty=True):
            return Mistake(
                "commands.step", f"{attribute}={shown(text)} of {shown(progress)}: {error}"
            )
    skipped: object = progress.skipped
    if not isinstance(skipped, bool):
        return _mistake("commands.step", "skipped", skipped, progress, "must be True or False")
    for attribute, number in (("line", progress.line), ("lines", progress.lines)):
        if number is not None and not _is_count(number):
            error = f"must be a whole number from 0 to {MAX_COUNT:,}"
            return _mistake("commands.place", attribute, number, progress, error)
    if not is_number(progress.fraction):
        return _mistake(
            "commands.fraction", "fraction", progress.fraction, progress, "must be a number"
        )
    return None


def _finding_mistake(finding: Finding) -> Mistake | None:
    severity: object = finding.severity
    if not isinstance(severity, Severity):
        return Mistake(
            "commands.finding",
            f"severity={shown(severity)} of {shown(finding)}: must be a Severity",
        )
    for attribute, text, empty in (
        ("code", finding.code, False),
        ("message", finding.message, False),
        ("hint", finding.hint, True),
        ("step", finding.step, True),
    ):
        if error := text_error(text, empty=empty):
            return Mistake(
                "commands.finding", f"{attribute}={shown(text)} of {shown(finding)}: {error}"
            )
    for attribute, number in (("line", finding.line), ("column", finding.column)):
        if number is not None and (type(number) is not int or number < 1):
            error = "must be a whole number of at least 1"
            return _mistake("commands.place", attribute, number, finding, error)
    if finding.line is None and finding.column is not None:
        return Mistake(
            "commands.place",
            f"column={finding.column} and line=None of {shown(finding)}: must have a line",
        )
    return None


def _verdict_mistake(verdict: Verdict) -> Mistake | None:
    if error := text_error(verdict.detail):
        return Mistake("commands.outcome", f"detail={shown(verdict.detail)}: {error}")
    accepted: object = verdict.accepted
    if not isinstance(accepted, bool):
        return Mistake("commands.outcome", f"accepted={shown(accepted)}: must be True or False")
    for attribute, count in (("errors", verdict.errors), ("warnings", verdict.warnings)):
        if not _is_count(count):
            return Mistake(
                "commands.counts",
                f"{attribute}={shown(count)} in the verdict: must be a whole number from 0 to "
                f"{MAX_COUNT:,}",
            )
    if error := json_error(verdict.summary):
        return Mistake("commands.summary", f"summary of the verdict: {error}")
    artifact: object = verdict.artifact
    if artifact is None:
        return None
    if isinstance(artifact, Path):
        return None
    if not isinstance(artifact, bytes):
        kind = type(artifact).__name__
        return Mistake(
            "commands.artifact", f"artifact of the verdict: must be bytes or a Path, not {kind}"
        )
    if len(artifact) > MAX_ARTIFACT_BYTES:
        return Mistake(
            "commands.artifact",
            f"artifact of the verdict: must have at most {MAX_ARTIFACT_BYTES:,} bytes, not "
            f"{len(artifact):,}",
        )
    return None


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _mistake(rule: str, attribute: str, value: object, report: object, error: str) -> Mistake:
    return Mistake(rule, f"{attribute}={shown(value)} of {shown(report)}: {error}")
