"""The check of a command file: any validator, also one that breaks its contract."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from anyio import Event

from rover.commands.names import MAX_TEXT_CHARACTERS
from rover.commands.upload import MAX_EVENT_BYTES, MAX_EVENTS
from rover.commands.upload_state import Status
from rover.topic import EventId, Gap, GapReason
from sources.base import Finding, Progress, Severity, SourceError
from tests.command_files import (
    ACCEPTED,
    FILE,
    REJECTED,
    STORED,
    Script,
    Ticks,
    chunks,
    events,
    files_of,
    running,
    uploaded,
    with_status,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.anyio

NOT_JSON: Any = {"x": object()}


async def test_the_validator_reads_the_complete_file(tmp_path: Path) -> None:
    script = Script(ACCEPTED)
    parts = [bytes([n]) * 700_000 for n in range(5)]
    async with running(tmp_path, validator=script) as commands:
        await uploaded(commands, *parts)
    assert script.checked == [b"".join(parts)]


@pytest.mark.parametrize(
    ("items", "detail"),
    [
        ([SourceError("no dictionary; mount it")], "no dictionary; mount it"),
        ([Progress("syntax", 0.5, ""), ValueError("boom")], "ValueError: boom"),
        ([OSError(errno.EIO, "I/O error")], "OSError"),
        ([Progress("syntax", 0.5, "")], "without a verdict"),
        ([ACCEPTED, Progress("power", 1.0, "")], "after its verdict"),
        ([ACCEPTED, REJECTED], "after its verdict"),
        ([Finding(Severity.ERROR, "x", "bad"), ACCEPTED], "with errors"),
        ([replace(ACCEPTED, errors=1)], "with errors"),
        ([replace(ACCEPTED, summary=NOT_JSON)], "summary"),
        (["not an item"], "not an item"),
    ],
)
async def test_a_failed_check_fails_the_upload_and_deletes_the_file(
    tmp_path: Path, items: Sequence[Any], detail: str
) -> None:
    script = Script(*items)
    async with running(tmp_path, validator=script) as commands:
        upload = await uploaded(commands)
        assert files_of(commands) == []
        assert script.closed == 1
        assert commands.open_uploads == 0
    assert upload.report["status"] == "FAILED"
    assert detail in upload.report["detail"]


async def test_a_check_without_progress_times_out(tmp_path: Path) -> None:
    async with running(tmp_path, Event(), ACCEPTED, check_timeout_s=0.05) as commands:
        upload = await uploaded(commands)
        assert files_of(commands) == []
    assert upload.report["status"] == "FAILED"
    assert "0.05 s" in upload.report["detail"]


async def test_the_progress_of_each_step_is_published_and_thinned(tmp_path: Path) -> None:
    items = [Progress(step, n / 1e4, str(n)) for step in ("syntax", "power") for n in range(5000)]
    async with running(tmp_path, *items, ACCEPTED, clock=Ticks(0.001)) as commands:
        upload = await uploaded(commands)
    progress = [e for e in with_status(upload, "VALIDATING") if e["state"] != "passed"]
    steps = [event["step"] for event in progress]
    assert steps == sorted(steps, reverse=True)
    assert 25 < steps.count("syntax") <= 51  # 5 s of that clock
    assert 25 < steps.count("power") <= 51


async def test_an_unknown_step_is_published_and_fractions_are_clamped(tmp_path: Path) -> None:
    items = [Progress("extra", 7.5, "more"), Progress("power", -1.0, "less"), ACCEPTED]
    async with running(tmp_path, *items) as commands:
        upload = await uploaded(commands)
    _, extra, power = with_status(upload, "VALIDATING")[:3]
    assert (extra["title"], extra["index"], extra["fraction"]) == ("extra", None, 1.0)
    assert (power["title"], power["index"], power["fraction"]) == ("Power budget", 2, 0.0)


SYNTAX, POWER = Progress("syntax", 0.1, "reading"), Progress("power", 0.6, "day")
BAD_LINE = Finding(Severity.ERROR, "syntax.line", "bad line", step="syntax")
LOW = Finding(Severity.WARNING, "power.low", "9 Wh left", step="power")
NO_SUN = Progress("power", 1.0, "no sun given", skipped=True)


@pytest.mark.parametrize(
    ("items", "states"),
    [
        ([SYNTAX, POWER, ACCEPTED], ["passed", "passed"]),
        ([SYNTAX, LOW, ACCEPTED], ["passed", "passed"]),
        ([SYNTAX, BAD_LINE, POWER, REJECTED], ["failed", "passed"]),
        ([SYNTAX, BAD_LINE, REJECTED], ["failed", "skipped"]),
        ([SYNTAX, POWER, BAD_LINE, REJECTED], ["failed", "passed"]),
        ([SYNTAX, replace(BAD_LINE, step=""), REJECTED], ["failed", "skipped"]),
        ([SYNTAX, replace(BAD_LINE, step="other"), REJECTED], ["failed", "skipped"]),
        ([SYNTAX, POWER, REJECTED], ["passed", "failed"]),
        ([SYNTAX, ACCEPTED], ["passed", "skipped"]),
        ([POWER, ACCEPTED], ["skipped", "passed"]),
        ([SYNTAX, NO_SUN, ACCEPTED], ["passed", "skipped"]),
        ([SYNTAX, POWER, NO_SUN, ACCEPTED], ["passed", "skipped"]),
        ([NO_SUN, POWER, SYNTAX, POWER, ACCEPTED], ["passed", "passed"]),
        ([REJECTED], ["skipped", "skipped"]),
        ([ValueError("boom")], ["skipped", "skipped"]),
        ([SYNTAX, ValueError("boom")], ["failed", "skipped"]),
        ([SYNTAX, POWER, SourceError("no battery model")], ["passed", "failed"]),
        ([SYNTAX], ["failed", "skipped"]),
    ],
)
async def test_each_step_ends_as_passed_failed_or_skipped(
    tmp_path: Path, items: Sequence[Any], states: list[str]
) -> None:
    async with running(tmp_path, *items) as commands:
        upload = await uploaded(commands)
    assert [step["state"] for step in upload.report["plan"]] == states
    published = {event["step"]: event["state"] for event in with_status(upload, "VALIDATING")}
    assert published == dict(zip(("syntax", "power"), states, strict=True))


async def test_an_upload_that_fails_before_its_check_has_run_no_step(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        upload = await uploaded(commands, FILE, OSError(errno.EIO, "I/O error"))
    assert [step["state"] for step in upload.report["plan"]] == ["skipped", "skipped"]


async def test_retained_findings_are_limited_and_a_late_client_receives_a_gap(
    tmp_path: Path,
) -> None:
    finding = Finding(Severity.ERROR, "syntax.unknown", "no such command", hint="x" * 5000)
    async with running(tmp_path, *[finding] * 3000, REJECTED) as commands:
        upload = await uploaded(commands)
    frames = upload.topic.retained()
    assert len(frames) <= MAX_EVENTS
    assert sum(map(len, frames)) <= MAX_EVENT_BYTES
    assert all(len(event.get("hint", "")) <= MAX_TEXT_CHARACTERS for event in events(upload))
    assert upload.status is Status.REJECTED
    with upload.topic.subscribe(EventId(upload.topic.epoch, 0)) as subscriber:
        gap = await anext(subscriber)
    assert isinstance(gap, Gap)
    assert gap.reason is GapReason.EXPIRED
    assert gap.lost == upload.topic.last_id.offset - len(frames)


async def test_a_validator_that_never_waits_does_not_block_the_event_loop(tmp_path: Path) -> None:
    finding = Finding(Severity.INFO, "x", "x")
    async with running(tmp_path, *[finding] * 200, ACCEPTED) as commands:
        upload = commands.intake.begin("a.seq")
        await commands.receive(upload, chunks(FILE))
        batches = 0
        with upload.topic.subscribe() as subscriber:
            async for _ in subscriber:
                batches += 1
        assert files_of(commands) == [STORED]
    assert batches > 100
