"""Command files without HTTP: their events, their files on disk, and the limits."""

from __future__ import annotations

import errno
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from anyio import Event, create_task_group, wait_all_tasks_blocked

from rover.commands import Commands
from rover.commands.names import MAX_NAME_CHARACTERS, display_name
from rover.commands.upload_state import Status
from rover.errors import Draining, NotAnUpload, NotStarted, PoolFull, UnknownUpload
from rover.settings import Settings
from rover.topic import EventId
from sources.base import Finding, Progress, Severity, SourceError, Step
from tests.command_files import (
    ACCEPTED,
    FILE,
    REJECTED,
    SHA256,
    STORED,
    Script,
    Ticks,
    chunks,
    events,
    files_of,
    open_files,
    running,
    uploaded,
    with_status,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_an_accepted_file_is_stored_by_its_sha256(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        upload = await uploaded(commands, FILE[:5], FILE[5:])
        assert files_of(commands) == [STORED]
        assert (commands.inbox.accepted / SHA256).read_bytes() == FILE
    assert upload.status is Status.COMPLETE


async def test_the_events_of_an_upload(tmp_path: Path) -> None:
    finding = Finding(Severity.WARNING, "power.low", "9 Wh left", 2, 1, "wait for noon", "power")
    items = [Progress("syntax", 0.1, "2 lines"), Progress("power", 0.6, "day"), finding, ACCEPTED]
    async with running(tmp_path, *items) as commands:
        upload = commands.intake.begin("sol-42.seq", 17)
        await commands.receive(upload, chunks(FILE[:5], FILE[5:]))
        await upload.finished.wait()
    plan = [{"name": "syntax", "title": "Syntax"}, {"name": "power", "title": "Power budget"}]
    passed = [step | {"state": "passed"} for step in plan]
    receiving = {"id": upload.id, "name": "sol-42.seq", "size": 17, "plan": plan}
    syntax = {"step": "syntax", "title": "Syntax", "index": 1, "steps": 2}
    power = {"step": "power", "title": "Power budget", "index": 2, "steps": 2}
    published = events(upload)
    details = [event.pop("detail", None) for event in published]
    assert all(details[:5])
    assert published == [
        {"status": "UPLOADING", "received": 0, **receiving},
        {"status": "UPLOADING", "received": 17, **receiving},
        {"status": "VALIDATING", **syntax, "state": "pending", "fraction": 0.0},
        {"status": "VALIDATING", **syntax, "state": "running", "fraction": 0.1},
        {"status": "VALIDATING", **syntax, "state": "passed", "fraction": 0.1},
        {"status": "VALIDATING", **power, "state": "running", "fraction": 0.6},
        {
            "severity": "warning",
            "code": "power.low",
            "message": "9 Wh left",
            "line": 2,
            "column": 1,
            "hint": "wait for noon",
            "step": "power",
            "text": "TURN 90",
        },
        {"status": "VALIDATING", **power, "state": "passed", "fraction": 0.6},
        {
            "status": "COMPLETE",
            "id": upload.id,
            "name": "sol-42.seq",
            "sha256": SHA256,
            "size": 17,
            "errors": 0,
            "warnings": 1,
            "summary": {"commands": 2},
            "plan": passed,
        },
    ]
    assert [details[n] for n in (3, 5, 6, 8)] == ["2 lines", "day", None, "may be sent"]
    assert upload.report == events(upload)[-1]


async def test_the_report_of_a_rejected_file_remains_and_the_file_is_deleted(
    tmp_path: Path,
) -> None:
    finding = Finding(Severity.ERROR, "syntax.unknown", "no such command")
    async with running(tmp_path, finding, REJECTED) as commands:
        upload = await uploaded(commands)
        assert files_of(commands) == []
        assert commands.find(upload.id) is upload
    assert upload.report == {
        "status": "REJECTED",
        "detail": "may not be sent",
        "id": upload.id,
        "name": "sol-42.seq",
        "sha256": SHA256,
        "size": 17,
        "errors": 1,
        "warnings": 0,
        "summary": {},
        "plan": [
            {"name": "syntax", "title": "Syntax", "state": "skipped", "detail": "not run"},
            {"name": "power", "title": "Power budget", "state": "skipped", "detail": "not run"},
        ],
    }


class OneStep(Script):
    """A validator with one step, which it need not report."""

    steps = (Step("check", "Check"),)


@pytest.mark.parametrize(
    ("items", "state"),
    [
        ([ACCEPTED], "passed"),
        ([REJECTED], "failed"),
        ([Finding(Severity.WARNING, "a", "b"), ACCEPTED], "passed"),
        ([SourceError("no dictionary")], "failed"),
        ([Progress("check", 0.0, "not needed", skipped=True), ACCEPTED], "skipped"),
    ],
)
async def test_the_only_step_has_the_result_of_the_check(
    tmp_path: Path, items: list[Any], state: str
) -> None:
    async with running(tmp_path, validator=OneStep(*items)) as commands:
        upload = await uploaded(commands)
    assert [step["state"] for step in upload.report["plan"]] == [state]


async def test_a_silent_step_of_an_accepted_file_may_have_run(tmp_path: Path) -> None:
    async with running(tmp_path, Progress("syntax", 0.5, ""), ACCEPTED) as commands:
        upload = await uploaded(commands)
    syntax, power = upload.report["plan"]
    assert (syntax["state"], power["state"]) == ("passed", "skipped")
    assert power["detail"] != "not run"


@pytest.mark.parametrize(("verdict", "files"), [(ACCEPTED, [STORED]), (REJECTED, [])])
async def test_the_file_is_stored_or_deleted_before_the_last_event(
    tmp_path: Path, verdict: object, files: list[str]
) -> None:
    async with running(tmp_path, verdict) as commands:
        upload = commands.intake.begin("a.seq")
        seen: list[str] = []
        async with create_task_group() as tasks:
            tasks.start_soon(commands.receive, upload, chunks(FILE))
            with upload.topic.subscribe(EventId(upload.topic.epoch, 0)) as subscriber:
                async for _ in subscriber:
                    seen = files_of(commands)
        assert seen == files


async def test_the_same_content_twice_is_one_file_and_two_reports(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        first, second = await uploaded(commands), await uploaded(commands, name="again.seq")
        assert files_of(commands) == [STORED]
    assert (first.status, second.status) == (Status.COMPLETE, Status.COMPLETE)
    assert first.id != second.id


async def test_event_ids_count_up_from_one(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        upload = await uploaded(commands)
    ids = [frame.split(b"\n")[0] for frame in upload.topic.retained()]
    epoch = upload.topic.epoch.encode()
    assert ids == [b"id: %s-%d" % (epoch, n) for n in range(1, len(ids) + 1)]


async def test_received_bytes_are_published_at_most_four_times_a_second(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED, clock=Ticks(0.1)) as commands:
        upload = await uploaded(commands, *[b"x"] * 40)  # 4 s of that clock
    received = [event["received"] for event in with_status(upload, "UPLOADING")]
    assert received == [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 40]


async def test_an_upload_of_a_day_publishes_few_events(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED, clock=Ticks(1.0)) as commands:
        upload = await uploaded(commands, *[b"x"] * 86_400)
    received = [event["received"] for event in with_status(upload, "UPLOADING")]
    assert received[:4] == [0, 1, 2, 3]
    assert received[-1] == 86_400
    assert len(received) < 600


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (NotAnUpload("the form is incomplete"), "the form is incomplete"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (ZeroDivisionError(), "log"),
    ],
)
async def test_an_error_while_receiving_fails_the_upload_and_deletes_the_file(
    tmp_path: Path, error: Exception, detail: str
) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        upload = await uploaded(commands, FILE, error)
        assert files_of(commands) == []
    assert (upload.report["status"], upload.report["id"]) == ("FAILED", upload.id)
    assert detail in upload.report["detail"]


async def test_cancelling_receive_fails_the_upload_and_deletes_the_file(tmp_path: Path) -> None:
    waiting = Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"x" * 2_000_000
        waiting.set()
        await Event().wait()

    async with running(tmp_path, ACCEPTED) as commands:
        upload = commands.intake.begin("a.seq")
        async with create_task_group() as request:
            request.start_soon(commands.receive, upload, stalled())
            await waiting.wait()
            assert files_of(commands) == [f"incoming/{upload.id}"]
            request.cancel_scope.cancel()
        assert files_of(commands) == []
        assert commands.open_uploads == 0
    assert upload.report["status"] == "FAILED"
    assert "2,000,000 bytes" in upload.report["detail"]


async def test_receiving_stops_at_the_size_limit(tmp_path: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 100
            yield bytes(100)

    async with running(tmp_path, ACCEPTED, limits={"max_upload_bytes": 1000}) as commands:
        upload = commands.intake.begin("a.seq")
        await commands.receive(upload, endless())
        assert files_of(commands) == []
        assert sent == 1100
        assert "ROVER_MAX_UPLOAD_BYTES" in upload.report["detail"]
        assert (await uploaded(commands, bytes(1000))).status is Status.COMPLETE


async def test_the_number_of_unfinished_uploads_is_limited(tmp_path: Path) -> None:
    go = Event()
    async with running(tmp_path, go, ACCEPTED, limits={"max_uploads": 2}) as commands:
        first, second = commands.intake.begin("a"), commands.intake.begin("b")
        with pytest.raises(PoolFull):
            commands.intake.begin("c")
        await commands.receive(first, chunks(FILE))
        await commands.receive(second, chunks(NotAnUpload("malformed")))
        assert commands.open_uploads == 1
        third = commands.intake.begin("c")
        with pytest.raises(PoolFull):
            commands.intake.check_capacity()
        go.set()
        await first.finished.wait()
        await commands.receive(third, chunks(b"other"))
        await third.finished.wait()
        assert commands.open_uploads == 0
    assert (first.status, third.status) == (Status.COMPLETE, Status.COMPLETE)


async def test_only_the_newest_reports_are_retained(tmp_path: Path) -> None:
    async with running(tmp_path, REJECTED, limits={"kept_uploads": 2}) as commands:
        uploads = [await uploaded(commands) for _ in range(4)]
        unfinished = commands.intake.begin("e")
        for deleted in uploads[:2]:
            with pytest.raises(UnknownUpload, match=deleted.id):
                commands.find(deleted.id)
        for retained in (*uploads[2:], unfinished):
            assert commands.find(retained.id) is retained
        await commands.receive(unfinished, chunks(FILE))


async def test_receiving_a_large_file_uses_constant_memory(tmp_path: Path) -> None:
    async def large() -> AsyncIterator[bytes]:
        for _ in range(1600):
            yield bytes(1 << 16)
        raise NotAnUpload("malformed")

    async with running(tmp_path, limits={"max_upload_bytes": 1 << 30}) as commands:
        upload = commands.intake.begin("big.seq")
        tracemalloc.start()
        try:
            await commands.receive(upload, large())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert upload.received == 1600 << 16  # 100 MiB
        assert peak < 8 << 20


async def test_an_upload_is_refused_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(NotStarted):
        Commands(Script(), Settings(data_dir=tmp_path)).intake.begin("a.seq")


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "cancelled"])
async def test_shutdown_fails_unfinished_uploads_and_deletes_their_files(
    tmp_path: Path, *, closed: bool
) -> None:
    script = Script(Event(), ACCEPTED)
    commands = Commands(script, Settings(data_dir=tmp_path))
    async with create_task_group() as requests:
        async with create_task_group() as tasks:
            await tasks.start(lambda *, task_status: commands.run(task_status=task_status))
            names = ("being checked", "arriving", "arrived", "begun")
            checked, arriving, arrived, begun = [commands.intake.begin(name) for name in names]
            await commands.receive(checked, chunks(FILE))
            requests.start_soon(commands.receive, arriving, chunks(FILE, Event()))
            await wait_all_tasks_blocked()
            await commands.receive(arrived, chunks(FILE))  # its check has not run yet
            if closed:
                commands.close()
            else:
                tasks.cancel_scope.cancel()
        for upload in (checked, arriving, arrived, begun):
            assert upload.status is Status.FAILED
            assert "shutting down" in upload.report["detail"]
            assert upload.topic.closed
    assert files_of(commands) == []
    assert script.closed == len(script.checked)
    with pytest.raises(Draining):
        commands.intake.begin("late")


async def test_a_hundred_uploads_leave_no_open_files(tmp_path: Path) -> None:
    async with running(tmp_path, REJECTED, limits={"max_uploads": 200}) as commands:
        before = open_files()
        async with create_task_group() as requests:
            for n in range(100):
                requests.start_soon(uploaded, commands, FILE, *[NotAnUpload("malformed")] * (n % 2))
        assert commands.open_uploads == 0
        assert files_of(commands) == []
        assert open_files() == before


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("sol 42.seq", "sol 42.seq"),
        ("sól-42 ☄.seq", "sól-42 ☄.seq"),
        ("../../etc/passwd", "passwd"),
        (r"C:\plans\a.seq", "a.seq"),
        ("a\r\nX-Evil: 1\x00\x1b[31m", "aX-Evil: 1[31m"),
        ("gpj.\u202eqes", "gpj.qes"),
        ("a\u2028b\ud800c", "abc"),
        ("", "unnamed"),
        ("dir/", "unnamed"),
        ("x" * 1000, "x" * MAX_NAME_CHARACTERS),
    ],
)
def test_a_display_name_has_no_path_and_no_control_characters(name: str, shown: str) -> None:
    assert display_name(name) == shown
