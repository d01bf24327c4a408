"""Uploads over real sockets: the response begins at once and reports the progress."""

from __future__ import annotations

import json
import tracemalloc
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import Event, create_task_group, fail_after, get_running_tasks, run_process
from httpx_sse import aconnect_sse

from sources.base import Finding, Progress, Severity, Verdict
from tests.command_files import ACCEPTED, FILE, REJECTED, STORED, files_of
from tests.programs import needs
from tests.uploading import BEGIN, BODY, END, PATH, Mission, follow, parsed, sender, upload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


async def test_curl_sees_every_event(tmp_path: Path, serve: Serve) -> None:
    finding = Finding(Severity.WARNING, "power.low", "9 Wh left", 2)
    mission = Mission(tmp_path, Progress("syntax", 0.5, "fine"), finding, ACCEPTED)
    (tmp_path / "sol 42.seq").write_bytes(FILE)
    async with serve(mission.app) as url:
        form = f"file=@{tmp_path / 'sol 42.seq'}"
        done = await run_process([needs("curl"), "-sS", "-N", "-i", "-F", form, url + PATH])
    head, _, body = done.stdout.decode().partition("\r\n\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:])
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"
    assert "connection" not in headers
    frames = [frame.split("\n") for frame in body.removeprefix(":\n\n").strip().split("\n\n")]
    assert [frame[0].split("-")[-1] for frame in frames] == list("12345678")
    events = [json.loads(frame[-1][6:]) for frame in frames]
    assert [event.get("state") or event.get("status") for event in events] == [
        "UPLOADING",
        "UPLOADING",
        "pending",
        "running",
        None,
        "passed",
        "skipped",
        "COMPLETE",
    ]
    first = json.loads(frames[0][-1][6:])
    assert (first["name"], first["size"]) == ("sol 42.seq", len(FILE))


async def test_the_response_begins_while_half_of_the_file_is_missing(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with serve(mission.app) as url, sender(url) as client:
        await client.request(f"Content-Length: {len(BODY)}")
        await client.send(BODY[: len(BEGIN) + 5])
        response = await client.read_until(b'"status":"UPLOADING"')
        assert response.startswith(b"HTTP/1.1 200 OK")
        assert b'"received":0,"size":17,' in await client.read_until(b"\n\n")
        await client.send(BODY[len(BEGIN) + 5 :])
        await client.read_until(b'"status":"COMPLETE"')
        assert b'"received":17,"size":17,' in client.received
    assert files_of(mission.commands) == [STORED]


async def test_behind_a_proxy_the_response_begins_after_the_file(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    received, received_at_start = 0, -1

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def note_start(message: Message) -> None:
            nonlocal received_at_start
            if message["type"] == "http.response.start":
                received_at_start = received
            await send(message)

        await mission.app(scope, count, note_start)

    async with serve(counted) as url, sender(url) as client:
        await client.request(f"Content-Length: {len(BODY)}", "X-Forwarded-For: 192.0.2.1")
        await client.send(BODY[: len(BEGIN) + 5])
        await until(lambda: mission.commands.open_uploads == 1)
        await client.send(BODY[len(BEGIN) + 5 :])
        await client.read_until(b'"status":"COMPLETE"')
    assert received_at_start == len(BODY)


async def test_the_file_is_on_disk_when_complete_is_received(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with serve(mission.app) as url:
        async for event in follow(url):
            if event.get("status") == "COMPLETE":
                stored = mission.settings.data_dir / "commands" / event["sha256"]
                assert stored.read_bytes() == FILE
                assert files_of(mission.commands) == [STORED]
                break
        else:
            pytest.fail("no event has the status COMPLETE")


async def test_a_rejected_file_has_a_complete_response(tmp_path: Path, serve: Serve) -> None:
    finding = Finding(Severity.ERROR, "syntax.unknown", "no command DRIV", 1, 1, "DRIVE?", "syntax")
    mission = Mission(tmp_path, finding, REJECTED)
    async with serve(mission.app) as url:
        events = await upload(url)
    found = next(event for event in events if event["event"] == "finding")
    assert found | {"event_id": ""} == {
        "event": "finding",
        "event_id": "",
        "severity": "error",
        "code": "syntax.unknown",
        "message": "no command DRIV",
        "line": 1,
        "column": 1,
        "hint": "DRIVE?",
        "step": "syntax",
        "text": "DRIVE 10",
    }
    assert events[-1]["status"] == "REJECTED"
    assert files_of(mission.commands) == []


async def test_no_task_of_a_library_remains_after_an_upload(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, REJECTED)
    async with serve(mission.app) as url:
        before = {task.id for task in get_running_tasks()}

        def no_other_task() -> bool:
            others = [task for task in get_running_tasks() if task.id not in before]
            assert not any("sse_starlette" in repr(task.coro) for task in others), others
            return not others

        await upload(url)
        await until(no_other_task)


async def test_simultaneous_uploads_do_not_mix(tmp_path: Path, serve: Serve) -> None:
    go = Event()
    mission = Mission(tmp_path, go, ACCEPTED)
    results: dict[str, dict[str, Any]] = {}

    async def send(url: str, name: str, content: bytes) -> None:
        results[name] = (await upload(url, content, name))[-1]

    async with serve(mission.app) as url:
        contents = {f"{n}.seq": bytes([n]) * 300_000 for n in range(4)}
        with fail_after(10):
            async with create_task_group() as clients:
                for name, content in contents.items():
                    clients.start_soon(send, url, name, content)
                await until(lambda: len(mission.script.checked) == 4)
                go.set()
    for name, content in contents.items():
        assert results[name]["name"] == name
        assert results[name]["sha256"] == sha256(content).hexdigest()


class AcceptAll:
    """A validator that accepts any file without reading it."""

    steps = ()

    async def validate(self, path: Path) -> AsyncIterator[Verdict]:
        yield ACCEPTED


async def test_a_large_upload_uses_little_memory(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, validator=AcceptAll(), max_upload_bytes=1 << 30)
    size, block = 100 << 20, bytes(1 << 20)
    async with serve(mission.app) as url, sender(url) as client:
        await client.request(f"Content-Length: {len(BEGIN) + size + len(END)}")
        await client.send(BEGIN)
        tracemalloc.start()
        try:
            for _ in range(size // len(block)):
                await client.send(block)
            await client.send(END)
            await client.read_until(b'"status":"COMPLETE"')
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert b'"size":104857600,"errors":0' in client.received
    assert peak < 12 << 20


async def test_a_check_without_progress_has_heartbeats(tmp_path: Path, serve: Serve) -> None:
    go = Event()
    mission = Mission(tmp_path, go, ACCEPTED, heartbeat_s=0.05)
    async with serve(mission.app) as url, sender(url) as client:
        await client.request(f"Content-Length: {len(BODY)}")
        await client.send(BODY)
        await client.read_until(b"3\r\n:\n\n\r\n" * 2)
        go.set()
        await client.read_until(b'"status":"COMPLETE"')


async def resume(url: str, upload_id: str, **headers: str) -> list[dict[str, Any]]:
    """The events of `GET /uploads/{upload_id}/events`."""
    path = f"{url}/uploads/{upload_id}/events"
    async with (
        httpx.AsyncClient(timeout=10) as client,
        aconnect_sse(client, "GET", path, headers=headers) as source,
    ):
        return [parsed(event) async for event in source.aiter_sse()]


async def test_a_client_that_resumes_receives_each_event_once(tmp_path: Path, serve: Serve) -> None:
    go = Event()
    mission = Mission(tmp_path, Progress("syntax", 0.5, "fine"), go, ACCEPTED)
    async with serve(mission.app) as url:
        first: list[dict[str, Any]] = []
        async for event in follow(url):
            first.append(event)
            if event["detail"] == "fine":
                break
        rest: list[dict[str, Any]] = []
        upload_id = first[0]["id"]

        async def receive_rest() -> None:
            last_id = first[-1]["event_id"]
            rest.extend(await resume(url, upload_id, **{"Last-Event-ID": last_id}))

        async with create_task_group() as tasks:
            await until(lambda: not mission.streams)
            tasks.start_soon(receive_rest)
            await until(lambda: mission.streams)
            go.set()
        assert [event.get("state") or event["status"] for event in rest] == [
            "passed",
            "skipped",
            "COMPLETE",
        ]
        assert await resume(url, upload_id) == first + rest
        async with httpx.AsyncClient() as client:
            end = f"{url}/uploads/{upload_id}/events?after={rest[-1]['event_id']}"
            response = await client.get(end)
        assert response.status_code == 204  # an EventSource does not reconnect after it


async def test_an_unknown_upload_is_not_found(tmp_path: Path, serve: Serve) -> None:
    async with serve(Mission(tmp_path).app) as url, httpx.AsyncClient() as client:
        missing = await client.get(url + "/uploads/nobody/events")
    assert missing.status_code == 404
    assert "'nobody'" in missing.json()["detail"]


async def test_expired_events_of_an_upload_are_a_gap(tmp_path: Path, serve: Serve) -> None:
    finding = Finding(Severity.ERROR, "x", "x" * 1000)
    mission = Mission(tmp_path, *[finding] * 1000, REJECTED)
    async with serve(mission.app) as url:
        upload_id = (await upload(url))[0]["id"]
        events = await resume(url, upload_id)
    assert events[0]["event"] == "gap"
    assert events[0]["lost"] == int(events[1]["event_id"].rpartition("-")[2]) - 1
    assert events[-1]["status"] == "REJECTED"
