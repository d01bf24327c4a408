"""The check of one command file: runs the validator, and publishes what it yields."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from typing import TYPE_CHECKING

from anyio import current_time, move_on_after
from anyio.lowlevel import checkpoint

from rover.commands.throttle import Throttle
from rover.wire import dumps
from sources.base import Finding, Progress, Severity, SourceError, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rover.commands.upload import Upload
    from sources.base import CommandValidator

PROGRESS_PERIOD_S = 0.1
"""Minimum number of seconds between two events about the same step."""

FAULT = "the validator, not the file, is faulty: it"


async def check(
    validator: CommandValidator,
    upload: Upload,
    path: Path,
    *,
    timeout_s: float,
    clock: Callable[[], float],
) -> Verdict:
    """The validator's verdict on the file. Progress and findings are published until then.

    Args:
        validator: checks the file.
        upload: publishes the progress and the findings.
        path: the file.
        timeout_s: seconds without progress, finding or verdict after which the check fails.
        clock: monotonic seconds, for the rate of progress events.

    Raises:
        SourceError: the check timed out, or the validator does not keep its contract.
        Exception: any other exception of the validator.
    """
    upload.publish_progress(Progress(upload.first_step, 0.0, "the check begins"))
    throttle, step = Throttle(PROGRESS_PERIOD_S, clock), ""
    verdict: Verdict | None = None
    errors = 0
    items = validator.validate(path)
    with move_on_after(timeout_s) as timeout:
        async with aclosing(items) if isinstance(items, AsyncGenerator) else nullcontext():
            async for item in items:
                timeout.deadline = current_time() + timeout_s
                await checkpoint()  # the validator may never wait, which would block the loop
                if verdict is not None:
                    raise SourceError(f"{FAULT} yielded another item after its verdict")
                if isinstance(item, Verdict):
                    verdict = item
                elif isinstance(item, Finding):
                    errors += item.severity is Severity.ERROR
                    upload.publish_finding(item)
                elif throttle.is_due() or item.step != step:
                    step = item.step
                    upload.publish_progress(item)
    if timeout.cancelled_caught:
        raise SourceError(f"the check timed out: it made no progress for {timeout_s:g} s")
    if verdict is None:
        raise SourceError(f"{FAULT} ended without a verdict")
    if verdict.accepted and (errors or verdict.errors):
        raise SourceError(f"{FAULT} accepted a file with errors")
    dumps(dict(verdict.summary))  # fails here if JSON cannot encode it, before the file is stored
    return verdict
