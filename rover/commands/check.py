"""The check of one command file: runs the validator, and publishes what it yields."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from anyio import current_time, move_on_after, to_thread
from anyio.lowlevel import checkpoint

from rover.commands.lenient import lenient
from rover.commands.reading import reading
from rover.commands.throttle import Throttle
from sources.base import Finding, Progress, Severity, SourceError, Verdict
from sources.rules import report_mistake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rover.commands.upload import Upload
    from rover.guard import Guard
    from sources.base import CommandValidator

PROGRESS_PERIOD_S = 0.1
"""Minimum number of seconds between two events about the same step."""

FAULT = "the validator, not the file, is faulty: it"


async def check(
    guard: Guard,
    validator: CommandValidator,
    upload: Upload,
    path: Path,
    *,
    keep_artifact: Callable[[Path], Path],
    lines: int,
    text: Callable[[int, int | None], str | None],
    timeout_s: float,
    clock: Callable[[], float],
) -> Verdict:
    """The validator's verdict on the file. Progress and findings are published until then.

    Args:
        guard: calls the validator.
        validator: checks the file.
        upload: publishes the progress and the findings.
        path: the file.
        keep_artifact: copies an artifact that is a file, and returns the path of the copy.
        lines: number of lines of the file.
        text: returns the text of a line around a column. It blocks.
        timeout_s: seconds without progress, finding or verdict after which the check fails.
        clock: monotonic seconds, for the rate of progress events.

    Raises:
        SourceError: the check timed out, or the validator failed or does not keep its contract.
    """
    upload.steps.begin()
    upload.publish_progress(Progress(upload.steps.first, 0.0, "the check begins"))
    throttle, rate, step = Throttle(PROGRESS_PERIOD_S, clock), LineRate(clock), ""
    verdict: Verdict | None = None
    errors = 0
    with move_on_after(timeout_s) as timeout:
        async with reading(guard, validator, path, keep_artifact) as items:
            async for yielded in items:
                timeout.deadline = current_time() + timeout_s
                await checkpoint()  # the validator may never wait, which would block the loop
                if verdict is not None:
                    raise SourceError(f"{FAULT} yielded another item after its verdict")
                item = guard.read("validate()", lenient, yielded, lines)
                if mistake := guard.read("validate()", report_mistake, item):
                    raise SourceError(f"{FAULT} made a mistake: {mistake.text}")
                if isinstance(item, Verdict):
                    verdict = item
                elif isinstance(item, Finding):
                    errors += item.severity is Severity.ERROR
                    upload.steps.record_finding(item)
                    upload.publish_finding(item, await _text_of(item, upload, text))
                    upload.publish_ended_steps()
                elif isinstance(item, Progress):
                    upload.steps.record_progress(item)
                    upload.publish_ended_steps()
                    lines_per_s = rate.after(item)
                    if not item.skipped and (throttle.is_due() or item.step != step):
                        step = item.step
                        upload.publish_progress(item, lines_per_s)
    if timeout.cancelled_caught:
        raise SourceError(f"the check timed out: it made no progress for {timeout_s:g} s")
    if verdict is None:
        raise SourceError(f"{FAULT} ended without a verdict")
    if verdict.accepted and (errors or verdict.errors):
        raise SourceError(f"{FAULT} accepted a file with errors")
    return verdict


async def _text_of(
    finding: Finding, upload: Upload, text: Callable[[int, int | None], str | None]
) -> str | None:
    """The text of the line of a finding; `None` without one, and for findings that only count."""
    if finding.line is None or not upload.has_room:
        return None
    with suppress(OSError):  # the verdict does not depend on it
        return await to_thread.run_sync(text, finding.line, finding.column)
    return None


class LineRate:
    """Measures how many lines per second a step checks.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._step = ""
        self._line = 0
        self._began = 0.0

    def after(self, progress: Progress) -> float | None:
        """Lines per second since the first progress of the step; `None` if it is unknown."""
        if progress.line is None:
            return None
        now = self._clock()
        if progress.step != self._step or progress.line < self._line:
            self._step, self._line, self._began = progress.step, progress.line, now
        seconds = now - self._began
        return round((progress.line - self._line) / seconds, 1) if seconds > 0 else None
