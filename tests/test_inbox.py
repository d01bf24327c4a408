"""Command files on disk survive a power failure, a full disk and other processes."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anyio import from_thread

from rover.commands import Commands
from rover.commands.inbox import Inbox
from rover.commands.upload_state import Status
from rover.errors import SettingError
from rover.settings import Settings
from tests.command_files import ACCEPTED, FILE, STORED, Script, chunks, files_of, running, uploaded

if TYPE_CHECKING:
    from rover.commands.upload import Upload

pytestmark = pytest.mark.anyio


async def test_file_and_folder_are_synced_before_complete_is_published(tmp_path: Path) -> None:
    synced: list[tuple[str, list[str], Status]] = []
    uploads: list[Upload] = []

    def spy(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if uploads:
            synced.append((path.parent.name, files_of(commands), uploads[0].status))
        os.fsync(descriptor)

    inbox = Inbox(tmp_path / "data", fsync=spy)
    async with running(tmp_path, ACCEPTED, inbox=inbox) as commands:
        uploads.append(upload := commands.intake.begin("a.seq"))
        await commands.receive(upload, chunks(FILE))
        await upload.finished.wait()
    assert synced == [
        ("incoming", [f"incoming/{upload.id}"], Status.VALIDATING),  # the file
        ("data", [STORED], Status.VALIDATING),  # the folder `data/commands`, after the rename
    ]
    assert upload.status is Status.COMPLETE


async def test_files_are_accepted_after_somebody_has_deleted_the_data_folder(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        shutil.rmtree(tmp_path / "data")
        assert (await uploaded(commands)).status is Status.COMPLETE
        assert files_of(commands) == [STORED]


async def test_a_full_disk_fails_the_upload_and_leaves_no_file(tmp_path: Path) -> None:
    def full(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_file():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    inbox = Inbox(tmp_path / "data", fsync=full)
    async with running(tmp_path, ACCEPTED, inbox=inbox) as commands:
        upload = await uploaded(commands)
        assert files_of(commands) == []
    assert upload.report["status"] == "FAILED"
    assert "No space left on device" in upload.report["detail"]


async def test_a_file_that_is_being_stored_at_shutdown_is_stored_and_published(
    tmp_path: Path,
) -> None:
    """A stored file is always published, and a published file is always stored."""

    def close(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_file():
            from_thread.run_sync(commands.close)
        os.fsync(descriptor)

    inbox = Inbox(tmp_path / "data", fsync=close)
    async with running(tmp_path, ACCEPTED, inbox=inbox) as commands:
        upload = await uploaded(commands)
        assert files_of(commands) == [STORED]
    assert upload.status is Status.COMPLETE


async def test_files_left_by_a_crash_are_deleted_at_start(tmp_path: Path) -> None:
    incoming = tmp_path / "data" / "incoming"
    incoming.mkdir(parents=True)
    (incoming / "half").write_bytes(b"half a file")
    async with running(tmp_path) as commands:
        assert files_of(commands) == []


def test_a_program_that_only_checks_the_folder_deletes_no_file(tmp_path: Path) -> None:
    accepted = tmp_path / "data" / "incoming" / "a"
    accepted.parent.mkdir(parents=True)
    accepted.write_bytes(b"accepted before a crash")
    with Inbox(tmp_path / "data").open():  # as `rover serve` does before it starts
        assert accepted.exists()


async def test_files_that_another_process_is_receiving_are_not_deleted(tmp_path: Path) -> None:
    with Inbox(tmp_path / "data").open():
        (tmp_path / "data" / "incoming" / "other").write_bytes(b"half a file")
        async with running(tmp_path) as commands:
            assert files_of(commands) == ["incoming/other"]


async def test_a_data_folder_that_is_not_writable_is_a_setting_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, not a folder")
    commands = Commands(Script(), Settings(data_dir=tmp_path / "data"))
    with pytest.raises(SettingError) as refused:
        await commands.run()
    assert refused.value.name == "ROVER_DATA_DIR"


def test_stored_files_belong_to_one_user(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        inbox = Inbox(tmp_path / "data")
        with inbox.open():
            file = inbox.create("a")
            file.write(b"GO")
            stored = file.store()
    finally:
        os.umask(previous)
    for folder in (tmp_path / "data", inbox.incoming, inbox.accepted):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert stored.stat().st_mode & 0o777 == 0o600
