"""Validators that misbehave in the process of the server fail only their own upload."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest

from rover.commands.names import MAX_TEXT_CHARACTERS
from rover.commands.upload_state import Status
from rover.errors import RoverError
from sources.base import Finding, Progress, Severity, SourceError, Step
from tests.command_files import ACCEPTED, events, files_of, running, uploaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rover.commands.upload import Upload

pytestmark = pytest.mark.anyio

WARNING = Finding(Severity.WARNING, "x", "low", 1, step="one")


class Unusual(BaseException):
    """Not an `Exception`."""


class Level(Enum):
    ERROR = "error"
    LOW = "warning"


class Hostile:
    """Misbehaves for the first file, and accepts all others."""

    steps = (Step("one", "One"),)

    def __init__(self, misbehave: Callable[[], Any]) -> None:
        self._misbehave = misbehave
        self._files = 0

    async def validate(self, path: Path) -> Any:
        self._files += 1
        if self._files == 1:
            async for item in self._misbehave():
                yield item
        else:
            yield ACCEPTED


def yields(*items: Any) -> Callable[[], Any]:
    async def misbehave() -> Any:
        for item in items:
            yield item

    return misbehave


def raises(error: BaseException) -> Callable[[], Any]:
    async def misbehave() -> Any:
        yield Progress("one", 0.5, "")
        raise error

    return misbehave


async def awaits_a_cancelled_task() -> Any:
    task = asyncio.create_task(asyncio.sleep(9))
    task.cancel()
    await task
    yield ACCEPTED


async def cancels_its_caller() -> Any:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(9)
    yield ACCEPTED


async def fails_in_its_cleanup() -> Any:
    try:
        yield ACCEPTED
    finally:
        raise Unusual


async def recurses() -> Any:
    async for item in recurses():
        yield item


def finding(**changes: Any) -> Finding:
    return replace(WARNING, **changes)


FAILS = {
    "SystemExit": raises(SystemExit(3)),
    "CancelledError": raises(asyncio.CancelledError()),
    "GeneratorExit": raises(GeneratorExit()),
    "BaseException": raises(Unusual()),
    "StopAsyncIteration": raises(StopAsyncIteration()),
    "StopIteration": raises(StopIteration()),
    "MemoryError": raises(MemoryError()),
    "a group": raises(BaseExceptionGroup("", [SystemExit(), ValueError()])),
    "SourceError": raises(SourceError("")),
    "an error of the server": raises(RoverError("x")),
    "recursion": recurses,
    "a cancelled task": awaits_a_cancelled_task,
    "cancels its caller": cancels_its_caller,
    "cleanup": fails_in_its_cleanup,
    "nothing": yields(),
    "no verdict": yields(WARNING),
    "None": yields(None),
    "a class": yields(Finding),
    "a dict": yields({"accepted": True}),
    "two verdicts": yields(ACCEPTED, ACCEPTED),
    "after the verdict": yields(ACCEPTED, WARNING),
    "a text as accepted": yields(replace(ACCEPTED, accepted="no")),  # type: ignore[arg-type]
    "counts errors": yields(replace(ACCEPTED, errors=1)),
    "negative errors": yields(replace(ACCEPTED, errors=-1)),
    "no number of warnings": yields(replace(ACCEPTED, warnings="1")),  # type: ignore[arg-type]
    "summary": yields(replace(ACCEPTED, summary={"x": object()})),  # type: ignore[dict-item]
    "artifact": yields(replace(ACCEPTED, artifact="text")),  # type: ignore[arg-type]
    "large artifact": yields(replace(ACCEPTED, artifact=bytes(2**24 + 1))),
    "NaN": yields(Progress("one", float("nan"), ""), ACCEPTED),
    "no text": yields(Progress(1, 0.5, ""), ACCEPTED),  # type: ignore[arg-type]
    "line as a text": yields(finding(line="3"), ACCEPTED),
    "line as a boolean": yields(finding(line=True), ACCEPTED),
    "message": yields(finding(message=b"bytes"), ACCEPTED),
    "severity error": yields(finding(severity="error"), ACCEPTED),
    "severity ERROR": yields(finding(severity=" ERROR "), ACCEPTED),
    "severity fatal": yields(finding(severity="Fatal"), ACCEPTED),
    "severity of an enum": yields(finding(severity=Level.ERROR), ACCEPTED),
    "severity unknown": yields(finding(severity="bad"), ACCEPTED),
    "severity None": yields(finding(severity=None), ACCEPTED),
    "error": yields(finding(severity=Severity.ERROR), ACCEPTED),
}

PASSES = {
    "severity warning": yields(finding(severity="warning"), ACCEPTED),
    "severity Note": yields(finding(severity="Note"), ACCEPTED),
    "severity of another enum": yields(finding(severity=Level.LOW), ACCEPTED),
    "line 0": yields(finding(line=0, column=1), ACCEPTED),
    "line -1": yields(finding(line=-1), ACCEPTED),
    "line beyond the end": yields(finding(line=10**12), ACCEPTED),
    "column 0": yields(finding(column=0), ACCEPTED),
    "column without a line": yields(finding(line=None, column=3), ACCEPTED),
    "unknown step": yields(finding(step="two"), Progress("three", 7.0, ""), ACCEPTED),
    "long message": yields(finding(message="x" * 10**6), ACCEPTED),
    "artifact type": yields(
        replace(ACCEPTED, artifact=b"x", artifact_type="text/html\r\nSet-Cookie: a=b")
    ),
}


async def checked(tmp_path: Path, misbehave: Callable[[], Any]) -> Upload:
    """The upload that a validator misbehaves for. The next one is complete."""
    async with running(tmp_path, validator=Hostile(misbehave)) as commands:
        first = await uploaded(commands)
        assert (await uploaded(commands)).status is Status.COMPLETE
        assert commands.open_uploads == 0
        assert list(commands.inbox.incoming.iterdir()) == []
        assert len(files_of(commands)) == 1
    return first


@pytest.mark.parametrize("misbehave", FAILS.values(), ids=FAILS)
async def test_a_validator_that_breaks_its_contract_fails_only_its_upload(
    tmp_path: Path, misbehave: Callable[[], Any]
) -> None:
    upload = await checked(tmp_path, misbehave)
    assert upload.status is Status.FAILED
    assert upload.report["detail"]


@pytest.mark.parametrize("misbehave", PASSES.values(), ids=PASSES)
async def test_small_mistakes_of_a_validator_do_not_fail_the_upload(
    tmp_path: Path, misbehave: Callable[[], Any]
) -> None:
    upload = await checked(tmp_path, misbehave)
    assert upload.status is Status.COMPLETE
    for event in events(upload):
        if "severity" in event:
            assert event["severity"] in ("warning", "info")
            assert event["line"] in (None, 1)
            assert event["column"] in (None, 1)
            assert len(event["message"]) <= MAX_TEXT_CHARACTERS
    assert upload.artifact is None or upload.artifact.type == "application/octet-stream"


async def test_a_validator_that_suppresses_its_cancellation_is_abandoned(tmp_path: Path) -> None:
    async def stubborn() -> Any:
        while not done.is_set():
            try:
                await done.wait()
            except asyncio.CancelledError:
                continue
        yield ACCEPTED

    done = asyncio.Event()
    async with running(tmp_path, validator=Hostile(stubborn), check_timeout_s=0.05) as commands:
        upload = await uploaded(commands)
        assert upload.status is Status.FAILED
        assert (await uploaded(commands)).status is Status.COMPLETE
        done.set()
