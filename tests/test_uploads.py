"""The record of uploads: written before a file is accepted, and true after any crash."""

from __future__ import annotations

import os
import shutil
from copy import deepcopy
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from anyio import Event, create_task_group, wait_all_tasks_blocked

from rover.commands import upload as upload_module
from rover.commands.block_writer import BLOCK_BYTES
from rover.commands.inbox import Inbox
from rover.commands.records import saved_uploads
from rover.commands.restart import NOT_ARRIVED
from rover.commands.uploads import Filter
from rover.errors import BadUploadId, UnknownUpload, UploadExists, UploadTooBig, WrongFileName
from rover.logs import MemoryLog
from sources.base import CommandDictionary, Finding, Severity, Verdict
from tests.command_files import (
    ACCEPTED,
    FILE,
    REJECTED,
    SHA256,
    STORED,
    Script,
    Ticks,
    chunks,
    files_of,
    running,
    uploaded,
)
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from rover.commands import Commands

pytestmark = pytest.mark.anyio

PRODUCT = b"\x00compiled"
COMPILED = replace(ACCEPTED, artifact=PRODUCT, artifact_type="application/x-sequence")
ERROR = Finding(Severity.ERROR, "syntax", "no such command", 1)


class CrashingLog(MemoryLog):
    """Copies itself and the data folder when an accepted upload is on disk: as a crash leaves them.

    Args:
        folder: of the test, with the data folder.
    """

    crashed: CrashingLog | None = None

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    async def sync(self, begins: Callable[[], object] = lambda: None) -> bool:
        begins()
        accepted = [one for one in (await saved_uploads(self)).values() if one.is_accepted]
        if accepted and self.crashed is None:
            shutil.copytree(self._folder / "data", self._folder / "crashed" / "data")
            self.crashed = twin = deepcopy(self)
            twin.crashed = twin
        return True


async def crashed(tmp_path: Path) -> tuple[MemoryLog, Path]:
    log = CrashingLog(tmp_path)
    async with running(tmp_path, COMPILED, log=log) as commands:
        await uploaded(commands)
    assert log.crashed is not None
    return log.crashed, tmp_path / "crashed"


async def only_entry(commands: Commands) -> dict[str, Any]:
    [entry], _ = commands.uploads.page(Filter(), 10)
    return await commands.find(entry.id).as_json()


async def test_a_file_that_was_accepted_before_a_crash_is_stored_and_reported_after_it(
    tmp_path: Path,
) -> None:
    log, folder = await crashed(tmp_path)
    assert list((folder / "data" / "commands").iterdir()) == []
    async with running(folder, log=log) as commands:
        assert files_of(commands) == [STORED]
        report = await only_entry(commands)
    assert (report["status"], report["recovered"]) == ("COMPLETE", True)
    assert (report["sha256"], report["warnings"]) == (SHA256, 1)
    assert [step["state"] for step in report["steps"]] == ["skipped", "skipped"]
    assert (commands.inbox.artifacts / report["artifact"]["sha256"]).read_bytes() == PRODUCT


@pytest.mark.parametrize("moved", [True, False])
async def test_a_crash_after_the_file_was_stored_changes_nothing(
    tmp_path: Path, moved: bool
) -> None:
    log, folder = await crashed(tmp_path)
    [incoming] = (folder / "data" / "incoming").iterdir()
    stored = folder / "data" / "commands" / SHA256
    if moved:
        incoming.rename(stored)
    else:
        shutil.copy(incoming, stored)  # the same content, of another upload
    for _ in range(2):  # a second restart finds a finished upload
        async with running(folder, log=log) as commands:
            assert files_of(commands) == [STORED]
            assert (await only_entry(commands))["status"] == "COMPLETE"


@pytest.mark.parametrize("change", [lambda p: p.unlink(), lambda p: p.write_bytes(b"other")])
async def test_a_file_that_is_lost_or_changed_at_the_restart_is_not_accepted(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    log, folder = await crashed(tmp_path)
    [incoming] = (folder / "data" / "incoming").iterdir()
    change(incoming)
    async with running(folder, log=log) as commands:
        assert "commands" not in "".join(files_of(commands))
        report = await only_entry(commands)
    assert (report["status"], report["artifact"]) == ("FAILED", None)


async def test_an_upload_that_a_crash_cut_off_is_reported_with_the_bytes_that_had_arrived(
    tmp_path: Path,
) -> None:
    log, gate = MemoryLog(), Event()
    async with running(tmp_path, ACCEPTED, log=log, clock=Ticks(1.0)) as commands:
        upload = commands.intake.begin("sol-42.seq", 2 * len(FILE))
        async with create_task_group() as tasks:
            tasks.start_soon(commands.receive, upload, chunks(FILE, gate, FILE))
            await until(lambda: upload.report["received"] == len(FILE))
            await wait_all_tasks_blocked()
            crashed = deepcopy(log)
            gate.set()
    async with running(tmp_path / "again", log=crashed) as commands:
        report = await only_entry(commands)
    assert (report["status"], report["detail"]) == ("FAILED", NOT_ARRIVED)
    assert (report["received"], report["size"]) == (len(FILE), 2 * len(FILE))
    assert [step["state"] for step in report["steps"]] == ["skipped", "skipped"]


async def test_an_upload_that_a_crash_cut_off_before_its_next_event_has_the_bytes_of_its_file(
    tmp_path: Path,
) -> None:
    log, folder = MemoryLog(), tmp_path / "killed"
    async with running(tmp_path, ACCEPTED, log=log, clock=Ticks(0.0)) as commands:
        upload = commands.intake.begin("sol-42.seq")
        async with create_task_group() as tasks:
            tasks.start_soon(commands.receive, upload, chunks(bytes(BLOCK_BYTES), gate := Event()))
            incoming = tmp_path / "data" / "incoming" / upload.id
            await until(lambda: incoming.exists() and incoming.stat().st_size == BLOCK_BYTES)
            shutil.copytree(tmp_path / "data", folder / "data")
            crashed = deepcopy(log)
            gate.set()
    async with running(folder, log=crashed) as commands:
        report = await only_entry(commands)
        assert files_of(commands) == []
    assert (report["detail"], report["received"]) == (NOT_ARRIVED, BLOCK_BYTES)


async def test_the_report_of_a_rejected_file_has_the_lines_with_findings(tmp_path: Path) -> None:
    nowhere = replace(ERROR, line=None)
    items = (ERROR, replace(ERROR, line=2, column=6), nowhere, replace(ERROR, line=3), REJECTED)
    async with running(tmp_path, *items, log=MemoryLog()) as commands:
        await uploaded(commands)
        assert files_of(commands) == []
        report = await only_entry(commands)
    assert [one["text"] for one in report["findings"]] == ["DRIVE 10", "TURN 90", None, None]


class FullLog(MemoryLog):
    async def sync(self, begins: Callable[[], object] = lambda: None) -> bool:
        begins()
        return False


async def test_a_file_whose_record_cannot_be_written_is_not_accepted(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED, log=FullLog()) as commands:
        upload = await uploaded(commands)
        assert files_of(commands) == []
    assert upload.report["status"] == "FAILED"
    saved = await saved_uploads(upload._log)  # type: ignore[arg-type]
    assert saved[upload.id].verdict is None


class Changes:
    """A validator that changes the file that it checks, and accepts it."""

    steps = ()

    def __init__(self, change: Callable[[Path], object]) -> None:
        self._change = change
        self.path: Path | None = None

    async def validate(self, path: Path) -> AsyncIterator[Verdict]:
        self.path = path
        self._make_writable()
        self._change(path)
        yield ACCEPTED

    def _make_writable(self) -> None:
        assert self.path is not None
        assert self.path.stat().st_mode & 0o777 == 0o400
        self.path.chmod(0o600)


def replace_with(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(FILE.replace(b"\n", b"\r\n")),
        replace_with(lambda path: None),
        replace_with(lambda path: path.mkdir()),
        replace_with(os.mkfifo),
        replace_with(lambda path: path.symlink_to("/etc/passwd")),
    ],
    ids=["rewritten", "deleted", "folder", "fifo", "link"],
)
async def test_a_validator_that_changes_its_file_fails_the_upload(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    validator = Changes(change)
    async with running(tmp_path, validator=validator) as commands:
        upload = await uploaded(commands)
        assert files_of(commands) == []
    assert upload.report["status"] == "FAILED"
    assert "changed the file" in upload.report["detail"]
    assert list(commands.inbox.incoming.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.tar.rcs", ".rcs"),
        ("a", ""),
        ("a.b c", ""),
        ("a." + "x" * 40, ""),
        (".hidden", ".hidden"),
    ],
)
async def test_the_copy_has_the_suffix_of_the_file(tmp_path: Path, name: str, suffix: str) -> None:
    validator = Changes(lambda _: None)
    async with running(tmp_path, validator=validator) as commands:
        upload = await uploaded(commands, name=name)
    assert validator.path is not None
    assert validator.path.name == f"{upload.id}.check{suffix}"
    assert upload.report["status"] == "COMPLETE"


async def test_a_file_that_another_program_changes_is_not_stored(tmp_path: Path) -> None:
    def fsync(descriptor: int) -> None:
        if os.path.isfile(path := os.readlink(f"/proc/self/fd/{descriptor}")):  # noqa: PTH113, PTH115
            with open(path, "ab") as file:  # noqa: PTH123
                file.write(b"x")

    inbox = Inbox(tmp_path / "data", fsync=fsync)
    async with running(tmp_path, ACCEPTED, inbox=inbox) as commands:
        upload = await uploaded(commands)
        assert files_of(commands) == []
    assert upload.report["status"] == "FAILED"


async def test_the_same_file_twice_is_one_file_one_artifact_and_two_records(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, COMPILED, log=MemoryLog()) as commands:
        await uploaded(commands)
        await uploaded(commands, name="again.seq")
        found, after = commands.uploads.page(Filter(), 10)
        assert files_of(commands) == [STORED]
    assert [(one.name, one.sha256) for one in found] == [
        ("again.seq", SHA256),
        ("sol-42.seq", SHA256),
    ]
    assert after is None
    assert len(list(commands.inbox.artifacts.iterdir())) == 1


async def test_pages_and_filters(tmp_path: Path) -> None:
    log = MemoryLog()
    async with running(tmp_path, ACCEPTED, log=log) as commands:
        for number in range(5):
            await uploaded(commands, b"%d" % number, name=f"Sol-{number}.seq")
        await uploaded(commands, OSError(5, "I/O error"), name="lost.seq")
    async with running(tmp_path, ACCEPTED, log=log) as commands:
        unfinished = commands.intake.begin("next.seq", by="Ada")
        names: list[str] = []
        position = None
        while True:
            page, position = commands.uploads.page(Filter(), 2, position)
            names += [one.name for one in page]
            if position is None:
                break
        accepted = commands.uploads.page(Filter(statuses=["COMPLETE"], name="sol-3"), 10)[0]
        by_hash = commands.uploads.page(Filter(sha256=sha256(b"1").hexdigest()), 10)[0]
        by_ada = commands.uploads.page(Filter(by="Ada"), 10)[0]
        late = commands.uploads.page(Filter(since=unfinished.began), 10)[0]
        early = commands.uploads.page(Filter(until=unfinished.began), 10)[0]
        await commands.receive(unfinished, chunks(FILE))
    assert names == ["next.seq", "lost.seq", *(f"Sol-{number}.seq" for number in (4, 3, 2, 1, 0))]
    assert [one.name for one in accepted] == ["Sol-3.seq"]
    assert [one.name for one in by_hash] == ["Sol-1.seq"]
    assert [one.name for one in by_ada] == [one.name for one in late] == ["next.seq"]
    assert len(early) == 6


async def test_an_artifact_is_deleted_with_the_last_record_that_has_it(tmp_path: Path) -> None:
    limits = {"kept_uploads": 1}
    log = MemoryLog()
    async with running(tmp_path, COMPILED, log=log, limits=limits) as commands:
        first = await uploaded(commands)
        await uploaded(commands)
        await uploaded(commands)  # forgets the first
        with pytest.raises(UnknownUpload):
            commands.find(first.id)
        assert len(list(commands.inbox.artifacts.iterdir())) == 1
        assert len(log.streams("upload/")) == 2
    async with running(tmp_path, REJECTED, log=log, limits=limits) as commands:
        for _ in range(3):
            await uploaded(commands)
        assert list(commands.inbox.artifacts.iterdir()) == []
        assert files_of(commands) == [STORED]


async def test_the_report_has_every_finding_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_module, "MAX_FINDINGS", 20)
    items = [replace(ERROR, message=str(number)) for number in range(30)]
    async with running(tmp_path, *items, REJECTED, log=MemoryLog()) as commands:
        upload = await uploaded(commands)
        report = await upload.as_json()
    assert [finding["message"] for finding in report["findings"]] == [str(n) for n in range(20)]
    assert (report["omitted"], upload.report["omitted"]) == (10, 10)


class Described(Script):
    dictionary = CommandDictionary("flight 7", "ab" * 32)
    suffixes = (".Seq",)
    max_bytes = 17


async def test_the_report_names_the_validator_and_its_dictionary(tmp_path: Path) -> None:
    validator = Described(ACCEPTED)
    async with running(tmp_path, validator=validator, log=MemoryLog(), source="x:") as commands:
        report = await (await uploaded(commands)).as_json()
    dictionary = {"name": "flight 7", "sha256": "ab" * 32}
    assert report["validator"] == {"source": "x:", "dictionary": dictionary}


async def test_a_file_that_the_validator_does_not_check_is_refused_before_it_is_read(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, validator=Described(ACCEPTED)) as commands:
        with pytest.raises(WrongFileName):
            commands.intake.begin("a.txt")
        with pytest.raises(UploadTooBig):
            commands.intake.begin("a.seq", 18)
        larger = await uploaded(commands, FILE, b"x", name="A.SEQ")
        assert commands.open_uploads == 0
    assert larger.report["status"] == "FAILED"


async def test_a_client_chooses_an_id_once(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED, log=MemoryLog(), limits={"kept_uploads": 1}) as commands:
        upload = commands.intake.begin("a.seq", upload_id="sol-42_a")
        await commands.receive(upload, chunks(FILE))
        await upload.finished.wait()
        assert commands.find("sol-42_a") is upload
        with pytest.raises(UploadExists):
            commands.intake.begin("b.seq", upload_id="sol-42_a")
        for bad in ("..", "a/b", "a.check", "x" * 65, "é", "a\n"):
            with pytest.raises(BadUploadId):
                commands.intake.begin("b.seq", upload_id=bad)
        assert commands.open_uploads == 0
