"""The contract of a command validator, as `rover.testing` checks it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyio import to_thread

from rover.testing import check_commands
from sources.base import Finding, Progress, Severity, SourceError, Step, Verdict
from tests.contract_cases import Cases, assert_breaks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

pytestmark = pytest.mark.anyio


class GoValidator:
    """A validator that keeps the contract, and accepts files of `go` lines."""

    steps: Sequence[Step] = (Step("read", "Read"), Step("check", "Check"))

    def finding(self, line: int) -> Finding:
        return Finding(Severity.ERROR, "check.word", "not go", line=line, column=1, step="check")

    def verdict(self, verdict: Verdict) -> Verdict:
        return verdict

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        yield Progress("read", 0, "reading")
        try:
            data = await to_thread.run_sync(path.read_bytes)
        except OSError as exc:
            raise SourceError(f"{path} cannot be read: {exc.strerror}") from exc
        yield Progress("check", 0.5, "checking")
        wrong = [n for n, line in enumerate(data.split(b"\n"), 1) if line not in (b"go", b"")]
        wrong = wrong[:10] if data else [1]
        for line in wrong:
            yield self.finding(line)
        yield Progress("check", 1, "checked")
        yield self.verdict(Verdict(not wrong, len(wrong), 0, "checked", {"bytes": len(data)}))


def with_verdict(**changes: Any) -> Callable[[], GoValidator]:
    def verdict(_: GoValidator, verdict: Verdict) -> Verdict:
        return replace(verdict, **changes)

    return type("OtherVerdict", (GoValidator,), {"verdict": verdict})


def with_findings(**changes: Any) -> Callable[[], GoValidator]:
    def finding(self: GoValidator, line: int) -> Finding:
        return replace(GoValidator.finding(self, line), **changes)

    return type("OtherFindings", (GoValidator,), {"finding": finding})


def with_steps(*steps: Step) -> Callable[[], GoValidator]:
    return type("OtherSteps", (GoValidator,), {"steps": steps})


def with_reports(change: Callable[[Any], list[Any]]) -> Callable[[], GoValidator]:
    """A class of validators that yield other reports instead of each report."""

    class OtherReports(GoValidator):
        async def validate(self, path: Path) -> AsyncIterator[Any]:
            async for report in super().validate(path):
                for changed in change(report):
                    yield changed

    return OtherReports


def with_progress(change: Callable[[Progress], Progress]) -> Callable[[], GoValidator]:
    return with_reports(lambda report: [change(report) if isinstance(report, Progress) else report])


def without_verdict(report: Any) -> list[Any]:
    return [] if isinstance(report, Verdict) else [report]


def without_findings(report: Any) -> list[Any]:
    return [] if isinstance(report, Finding) else [report]


def with_second_verdict(report: Any) -> list[Any]:
    return [report, report] if isinstance(report, Verdict) else [report]


def always_accepted(report: Any) -> list[Any]:
    if isinstance(report, Verdict):
        return [Verdict(True, 0, 0, "accepted")]
    return without_findings(report)


class ChangesSteps(GoValidator):
    checks = 0

    @property
    def steps(self) -> Sequence[Step]:  # type: ignore[override] # breaks the contract
        return [*GoValidator.steps, Step(f"step-{self.checks}", "Step")]

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        self.checks += 1
        async for report in super().validate(path):
            yield report


class RaisesForBinaryFile(GoValidator):
    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        (await to_thread.run_sync(path.read_bytes)).decode()
        async for report in super().validate(path):
            yield report


class AcceptsEmptyFile(GoValidator):
    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        async for report in super().validate(path):
            if (await to_thread.run_sync(path.read_bytes)) or isinstance(report, Progress):
                yield report
            elif isinstance(report, Verdict):
                yield Verdict(True, 0, 0, "nothing to do")


class SharesItsPath(GoValidator):
    """Each check replaces the path that the others read."""

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        self.path = path
        yield Progress("read", 0, "reading")  # the other checks start here
        async for report in super().validate(self.path):
            yield report


class RewritesFile(GoValidator):
    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        async for report in super().validate(path):
            yield report
        await to_thread.run_sync(path.write_bytes, b"go\n")


class LeavesLog(GoValidator):
    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        async for report in super().validate(path):
            yield report
        await to_thread.run_sync(path.with_suffix(".log").write_text, "checked")


class RejectsMissingFile(GoValidator):
    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        if path.exists():  # noqa: ASYNC240 # in a test
            async for report in super().validate(path):
                yield report
        else:
            yield Verdict(False, 1, 0, "no file")


CASES: Cases = {
    "no steps": ("commands.steps", with_steps(), "steps=()"),
    "steps change": ("commands.steps", ChangesSteps, "step-"),
    "duplicate step": (
        "commands.step",
        with_steps(Step("check", "A"), Step("check", "B")),
        "['check', 'check']",
    ),
    "unknown step in progress": (
        "commands.step",
        with_progress(lambda progress: replace(progress, step="guess")),
        "step='guess'",
    ),
    "unknown step in a finding": ("commands.step", with_findings(step="guess"), "step='guess'"),
    "no verdict": ("commands.verdict", with_reports(without_verdict), "Verdict"),
    "two verdicts": ("commands.verdict", with_reports(with_second_verdict), "Verdict"),
    "progress after the verdict": (
        "commands.verdict",
        with_reports(lambda report: [report, Progress("check", 1, "more")]),
        "Progress",
    ),
    "reports are strs": (
        "commands.verdict",
        with_reports(lambda report: ["checking", report]),
        "'checking'",
    ),
    "fraction in percent": (
        "commands.fraction",
        with_progress(lambda progress: replace(progress, fraction=50)),
        "fraction=50",
    ),
    "fraction is NaN": (
        "commands.fraction",
        with_progress(lambda progress: replace(progress, fraction=float("nan"))),
        "fraction=nan",
    ),
    "fraction decreases": (
        "commands.fraction",
        with_progress(lambda progress: replace(progress, fraction=1 - progress.fraction)),
        "fraction=0.5",
    ),
    "severity is a str": (
        "commands.finding",
        with_findings(severity="fatal"),
        "severity='fatal'",
    ),
    "no code": ("commands.finding", with_findings(code=""), "code=''"),
    "line is 0": ("commands.place", with_findings(line=0), "line=0"),
    "column without a line": ("commands.place", with_findings(line=None), "line=None"),
    "errors not counted": ("commands.counts", with_verdict(errors=0), "errors=0"),
    "rejected without errors": ("commands.counts", with_verdict(accepted=False), "errors=0"),
    "bad file accepted": ("commands.accepted", with_reports(always_accepted), "accepted=True"),
    "no detail": ("commands.outcome", with_verdict(detail=""), "detail=''"),
    "error instead of a verdict": ("commands.outcome", RaisesForBinaryFile, "UnicodeDecodeError"),
    "Path in the summary": ("commands.summary", with_verdict(summary={"when": Path()}), "'when'"),
    "artifact is a str": ("commands.artifact", with_verdict(artifact="text"), "not str"),
    "artifact is too large": (
        "commands.artifact",
        with_verdict(artifact=bytes(2**24 + 1)),
        "16,777,217",
    ),
    "empty file accepted": ("commands.anything", AcceptsEmptyFile, "empty"),
    "rejected without a finding": (
        "commands.anything",
        with_reports(without_findings),
        "accepted=False",
    ),
    "checks share a path": ("commands.at-once", SharesItsPath, "'check.word'"),
    "file rewritten": ("commands.unchanged", RewritesFile, "bad"),
    "log left": ("commands.unchanged", LeavesLog, ".log"),
    "verdict on a missing file": ("commands.unchecked", RejectsMissingFile, "Verdict("),
}


async def test_a_good_validator_passes() -> None:
    await check_commands(GoValidator(), good=b"go\ngo\n", bad=b"go\nstop\n", max_stall_s=10)


async def test_files_may_be_given_as_paths(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_bytes(b"go\n")
    bad.write_bytes(b"stop\n")
    await check_commands(GoValidator(), good=good, bad=bad, max_stall_s=10)


@pytest.mark.parametrize(("clause", "make", "contains"), CASES.values(), ids=CASES)
async def test_a_validator_that_breaks_a_clause_raises_its_code(
    clause: str, make: Callable[[], Any], contains: str
) -> None:
    check = check_commands(make(), good=b"go\n", bad=b"stop\n", timeout_s=2, max_stall_s=10)
    await assert_breaks(check, clause, contains)
