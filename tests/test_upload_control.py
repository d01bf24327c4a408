"""How a client controls an upload: its id, what it waits for, the queue, and early refusals."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import Event, create_task_group, fail_after, wait_all_tasks_blocked

from rover.commands.slots import Slots
from sources.base import Progress
from tests.api_schemas import check_json
from tests.command_files import (
    ACCEPTED,
    FILE,
    REJECTED,
    STORED,
    Script,
    Ticks,
    chunks,
    files_of,
    running,
    uploaded,
    with_status,
)
from tests.fake_uplink import FakeUplink
from tests.test_uploads import COMPILED, ERROR, Described
from tests.test_uploads_routes import served
from tests.uploading import BODY, FORM, PATH, Mission, sender, upload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rover.commands.upload import Upload
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

FILES = {"file": ("a.seq", FILE)}


async def test_a_client_chooses_the_id_of_an_upload_once(tmp_path: Path, serve: Serve) -> None:
    async with served(Mission(tmp_path, ACCEPTED), serve) as client:
        first = await client.post(f"{PATH}?id=sol-42", files=FILES)
        again = await client.post(f"{PATH}?id=sol-42", files=FILES)
        bad = [await client.post(f"{PATH}?id={one}", files=FILES) for one in ("../x", "")]
        report = (await client.get("/uploads/sol-42")).json()
        listed = (await client.get("/uploads")).json()["uploads"]
    assert (first.status_code, again.status_code) == (200, 409)
    assert [one.status_code for one in bad] == [400, 400]
    assert (report["id"], report["status"]) == ("sol-42", "COMPLETE")
    assert len(listed) == 1


@pytest.mark.parametrize(
    ("items", "status"), [((COMPILED,), "COMPLETE"), ((ERROR, REJECTED), "REJECTED")]
)
@pytest.mark.parametrize("uplink", [None, FakeUplink()], ids=["stored", "queued"])
async def test_a_client_that_waits_receives_one_report(
    tmp_path: Path, serve: Serve, items: Sequence[Any], status: str, uplink: FakeUplink | None
) -> None:
    async with served(Mission(tmp_path, *items, uplink=uplink), serve) as client:
        answer = await client.post(PATH, files=FILES, headers={"Prefer": "wait"})
        report = check_json("UploadReport", answer.content)
        same = (await client.get(httpx.URL(PATH).join(answer.headers["location"]))).json()
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait")
    assert report["status"] == same["status"] == status
    assert (same == report) or uplink is not None


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("respond-async", "respond-async"),
        ("respond-async, wait=0", "wait=0"),
        ('handling=lenient, WAIT="0"; x=y', "wait=0"),
    ],
)
async def test_a_client_that_does_not_wait_receives_202_and_a_location(
    tmp_path: Path, serve: Serve, prefer: str, applied: str
) -> None:
    go = Event()
    mission = Mission(tmp_path, go, ACCEPTED)
    async with served(mission, serve) as client:
        answer = await client.post(PATH, files=FILES, headers={"Prefer": prefer})
        report = check_json("UploadReport", answer.content)
        go.set()
        await mission.all_finished()
        later = (await client.get(httpx.URL(PATH).join(answer.headers["location"]))).json()
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, applied)
    assert report["status"] == "VALIDATING"
    assert later["status"] == "COMPLETE"


@pytest.mark.parametrize("prefer", ["return=minimal", "wait=soon", "wait=-1", ""])
async def test_other_preferences_are_ignored(tmp_path: Path, serve: Serve, prefer: str) -> None:
    async with served(Mission(tmp_path, ACCEPTED), serve) as client:
        answer = await client.post(PATH, files=FILES, headers={"Prefer": prefer})
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_a_check_goes_on_if_a_waiting_client_disconnects(
    tmp_path: Path, serve: Serve
) -> None:
    go = Event()
    mission = Mission(tmp_path, go, ACCEPTED)
    async with serve(mission.app) as url:
        async with sender(url) as client:
            await client.request(f"Content-Length: {len(BODY)}", "Prefer: wait")
            await client.send(BODY)
            await until(lambda: mission.script.checked)
        go.set()
        await mission.all_finished()
        assert files_of(mission.commands) == [STORED]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Encoding": "identity"}, 200),
        ({"Content-Type": "text/plain"}, 400),
    ],
)
async def test_a_body_with_an_encoding_is_refused(
    tmp_path: Path, serve: Serve, headers: dict[str, str], status: int
) -> None:
    async with served(Mission(tmp_path, ACCEPTED), serve) as client:
        answer = await client.post(PATH, content=BODY, headers={"Content-Type": FORM, **headers})
    assert answer.status_code == status


async def test_a_file_that_the_validator_does_not_check_is_refused_by_a_status(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, validator=Described(ACCEPTED))
    async with served(mission, serve) as client:
        wrong = await client.post(PATH, files={"file": ("a.txt", FILE)})
        large = await client.post(PATH, files={"file": ("a.seq", FILE + b"x")})
        accepts = (await client.get("/uploads")).json()["accepts"]
    assert (wrong.status_code, large.status_code) == (415, 413)
    assert accepts == {"max_bytes": 17, "suffixes": [".seq"]}
    assert files_of(mission.commands) == []


def checking(mission: Mission) -> list[Upload]:
    """The uploads that are checked or wait for it."""
    return [one for one in mission.commands.uploads.unfinished() if one.status == "VALIDATING"]


async def test_checks_over_the_limit_wait_in_a_queue(tmp_path: Path, serve: Serve) -> None:
    go = Event()
    mission = Mission(tmp_path, go, ACCEPTED, max_checks=1, client_share=1.0)
    results: dict[str, list[dict[str, Any]]] = {}

    async def send(url: str, name: str) -> None:
        results[name] = await upload(url, name=name)

    async with serve(mission.app) as url, create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(send, url, str(number))
            await until(lambda: len(checking(mission)) > number)  # noqa: B023 # called at once
        assert len(mission.script.checked) == 1
        go.set()
    positions = {
        name: [event["position"] for event in found if "position" in event]
        for name, found in results.items()
    }
    assert positions == {"0": [], "1": [1], "2": [2, 1]}
    assert {found[-1]["status"] for found in results.values()} == {"COMPLETE"}


async def test_a_waiting_upload_can_be_cancelled(tmp_path: Path) -> None:
    go = Event()
    async with running(tmp_path, go, ACCEPTED, limits={"max_checks": 1}) as commands:
        first, second = commands.intake.begin("a.seq"), commands.intake.begin("b.seq")
        await commands.receive(first, chunks(FILE))
        await commands.receive(second, chunks(FILE))
        await wait_all_tasks_blocked()
        assert await commands.cancel(second)
        assert second.report["cancelled"]
        go.set()
        await first.finished.wait()
        assert (await uploaded(commands)).status == "COMPLETE"  # no slot is lost


async def test_a_free_slot_goes_to_the_client_with_the_fewest_checks() -> None:
    slots, order = Slots(2), []
    ends = {name: Event() for name in ("a1", "a2", "a3", "b1")}

    async def check(name: str) -> None:
        async with slots.hold(name[0], lambda _: None):
            order.append(name)
            await ends[name].wait()

    async with create_task_group() as tasks:
        for name in ends:
            tasks.start_soon(partial(check, name))
            await wait_all_tasks_blocked()
        ends["a1"].set()
        await wait_all_tasks_blocked()
        assert order == ["a1", "a2", "b1"]
        for end in ends.values():
            end.set()
    assert order == ["a1", "a2", "b1", "a3"]


async def test_progress_names_the_line_and_the_lines_per_second(tmp_path: Path) -> None:
    items = [
        Progress("syntax", line / 100, "reading", line=line, lines=1000) for line in (0, 500, 1000)
    ]
    async with running(tmp_path, *items, ACCEPTED, clock=Ticks(1.0)) as commands:
        upload = await uploaded(commands)
    lines = [event for event in with_status(upload, "VALIDATING") if "line" in event]
    assert [(event["line"], event["lines"]) for event in lines] == [
        (0, 1000),
        (500, 1000),
        (1000, 1000),
    ]
    assert lines[0]["lines_per_s"] is None
    assert 100 < lines[-1]["lines_per_s"] < 500


async def test_a_cancel_while_the_verdict_arrives_says_what_happened(tmp_path: Path) -> None:
    class Racing(Script):
        cancelled: bool | None = None

        async def validate(self, path: Path) -> Any:
            tasks.start_soon(cancel)
            yield replace(ACCEPTED)

    async def cancel() -> None:
        script.cancelled = await commands.cancel(upload)

    script = Racing()
    async with running(tmp_path, validator=script) as commands, create_task_group() as tasks:
        upload = commands.intake.begin("a.seq")
        await commands.receive(upload, chunks(FILE))
        with fail_after(5):
            await upload.finished.wait()
    assert script.cancelled is (upload.status == "FAILED")
    assert files_of(commands) == ([] if script.cancelled else [STORED])
