"""The record of uploads over HTTP: the list, reports, artifacts, and the truth about a cancel."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import Event, create_task_group, wait_all_tasks_blocked

from rover.asgi.stored_file import PIECE_BYTES
from sources.base import Finding, Progress, Severity
from tests.api_schemas import check_json
from tests.command_files import ACCEPTED, FILE, REJECTED, SHA256, STORED, files_of
from tests.fake_uplink import FakeUplink
from tests.test_uploads import COMPILED, ERROR, PRODUCT
from tests.uploading import BEGIN, PATH, Mission, sender, upload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def served(mission: Mission, serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(mission.app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield client


async def test_the_list_the_report_and_the_artifact(tmp_path: Path, serve: Serve) -> None:
    async with served(Mission(tmp_path, COMPILED), serve) as client:
        sent = await upload(str(client.base_url).rstrip("/"), name="sol 42.rcs")
        listed = check_json("Uploads", (await client.get("/uploads")).content)
        [entry] = listed["uploads"]
        report = check_json(
            "UploadReport", (await client.get("/" + entry["links"]["report"])).content
        )
        artifact = await client.get("/" + entry["links"]["artifact"])
        etag = artifact.headers["etag"]
        again = await client.get(artifact.url, headers={"If-None-Match": etag})
        tail = await client.get(artifact.url, headers={"Range": "bytes=-3", "If-Range": etag})
        after = await client.get(artifact.url, headers={"Range": f"bytes={len(PRODUCT)}-"})
    assert (entry["id"], entry["name"]) == (sent[0]["id"], "sol 42.rcs")
    assert (entry["status"], entry["sha256"], entry["size"]) == ("COMPLETE", SHA256, len(FILE))
    assert entry["began"] <= entry["ended"]
    assert {name: report[name] for name in entry} == entry
    assert artifact.content == PRODUCT
    assert (tail.status_code, tail.content) == (206, PRODUCT[-3:])
    assert tail.headers["content-range"].endswith(f"-{len(PRODUCT) - 1}/{len(PRODUCT)}")
    assert after.status_code == 416
    assert artifact.headers["content-type"] == "application/x-sequence"
    assert etag == f'"{sha256(PRODUCT).hexdigest()}"'
    assert artifact.headers["content-length"] == str(len(PRODUCT))
    assert 'filename="sol_42.bin"' in artifact.headers["content-disposition"]
    assert artifact.headers["x-content-type-options"] == "nosniff"
    assert (again.status_code, again.content) == (304, b"")


async def test_a_large_artifact_is_read_in_pieces(tmp_path: Path, serve: Serve) -> None:
    product = bytes(range(256)) * 2**11
    mission = Mission(tmp_path, replace(ACCEPTED, artifact=product, artifact_type="text/plain"))
    start = PIECE_BYTES - 3
    async with served(mission, serve) as client:
        await client.post(f"{PATH}?id=a", files={"file": ("a.txt", FILE)})
        path = "/uploads/a/artifact"
        whole = await client.get(path)
        part = await client.get(path, headers={"Range": f"bytes={start}-{start + 5}"})
        head = await client.head(path)
        [stored] = mission.commands.inbox.artifacts.iterdir()
        stored.write_bytes(product[:PIECE_BYTES])  # another program has truncated it
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(path)
        lost = await client.get(path, headers={"Range": f"bytes={PIECE_BYTES}-"})
    assert (whole.content, part.content) == (product, product[start : start + 6])
    assert 'filename="a.compiled.txt"' in whole.headers["content-disposition"]
    assert head.headers["content-length"] == str(len(product))
    assert lost.status_code == 503


async def test_unchanged_lists_and_reports_are_not_sent_again(tmp_path: Path, serve: Serve) -> None:
    async with served(Mission(tmp_path, ACCEPTED, uplink=FakeUplink()), serve) as client:
        await client.post(f"{PATH}?id=a", files={"file": ("a.seq", FILE)})
        for path in ("/queue", "/uploads", "/uploads/a"):
            first = await client.get(path)
            again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
            assert (first.status_code, again.status_code, again.content) == (200, 304, b""), path
            await client.post("/uploads/a/hold", json={"by": "Ada"})
            changed = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
            assert changed.status_code == 200, path


async def test_a_rejected_upload_has_findings_and_no_artifact(tmp_path: Path, serve: Serve) -> None:
    async with served(Mission(tmp_path, ERROR, REJECTED), serve) as client:
        sent = await upload(str(client.base_url).rstrip("/"))
        upload_id = sent[0]["id"]
        report = check_json("UploadReport", (await client.get(f"/uploads/{upload_id}")).content)
        missing = await client.get(f"/uploads/{upload_id}/artifact")
        unknown = await client.get("/uploads/nobody")
    assert [finding["code"] for finding in report["findings"]] == ["syntax"]
    assert report["status"] == "REJECTED"
    assert (missing.status_code, unknown.status_code) == (404, 404)


QUERIES = {
    "": ["b.rcs", "a.rcs"],
    "limit=1": ["b.rcs"],
    "status=REJECTED": ["b.rcs", "a.rcs"],
    "status=COMPLETE,FAILED": [],
    "name=A.": ["a.rcs"],
    "by=Ada": [],
    f"sha256={SHA256}": ["b.rcs", "a.rcs"],
    "since=2026-11-22": ["b.rcs", "a.rcs"],
    "until=2026-11-22": [],
}


async def test_queries_of_the_list(tmp_path: Path, serve: Serve) -> None:
    async with served(Mission(tmp_path, REJECTED), serve) as client:
        for name in ("a.rcs", "b.rcs"):
            await upload(str(client.base_url).rstrip("/"), name=name)
        found = {query: (await client.get(f"/uploads?{query}")).json() for query in QUERIES}
        cursor = found["limit=1"]["next"]
        rest = (await client.get(f"/uploads?limit=1&cursor={cursor}")).json()
        assert (await client.get("/uploads?status=GOOD")).status_code == 400
    names = {query: [one["name"] for one in page["uploads"]] for query, page in found.items()}
    assert names == QUERIES
    assert ([one["name"] for one in rest["uploads"]], rest["next"]) == (["a.rcs"], None)


async def test_a_check_that_is_cancelled_deletes_the_file(tmp_path: Path, serve: Serve) -> None:
    found = Finding(Severity.ERROR, "syntax.time", "no time", step="syntax")
    mission = Mission(tmp_path, found, Progress("power", 0.5, "checking"), Event(), ACCEPTED)
    async with served(mission, serve) as client, create_task_group() as tasks:
        events: list[dict[str, Any]] = []

        async def send() -> None:
            events.extend(await upload(str(client.base_url).rstrip("/")))

        tasks.start_soon(send)
        await until(lambda: mission.script.checked)
        [running] = mission.commands.uploads.unfinished()
        await until(lambda: running.steps.state("power") == "running")
        for _ in range(2):
            answer = await client.delete(f"/uploads/{running.id}")
            assert (answer.status_code, answer.json()["outcome"]) == (200, "cancelled")
            check_json("Cancelled", answer.content)
        assert files_of(mission.commands) == []
        assert mission.commands.open_uploads == 0
        [entry] = (await client.get("/uploads")).json()["uploads"]
        report = (await client.get(f"/uploads/{running.id}")).json()
    assert (entry["status"], entry["cancelled"]) == ("FAILED", True)
    states = {one["name"]: one["state"] for one in report["steps"]}
    assert (states["syntax"], states["power"]) == ("failed", "skipped")
    assert (events[-1]["status"], events[-1]["cancelled"]) == ("FAILED", True)
    assert mission.script.closed == 1


async def test_an_upload_that_arrives_is_cancelled(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with served(mission, serve) as client, sender(str(client.base_url)) as arriving:
        await arriving.request("Content-Length: 1000000")
        await arriving.send(BEGIN + FILE)
        await arriving.read_until(b"UPLOADING")
        [running] = mission.commands.uploads.unfinished()
        answer = await client.delete(f"/uploads/{running.id}")
        assert (answer.status_code, answer.json()["outcome"]) == (200, "cancelled")
        await arriving.read_until(b'"cancelled":true')
        assert files_of(mission.commands) == []
        assert mission.script.checked == []


@pytest.mark.parametrize(
    ("items", "outcome"),
    [((ACCEPTED,), "accepted"), ((REJECTED,), "rejected"), ((OSError("boom"),), "failed")],
)
async def test_a_finished_upload_is_not_cancelled(
    tmp_path: Path, serve: Serve, items: tuple[Any, ...], outcome: str
) -> None:
    mission = Mission(tmp_path, *items)
    async with served(mission, serve) as client:
        sent = await upload(str(client.base_url).rstrip("/"))
        answer = await client.delete(f"/uploads/{sent[0]['id']}")
        report = (await client.get(f"/uploads/{sent[0]['id']}")).json()
    assert answer.status_code == 409
    assert outcome in answer.json()["detail"]
    assert (report["status"], report["cancelled"]) == (sent[-1]["status"], False)
    assert files_of(mission.commands) == ([STORED] if outcome == "accepted" else [])


async def test_a_cancel_while_the_file_is_stored_is_too_late(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    storing, go = Event(), Event()

    async def sync(begins: Callable[[], object] = lambda: None) -> bool:
        begins()
        storing.set()
        await go.wait()
        return True

    async with served(mission, serve) as client, create_task_group() as tasks:
        mission.log.sync = sync  # type: ignore[method-assign]
        tasks.start_soon(upload, str(client.base_url).rstrip("/"))
        await storing.wait()
        [running] = mission.commands.uploads.unfinished()
        answers: list[httpx.Response] = []

        async def delete() -> None:
            answers.append(await client.delete(f"/uploads/{running.id}"))

        tasks.start_soon(delete)
        await wait_all_tasks_blocked()
        go.set()
    assert answers[0].status_code == 409
    assert files_of(mission.commands) == [STORED]


async def test_a_refused_method_names_all_that_the_path_allows(
    tmp_path: Path, serve: Serve
) -> None:
    async with served(Mission(tmp_path), serve) as client:
        refused = await client.post("/uploads/nobody")
        listed = await client.get(PATH)
    assert (refused.status_code, listed.status_code) == (405, 405)
    assert refused.headers["allow"] == "DELETE, GET, HEAD, PATCH, PUT"
