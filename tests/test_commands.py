"""The commands bare: what is told, what is kept, and that nothing else is left."""

from __future__ import annotations

import errno
import json
import os
import tracemalloc
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyio import Event, create_task_group, fail_after, from_thread, wait_all_tasks_blocked

from rover.commands import Commands
from rover.commands.inbox import Inbox
from rover.commands.upload import (
    NAME_LENGTH,
    TEXT_LENGTH,
    TOPIC_BYTES,
    TOPIC_EVENTS,
    Status,
    display_name,
)
from rover.errors import (
    Draining,
    NotAnUpload,
    NotStarted,
    SettingError,
    TooManyUploads,
    UnknownUpload,
)
from rover.settings import Settings
from rover.topic import EventId, Gap, GapReason
from sources.base import Finding, Progress, Severity, SourceError, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rover.commands.upload import Upload

pytestmark = pytest.mark.anyio

ACCEPTED = Verdict(True, 0, 1, "may go up", {"commands": 2})
REJECTED = Verdict(False, 1, 0, "may not go up")
UNTELLABLE: Any = {"x": object()}
FILE = b"DRIVE 10\nTURN 90\n"
SHA256 = sha256(FILE).hexdigest()


class Script:
    """A validator that says what it is told to say; an exception is raised, an event waited for."""

    steps = (Step("syntax", "Syntax"), Step("power", "Power budget"))

    def __init__(self, *items: Any) -> None:
        self.items = items
        self.checked: list[bytes] = []
        self.closed = 0

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        self.checked.append(path.read_bytes())  # noqa: ASYNC240 # a small file
        try:
            for item in self.items:
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, Event):
                    await item.wait()
                else:
                    yield item
        finally:
            self.closed += 1


class Ticks:
    """A clock that moves by a step each time somebody looks at it."""

    def __init__(self, step_s: float) -> None:
        self.now = 0.0
        self._step_s = step_s

    def __call__(self) -> float:
        self.now += self._step_s
        return self.now


@asynccontextmanager
async def running(
    tmp_path: Path, *said: Any, bounds: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Commands]:
    """An commands over a scripted validator, in a folder of its own."""
    settings = Settings(data_dir=tmp_path / "data", **(bounds or {}))
    commands = Commands(Script(*said), settings, **options)
    async with create_task_group() as tasks:
        await tasks.start(lambda *, task_status: commands.run(task_status=task_status))
        yield commands
        tasks.cancel_scope.cancel()


async def chunks(*pieces: Any) -> AsyncIterator[bytes]:
    """Bytes as they come; an exception is raised, an event waited for."""
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        if isinstance(piece, Event):
            await piece.wait()
        else:
            yield piece


def events(upload: Upload) -> list[dict[str, Any]]:
    """What was told so far, parsed; findings have no `status`."""
    told = []
    for frame in upload.topic.retained():
        fields = dict(line.split(": ", 1) for line in frame.decode().splitlines() if line)
        about = json.loads(fields["data"])
        assert fields.get("event") == (None if "status" in about else "finding")
        told.append(about)
    return told


def statuses(upload: Upload) -> list[str]:
    return [about.get("status", "finding") for about in events(upload)]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def left_behind(commands: Commands) -> list[str]:
    folders = (commands.inbox.incoming, commands.inbox.accepted)
    return [f"{folder.name}/{path.name}" for folder in folders for path in folder.iterdir()]


async def sent(commands: Commands, *pieces: Any, name: str = "sol-42.seq") -> Upload:
    """An upload that is over."""
    upload = commands.begin(name, None)
    await commands.receive(upload, chunks(*pieces or [FILE]))
    with fail_after(5):
        await upload.over.wait()
    return upload


# --------------------------------------------------------------------------- the way it goes


async def test_an_accepted_file_is_kept_under_its_sha256(tmp_path: Path) -> None:
    finding = Finding(
        Severity.WARNING, "power.low", "9 Wh are left", 2, 1, "wait for noon", "power"
    )
    said = [Progress("syntax", 0.1, "2 lines"), Progress("power", 0.6, "day"), finding, ACCEPTED]
    async with running(tmp_path, *said) as commands:
        upload = commands.begin("sol-42.seq", 17)
        await commands.receive(upload, chunks(FILE[:5], FILE[5:]))
        with fail_after(5):
            await upload.over.wait()
        assert left_behind(commands) == [f"commands/{SHA256}"]
        assert (commands.inbox.accepted / SHA256).read_bytes() == FILE
    plan = [{"name": "syntax", "title": "Syntax"}, {"name": "power", "title": "Power budget"}]
    coming = {"id": upload.id, "name": "sol-42.seq", "size": 17, "plan": plan}
    step = {"step": "syntax", "title": "Syntax", "index": 1, "steps": 2}
    assert events(upload) == [
        {"status": "UPLOADING", "detail": "the file is coming in", "received": 0, **coming},
        {"status": "UPLOADING", "detail": "the file is here", "received": 17, **coming},
        {"status": "VALIDATING", "detail": "the check begins", **step, "fraction": 0.0},
        {"status": "VALIDATING", "detail": "2 lines", **step, "fraction": 0.1},
        {
            "status": "VALIDATING",
            "detail": "day",
            "step": "power",
            "title": "Power budget",
            "index": 2,
            "steps": 2,
            "fraction": 0.6,
        },
        {
            "severity": "warning",
            "code": "power.low",
            "message": "9 Wh are left",
            "line": 2,
            "column": 1,
            "hint": "wait for noon",
            "step": "power",
        },
        {
            "status": "COMPLETE",
            "detail": "may go up",
            "id": upload.id,
            "name": "sol-42.seq",
            "sha256": SHA256,
            "size": 17,
            "errors": 0,
            "warnings": 1,
            "summary": {"commands": 2},
        },
    ]
    assert upload.status is Status.COMPLETE
    assert upload.report == events(upload)[-1]


async def test_the_validator_finds_the_whole_file_at_the_path(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        await sent(commands, *[bytes([n]) * 700_000 for n in range(5)])
        assert isinstance(commands.validator, Script)
        assert commands.validator.checked == [b"".join(bytes([n]) * 700_000 for n in range(5))]


async def test_a_rejected_file_leaves_only_its_report(tmp_path: Path) -> None:
    finding = Finding(Severity.ERROR, "syntax.unknown", "no such command")
    async with running(tmp_path, finding, REJECTED) as commands:
        upload = await sent(commands)
        assert left_behind(commands) == []
        assert commands.find(upload.id) is upload
    assert upload.report == {
        "status": "REJECTED",
        "detail": "may not go up",
        "id": upload.id,
        "name": "sol-42.seq",
        "sha256": SHA256,
        "size": 17,
        "errors": 1,
        "warnings": 0,
        "summary": {},
    }


async def test_the_file_is_gone_or_kept_before_the_last_event_is_told(tmp_path: Path) -> None:
    for verdict, expected in ((ACCEPTED, [f"commands/{SHA256}"]), (REJECTED, [])):
        async with running(tmp_path / verdict.detail, verdict) as commands:
            upload = commands.begin("a.seq")
            seen: list[list[str]] = []

            async def look(
                upload: Upload = upload, commands: Commands = commands
            ) -> list[list[str]]:
                looks = []
                with upload.topic.subscribe(EventId(upload.topic.epoch, 0)) as reader:
                    async for _ in reader:
                        looks.append(left_behind(commands))  # noqa: PERF401 # at each event anew
                return looks

            async with create_task_group() as tasks:
                tasks.start_soon(commands.receive, upload, chunks(FILE))
                seen = await look()
            assert seen[-1] == expected


async def test_complete_is_told_after_file_and_folder_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, os.replace

    def spy_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        done.append(f"fsync {'file' if path.is_file() else path.name}")
        fsync(descriptor)

    def spy_rename(old: str, new: str) -> None:
        done.append("rename")
        rename(old, new)

    async with running(tmp_path, ACCEPTED) as commands:
        upload = commands.begin("a.seq")
        told = upload.tell_verdict

        def spy_told(verdict: Verdict, digest: str) -> None:
            done.append("told")
            told(verdict, digest)

        monkeypatch.setattr(os, "fsync", spy_fsync)
        monkeypatch.setattr(os, "replace", spy_rename)
        monkeypatch.setattr(upload, "tell_verdict", spy_told)
        await commands.receive(upload, chunks(FILE))
        await upload.over.wait()
    assert done == ["fsync file", "rename", "fsync commands", "told"]


async def test_the_same_content_twice_is_one_file_and_two_reports(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        first, second = await sent(commands), await sent(commands, name="again.seq")
        assert left_behind(commands) == [f"commands/{SHA256}"]
    assert (first.status, second.status) == (Status.COMPLETE, Status.COMPLETE)
    assert first.id != second.id


async def test_progress_is_told_at_most_four_times_a_second(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED, clock=Ticks(0.1)) as commands:
        upload = await sent(commands, *[b"x"] * 40)  # over 4 s of that clock
    told = [about["received"] for about in events(upload) if about.get("status") == "UPLOADING"]
    assert told == [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 40]


async def test_the_progress_of_a_whole_day_stays_small(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED, clock=Ticks(1.0)) as commands:
        upload = await sent(commands, *[b"x"] * 86_400)
    told = [about["received"] for about in events(upload) if about.get("status") == "UPLOADING"]
    assert told[:4] == [0, 1, 2, 3]
    assert told[-1] == 86_400
    assert len(told) < 600


async def test_the_progress_of_one_step_is_thinned_but_every_step_is_told(tmp_path: Path) -> None:
    said = [Progress(step, n / 1e4, str(n)) for step in ("syntax", "power") for n in range(5000)]
    async with running(tmp_path, *said, ACCEPTED, clock=Ticks(0.001)) as commands:
        upload = await sent(commands)
    steps = [about["step"] for about in events(upload) if about.get("status") == "VALIDATING"]
    assert steps == sorted(steps, reverse=True)
    assert 25 < steps.count("syntax") <= 51  # within 5 s of that clock
    assert 25 < steps.count("power") <= 51


async def test_event_ids_count_up_from_one(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        upload = await sent(commands)
    ids = [frame.split(b"\n")[0] for frame in upload.topic.retained()]
    epoch = upload.topic.epoch.encode()
    assert ids == [b"id: %s-%d" % (epoch, n) for n in range(1, len(ids) + 1)]


# --------------------------------------------------------------------- files that do not come


@pytest.mark.parametrize(
    ("trouble", "detail"),
    [
        (NotAnUpload("the form breaks off"), "the form breaks off"),
        (OSError(errno.EIO, "Input/output error"), "could not be written here: Input/output error"),
        (ZeroDivisionError(), "the server's log says why"),
    ],
)
async def test_what_goes_wrong_while_receiving_is_told_and_leaves_nothing(
    tmp_path: Path, trouble: Exception, detail: str
) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        upload = await sent(commands, FILE, trouble)
        assert left_behind(commands) == []
    assert upload.report["status"] == "FAILED"
    assert upload.report["id"] == upload.id
    assert upload.report["detail"].endswith(detail)


async def test_a_receiver_that_is_cancelled_takes_the_upload_along(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        upload = commands.begin("a.seq")
        async with create_task_group() as request:
            request.start_soon(commands.receive, upload, chunks(b"x" * 2_000_000, Event()))
            await wait_all_tasks_blocked()
            while left_behind(commands) != [f"incoming/{upload.id}"]:
                await wait_all_tasks_blocked()
            request.cancel_scope.cancel()
        assert left_behind(commands) == []
        assert commands.open_uploads == 0
    assert statuses(upload)[-1] == "FAILED"
    assert upload.report["detail"].startswith("the upload broke off after 2,000,000 bytes")


async def test_a_file_over_the_limit_is_broken_off_where_it_passes_it(tmp_path: Path) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 100
            yield bytes(100)

    async with running(tmp_path, ACCEPTED, bounds={"max_upload_bytes": 1000}) as commands:
        upload = commands.begin("a.seq")
        await commands.receive(upload, endless())
        assert left_behind(commands) == []
    assert taken == 1100
    assert "larger than 1,000 bytes" in upload.report["detail"]
    async with running(tmp_path, ACCEPTED, bounds={"max_upload_bytes": 1000}) as commands:
        assert (await sent(commands, bytes(1000))).status is Status.COMPLETE


async def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with running(tmp_path, ACCEPTED) as commands:
        monkeypatch.setattr(os, "fsync", full)
        upload = await sent(commands)
        monkeypatch.undo()
        assert left_behind(commands) == []
    assert upload.report["status"] == "FAILED"
    assert "could not be kept: No space left on device" in upload.report["detail"]


# -------------------------------------------------------------------- validators that misbehave


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ([SourceError("the dictionary is gone; mount it")], "the dictionary is gone; mount it"),
        ([Progress("syntax", 0.5, ""), ValueError("boom")], "the check itself failed"),
        ([OSError(errno.EIO, "I/O error")], "the check itself failed"),
        ([Progress("syntax", 0.5, "")], "ended without a verdict"),
        ([ACCEPTED, Progress("power", 1.0, "")], "went on after its verdict"),
        ([ACCEPTED, REJECTED], "went on after its verdict"),
        ([Finding(Severity.ERROR, "x", "bad"), ACCEPTED], "accepted a file in which it found"),
        ([replace(ACCEPTED, errors=1)], "accepted a file in which it found"),
        ([replace(ACCEPTED, summary=UNTELLABLE)], "the check itself failed"),
        (["not an item"], "the check itself failed"),
    ],
)
async def test_a_check_that_breaks_fails_the_upload_and_keeps_nothing(
    tmp_path: Path, said: Sequence[Any], detail: str
) -> None:
    async with running(tmp_path, *said) as commands:
        upload = await sent(commands)
        assert left_behind(commands) == []
        assert isinstance(commands.validator, Script)
        assert commands.validator.closed == 1
        assert commands.open_uploads == 0
    assert upload.report["status"] == "FAILED"
    assert detail in upload.report["detail"]


async def test_a_check_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    async with running(tmp_path, Event(), ACCEPTED, silent_check_s=0.05) as commands:
        upload = await sent(commands)
        assert left_behind(commands) == []
    assert upload.report["detail"] == "the check said nothing for 0.05 s and was given up"


async def test_a_flood_of_findings_is_bounded_and_its_readers_are_told(tmp_path: Path) -> None:
    finding = Finding(Severity.ERROR, "syntax.unknown", "no such command", hint="x" * 5000)
    async with running(tmp_path, *[finding] * 3000, REJECTED) as commands:
        upload = await sent(commands)
    frames = upload.topic.retained()
    assert len(frames) <= TOPIC_EVENTS
    assert sum(map(len, frames)) <= TOPIC_BYTES
    assert all(len(about.get("hint", "")) <= TEXT_LENGTH for about in events(upload))
    assert statuses(upload)[-1] == "REJECTED"
    with upload.topic.subscribe(EventId(upload.topic.epoch, 0)) as reader:
        gap = await anext(reader)
    assert isinstance(gap, Gap)
    assert gap.reason is GapReason.EXPIRED
    assert gap.lost == upload.topic.last_id.offset - len(frames)


async def test_a_validator_that_never_waits_lets_others_run(tmp_path: Path) -> None:
    finding = Finding(Severity.INFO, "x", "x")
    async with running(tmp_path, *[finding] * 200, ACCEPTED) as commands:
        upload = commands.begin("a.seq")
        await commands.receive(upload, chunks(FILE))
        batches = 0
        with upload.topic.subscribe() as reader:
            async for _ in reader:
                batches += 1
    assert batches > 100


async def test_an_unknown_step_and_odd_fractions_are_told_all_the_same(tmp_path: Path) -> None:
    said = [Progress("extra", 7.5, "more"), Progress("power", -1.0, "less"), ACCEPTED]
    async with running(tmp_path, *said) as commands:
        upload = await sent(commands)
    _, extra, power = [e for e in events(upload) if e.get("status") == "VALIDATING"]
    assert (extra["title"], extra["index"], extra["fraction"]) == ("extra", None, 1.0)
    assert (power["title"], power["index"], power["fraction"]) == ("Power budget", 2, 0.0)


# ------------------------------------------------------------------------------------ bounds


async def test_uploads_at_once_are_bounded_while_received_and_while_checked(
    tmp_path: Path,
) -> None:
    go = Event()
    async with running(tmp_path, go, ACCEPTED, bounds={"max_uploads": 2}) as commands:
        first, second = commands.begin("a"), commands.begin("b")
        with pytest.raises(TooManyUploads, match="2 uploads"):
            commands.begin("c")
        await commands.receive(first, chunks(FILE))
        await commands.receive(second, chunks(NotAnUpload("broken")))
        assert commands.open_uploads == 1
        third = commands.begin("c")
        with pytest.raises(TooManyUploads):
            commands.check_capacity()
        go.set()
        await first.over.wait()
        await commands.receive(third, chunks(b"other"))
        await third.over.wait()
        assert commands.open_uploads == 0
    assert (first.status, third.status) == (Status.COMPLETE, Status.COMPLETE)


async def test_only_the_newest_reports_are_kept(tmp_path: Path) -> None:
    async with running(tmp_path, REJECTED, bounds={"kept_uploads": 2}) as commands:
        uploads = [await sent(commands) for _ in range(4)]
        under_way = commands.begin("e")
        for gone in uploads[:2]:
            with pytest.raises(UnknownUpload, match=gone.id):
                commands.find(gone.id)
        for kept in (*uploads[2:], under_way):
            assert commands.find(kept.id) is kept
        await commands.receive(under_way, chunks(FILE))


async def test_memory_is_constant_in_the_size_of_a_file(tmp_path: Path) -> None:
    async def many() -> AsyncIterator[bytes]:
        for _ in range(1600):
            yield bytes(1 << 16)
        raise NotAnUpload("that will do")

    async with running(tmp_path, bounds={"max_upload_bytes": 1 << 30}) as commands:
        upload = commands.begin("big.seq")
        tracemalloc.start()
        try:
            await commands.receive(upload, many())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert upload.received == 1600 << 16  # 100 MiB
        assert peak < 8 << 20


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
        ("x" * 1000, "x" * NAME_LENGTH),
    ],
)
def test_names_are_made_fit_to_be_shown(name: str, shown: str) -> None:
    assert display_name(name) == shown


# -------------------------------------------------------------------------- starting, stopping


async def test_leftovers_of_a_crash_are_removed_at_start(tmp_path: Path) -> None:
    incoming = tmp_path / "data" / "incoming"
    incoming.mkdir(parents=True)
    (incoming / "half").write_bytes(b"half a file")
    async with running(tmp_path) as commands:
        assert left_behind(commands) == []


async def test_what_another_process_is_receiving_is_no_leftover(tmp_path: Path) -> None:
    with Inbox(tmp_path / "data").open():
        (tmp_path / "data" / "incoming" / "other").write_bytes(b"on its way")
        async with running(tmp_path) as commands:
            assert left_behind(commands) == ["incoming/other"]


async def test_a_data_folder_that_cannot_be_is_a_setting_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, not a folder")
    commands = Commands(Script(), Settings(data_dir=tmp_path / "data"))
    with pytest.raises(SettingError, match=r"ROVER_DATA_DIR=.*cannot be kept there"):
        await commands.run()


async def test_nothing_is_taken_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(NotStarted):
        Commands(Script(), Settings(data_dir=tmp_path)).begin("a.seq")


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "cancelled"])
async def test_the_end_fails_what_is_under_way_and_leaves_nothing(
    tmp_path: Path, closed: bool
) -> None:
    script = Script(Event(), ACCEPTED)
    commands = Commands(script, Settings(data_dir=tmp_path))
    async with create_task_group() as requests:
        async with create_task_group() as tasks:
            await tasks.start(lambda *, task_status: commands.run(task_status=task_status))
            uploads = [commands.begin(name) for name in ("checked", "coming", "here", "begun")]
            await commands.receive(uploads[0], chunks(FILE))
            requests.start_soon(commands.receive, uploads[1], chunks(FILE, Event()))
            await wait_all_tasks_blocked()
            await commands.receive(uploads[2], chunks(FILE))  # its check has hardly begun
            if closed:
                commands.close()
            else:
                tasks.cancel_scope.cancel()
        for upload in uploads:
            assert upload.status is Status.FAILED
            assert "the server is going down" in upload.report["detail"]
            assert upload.topic.closed
    assert left_behind(commands) == []
    assert script.closed == len(script.checked)
    with pytest.raises(Draining):
        commands.begin("late")


async def test_a_file_that_is_being_kept_at_the_end_is_kept_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never on disk without being told, nor told without being on disk."""
    fsync = os.fsync
    async with running(tmp_path, ACCEPTED) as commands:

        def end_in_between(descriptor: int) -> None:
            from_thread.run_sync(commands.close)
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", end_in_between)
        upload = await sent(commands)
        assert left_behind(commands) == [f"commands/{SHA256}"]
    assert upload.status is Status.COMPLETE


async def test_a_hundred_uploads_leave_nothing_open(tmp_path: Path) -> None:
    async with running(tmp_path, REJECTED, bounds={"max_uploads": 200}) as commands:
        before = open_files()
        async with create_task_group() as requests:
            for n in range(100):
                requests.start_soon(sent, commands, FILE, *[NotAnUpload("broken")] * (n % 2))
        assert commands.open_uploads == 0
        assert left_behind(commands) == []
        assert open_files() == before
