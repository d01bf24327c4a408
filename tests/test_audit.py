"""The audit log: its records, its files, and a disk that fails."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from rover.audit import AuditFile, AuditLog, append_record
from rover.identity import Identity
from rover.request import REQUEST_ID, CurrentRequest, current_request
from rover.settings import Settings
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

NOW = 1.79e9
ADA = Identity("Ada", frozenset({"admin"}), "CAPCOM", token="k3f9")  # noqa: S106 # its id
MIB = 2**20


def records(folder: Path, name: str = "audit.jsonl") -> list[dict[str, Any]]:
    lines = (folder / name).read_bytes().split(b"\n")
    assert lines.pop() == b""
    return [json.loads(line) for line in lines]


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def log(folder: Path, **options: Any) -> AuditLog:
    return AuditLog(AuditFile(folder, MIB, 2), clock=lambda: NOW, retry_s=0.01, **options)


async def test_a_record_says_who_did_what_when_and_in_which_request(tmp_path: Path) -> None:
    scope = {"client": ("203.0.113.9", 5000), REQUEST_ID: "4f1c", "rover.identity": ADA}
    async with log(tmp_path) as audit:
        before = current_request.set(CurrentRequest(scope))
        audit.record("upload.complete", file="drive.txt", size=12)
        current_request.reset(before)
        audit.record("token.revoke", Identity("Grace"), name="k3f9")
    upload, revoked = records(tmp_path)
    assert upload == {
        "time": "2026-09-21T14:13:20.000Z",
        "action": "upload.complete",
        "file": "drive.txt",
        "size": 12,
        "by": {"name": "Ada", "token": "k3f9", "address": "203.0.113.9"},
        "request_id": "4f1c",
    }
    assert (revoked["by"], revoked["name"]) == ({"name": "Grace"}, "k3f9")
    assert stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode) == 0o600


async def test_text_of_a_client_stays_on_its_line_in_ascii_and_is_bounded(tmp_path: Path) -> None:
    text = '\r\n\x1b[2J\x9b\u2028\ud800"} {"action": "forged"}'
    async with log(tmp_path) as audit:
        audit.record("a", comment=text, long="x" * 100_000, number=float("nan"))
    raw = (tmp_path / "audit.jsonl").read_bytes()
    assert raw.isascii()
    assert (raw.count(b"\n"), b"\x1b" in raw) == (1, False)
    [record] = records(tmp_path)
    assert (record["action"], record["comment"], record["number"]) == ("a", text, None)
    assert len(record["long"]) == 1_000


def test_files_are_rotated_by_size_and_bounded_in_number(tmp_path: Path) -> None:
    file = AuditFile(tmp_path, 1000, 3)
    for number in range(100):
        file.append(b'{"n":%d,"text":"%s"}\n' % (number, b"x" * 80))
    names = ["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"]
    assert names_in(tmp_path) == {*names, "audit.lock"}
    kept = [record["n"] for name in names for record in records(tmp_path, name)]
    assert kept == list(range(kept[0], 100))  # the newest, in order
    assert all((tmp_path / name).stat().st_size <= 1000 for name in names)
    AuditFile(tmp_path, 1000, 1).append(b'{"n":100}\n' * 100)
    assert len(records(tmp_path)) == 100


def test_several_processes_append_whole_lines(tmp_path: Path) -> None:
    files = [AuditFile(tmp_path, 20_000, 20) for _ in range(4)]  # each locks on its own

    def append(file: AuditFile) -> None:
        for number in range(100):
            file.append(json.dumps({"n": number, "x": "y" * 100}).encode() + b"\n")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(append, files))
    names = names_in(tmp_path) - {"audit.lock"}
    found = [record for name in names for record in records(tmp_path, name)]
    assert len(found) == 400


@pytest.mark.parametrize("written", [0, 7])
async def test_a_full_disk_leaves_no_part_of_a_line_and_is_reported_until_it_ends(
    tmp_path: Path, written: int
) -> None:
    full = threading.Event()
    full.set()

    def write(file: int, lines: bytes) -> int:
        if not full.is_set():
            return os.write(file, lines)
        if not written:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(file, lines[:written])

    file = AuditFile(tmp_path, MIB, 2, write=write)
    async with AuditLog(file, clock=lambda: NOW, max_pending=3, retry_s=0.01) as audit:
        for number in range(10):
            audit.record("upload.complete", n=number)
        await until(lambda: audit.as_json() != {"state": "live", "dropped": 7})
        status = audit.as_json()
        assert status is not None
        assert (status["state"], status["since"]) == ("down", "2026-09-21T14:13:20.000Z")
        assert status["dropped"] == 7
        assert (tmp_path / "audit.jsonl").read_bytes() == b""
        full.clear()
        await until(lambda: audit.as_json() == {"state": "live", "dropped": 7})
    *kept, dropped = records(tmp_path)
    assert [record["n"] for record in kept] == [0, 1, 2]
    assert (dropped["action"], dropped["count"]) == ("audit.dropped", 7)


async def test_a_deleted_folder_is_reported_and_recording_resumes_when_it_is_back(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    async with log(folder) as audit:
        audit.record("a")
        await until(lambda: (audit.as_json() or {})["state"] == "down")
        folder.mkdir()
        await until(lambda: (audit.as_json() or {})["state"] == "live")
    assert [record["action"] for record in records(folder)] == ["a"]


async def test_a_disk_that_hangs_blocks_neither_recording_nor_the_end(tmp_path: Path) -> None:
    hanging = threading.Event()

    def write(file: int, lines: bytes) -> int:
        hanging.wait(10)
        return os.write(file, lines)

    file = AuditFile(tmp_path, MIB, 2, write=write)
    async with AuditLog(file, max_pending=10, stop_timeout_s=0.01) as audit:
        for number in range(100):
            audit.record("a", n=number)
        assert (audit.as_json() or {})["dropped"] >= 89
    hanging.set()
    await until(lambda: audit.written >= 10)


def test_a_named_pipe_or_a_link_is_not_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "audit.jsonl")
    with pytest.raises(OSError, match=r"regular|such device"):
        AuditFile(tmp_path, MIB, 2).append(b"{}\n")
    (tmp_path / "audit.jsonl").unlink()
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic"):
        AuditFile(tmp_path, MIB, 2).append(b"{}\n")
    assert not (tmp_path / "other").exists()


def test_a_part_of_a_line_that_a_crash_left_ends_before_the_next_record(
    tmp_path: Path,
) -> None:
    (tmp_path / "audit.jsonl").write_bytes(b'{"action":"a"}\n{"act')
    AuditFile(tmp_path, MIB, 2).append(b'{"action":"b"}\n')
    lines = (tmp_path / "audit.jsonl").read_bytes().splitlines()
    assert lines == [b'{"action":"a"}', b'{"act', b'{"action":"b"}']


async def test_a_million_refusals_are_one_record_per_kind(tmp_path: Path) -> None:
    async with log(tmp_path) as audit:
        for number in range(3_000):
            scope = {"client": (f"2001:db8::{number % 2_000:x}", 1)}
            before = current_request.set(CurrentRequest(scope))
            audit.refuse("TokenRequired")
            current_request.reset(before)
        audit.refuse("AccessRefused")
        audit.summarize_refusals()
        audit.summarize_refusals()
    token, access = records(tmp_path)
    assert (token["reason"], token["count"]) == ("TokenRequired", 3_000)
    assert (len(token["addresses"]), token["other_addresses"]) == (20, 981)
    assert (access["reason"], access["count"]) == ("AccessRefused", 1)


async def test_the_log_can_be_turned_off(tmp_path: Path) -> None:
    async with AuditLog.of(Settings(data_dir=tmp_path, audit_files=0)) as audit:
        audit.record("a")
        audit.refuse("b")
    assert audit.as_json() is None
    assert names_in(tmp_path) == set()


def test_a_command_records_in_the_same_file_and_a_failure_does_not_end_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append_record(Settings(data_dir=tmp_path), "token.add", Identity("ada"), token="k3f9")  # noqa: S106
    assert records(tmp_path)[0]["token"] == "k3f9"  # noqa: S105 # its id
    append_record(Settings(data_dir=tmp_path / "none"), "token.add")
    assert len(caplog.records) == 1
