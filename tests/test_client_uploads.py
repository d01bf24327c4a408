"""The client reports each event of an upload, and never guesses its outcome."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from anyio import Event, fail_after, to_thread

from rover.cli import main
from rover.cli.connection import FAILED
from rover.cli.upload import REJECTED as REJECTED_STATUS
from rover.client import (
    Client,
    ConnectionFailed,
    Finding,
    Interruption,
    OutcomeUnknown,
    Refused,
    Upload,
)
from sources import base
from sources.base import Progress, Severity
from tests.command_files import ACCEPTED, FILE, REJECTED
from tests.cutting import cutting, events, scripted
from tests.serving import free_port
from tests.uploading import Mission

if TYPE_CHECKING:
    from pathlib import Path

    from rover.client.uploads import UploadEvent
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

WARNING = base.Finding(Severity.WARNING, "power.low", "9 Wh left", 2, 7, "sleep first")

NOT_FOUND = b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"

BEGUN = 'id: a-1\nretry: 50\ndata: {"status": "UPLOADING", "id": "u1", "detail": ""}\n\n'


async def read(upload: Upload) -> list[UploadEvent]:
    with fail_after(20):
        async with upload:
            return [event async for event in upload]


@pytest.mark.parametrize("opened", [False, True])
async def test_the_events_of_an_upload_end_with_its_outcome(
    opened: bool, serve: Serve, tmp_path: Path
) -> None:
    mission = Mission(tmp_path, Progress("syntax", 0.5, "fine"), WARNING, ACCEPTED)
    async with serve(mission.app) as url, Client(url) as rover:
        upload = rover.upload(io.BytesIO(FILE) if opened else FILE, 'sol "42"\n.seq')
        found = await read(upload)
    [finding] = [event for event in found if isinstance(event, Finding)]
    assert (finding.severity, finding.code, finding.line, finding.column) == (
        "warning",
        "power.low",
        2,
        7,
    )
    assert upload.outcome is not None
    assert upload.outcome is found[-1]
    assert (upload.outcome.status, upload.outcome.fields["size"]) == ("COMPLETE", len(FILE))


async def test_after_a_cut_the_events_are_followed_by_id(serve: Serve, tmp_path: Path) -> None:
    mission = Mission(tmp_path, WARNING, REJECTED, retry_ms=50)
    async with (
        serve(mission.app) as url,
        cutting(url, 700, 500) as proxy,
        Client(proxy.url) as rover,
    ):
        upload = rover.upload(FILE, "sol 42.seq")
        found = await read(upload)
    assert [event.code for event in found if isinstance(event, Finding)] == ["power.low"]
    assert upload.outcome
    assert upload.outcome.status == "REJECTED"
    assert any(isinstance(event, Interruption) for event in found)
    assert b"POST" not in b"".join(proxy.requests[1:])
    assert f"GET /uploads/{upload.id}/events".encode() in proxy.requests[1]


async def test_a_client_cancels_an_upload_or_learns_that_it_is_too_late(
    serve: Serve, tmp_path: Path
) -> None:
    mission = Mission(tmp_path, Event(), ACCEPTED)
    async with serve(mission.app) as url, Client(url) as rover, rover.upload(FILE) as upload:
        cancelled = None
        async for event in upload:
            if event.status == "VALIDATING" and cancelled is None:  # type: ignore[union-attr]
                cancelled = await upload.cancel()
        report = await upload.report()
    mission = Mission(tmp_path, ACCEPTED)
    async with serve(mission.app) as url, Client(url) as rover:
        finished = rover.upload(FILE)
        await read(finished)
        too_late = await finished.cancel()
    assert (cancelled, too_late) == (True, False)
    assert (report["status"], report["cancelled"]) == ("FAILED", True)


async def test_a_cut_before_the_first_event_loses_no_outcome(serve: Serve, tmp_path: Path) -> None:
    mission = Mission(tmp_path, WARNING, ACCEPTED, retry_ms=50)
    async with (
        serve(mission.app) as url,
        cutting(url, 20) as proxy,
        Client(proxy.url) as rover,
    ):
        upload = rover.upload(FILE, "sol 42.seq")
        found = await read(upload)
    assert upload.outcome
    assert upload.outcome.status == "COMPLETE"
    assert upload.outcome.fields["id"] == upload.id
    assert [event.code for event in found if isinstance(event, Finding)] == ["power.low"]
    assert b"POST" not in b"".join(proxy.requests[1:])


@pytest.mark.parametrize(
    "answers",
    [
        [b"", NOT_FOUND],  # cut before the response, and the server does not know the id
        [events("retry: 50\n\n"), NOT_FOUND],  # cut before the first event
        [events(BEGUN), NOT_FOUND],  # a restarted server
        [events(BEGUN), b"HTTP/1.1 204 No\r\n\r\n"],
    ],
)
async def test_an_outcome_that_does_not_arrive_is_unknown(answers: list[bytes]) -> None:
    async with scripted(*answers) as server, Client(server.url) as rover:
        with pytest.raises(OutcomeUnknown):
            await read(rover.upload(b"", "sol 42.seq"))


async def test_a_file_that_was_not_sent_is_not_unknown() -> None:
    async with Client(f"http://127.0.0.1:{free_port()}") as rover:
        with pytest.raises(ConnectionFailed):
            await read(rover.upload(FILE))


async def test_a_file_that_is_too_big_is_refused(serve: Serve, tmp_path: Path) -> None:
    mission = Mission(tmp_path, ACCEPTED, max_upload_bytes=10)
    async with serve(mission.app) as url, Client(url) as rover:
        with pytest.raises(Refused) as refused:
            await read(rover.upload(b"x" * 1_000_000))
    assert refused.value.status == 413


@pytest.mark.parametrize(
    ("verdict", "status"), [(ACCEPTED, 0), (REJECTED, REJECTED_STATUS), (RuntimeError(), FAILED)]
)
async def test_the_exit_status_is_the_outcome(
    verdict: object, status: int, serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "drive.seq"
    file.write_bytes(FILE)
    mission = Mission(tmp_path, WARNING, verdict)
    async with serve(mission.app) as url:
        command = ["upload", "--url", url, str(file)]
        assert await to_thread.run_sync(main, command) == status
    finding, hint, outcome = capsys.readouterr().out.splitlines()
    assert finding == f"{file}:2:7: warning: 9 Wh left [power.low]"
    assert hint == f"{file}:2:7: note: sleep first"
    assert outcome.startswith(f"{file}: ")


async def test_json_lines_have_each_event(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "drive.seq"
    file.write_bytes(FILE)
    async with serve(Mission(tmp_path, WARNING, ACCEPTED).app) as url:
        command = ["upload", "--json", "--url", url, str(file)]
        assert await to_thread.run_sync(main, command) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["file"] for line in lines} == {str(file)}
    assert lines[-1]["status"] == "COMPLETE"
    assert [line["code"] for line in lines if "severity" in line] == ["power.low"]


async def test_the_worst_of_several_files_is_the_exit_status(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "drive.seq"
    file.write_bytes(FILE)
    async with serve(Mission(tmp_path, REJECTED).app) as url:
        command = ["upload", "--url", url, str(file), str(file)]
        assert await to_thread.run_sync(main, command) == REJECTED_STATUS
        command = ["upload", "--url", url, str(file), str(tmp_path / "none")]
        assert await to_thread.run_sync(main, command) == 2
    capsys.readouterr()
