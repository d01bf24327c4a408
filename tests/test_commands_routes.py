"""Uploads over real sockets: the answer begins at once, and every end of it is told."""

from __future__ import annotations

import json
import logging
import shutil
import socket
import tracemalloc
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import (
    Event,
    connect_tcp,
    create_task_group,
    fail_after,
    get_running_tasks,
    run_process,
    sleep,
)
from httpx_sse import aconnect_sse

from rover.commands import Commands
from rover.routes import commands
from sources.base import Finding, Progress, Severity, SourceError, Verdict
from tests.one_stream import OneStream
from tests.test_commands import Script, left_behind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from anyio.abc import SocketStream
    from httpx_sse import ServerSentEvent

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

PATH = "/upload/rover-commands"
ACCEPTED = Verdict(True, 0, 0, "may go up")
REJECTED = Verdict(False, 1, 0, "may not go up")
FILE = b"DRIVE 10\nTURN 90\n"
SHA256 = sha256(FILE).hexdigest()

FORM = "multipart/form-data; boundary=line"
BEGIN = b'--line\r\nContent-Disposition: form-data; name="file"; filename="sol 42.seq"\r\n\r\n'
END = b"\r\n--line--\r\n"


class Mission:
    """An uplink over a scripted validator, as an app."""

    def __init__(self, tmp_path: Path, *said: Any, **settings: Any) -> None:
        site = OneStream(data_dir=tmp_path / "data", **settings)
        self.settings = site.settings
        notify = site.serving.flusher.mark
        self.commands = site.commands = Commands(Script(*said), self.settings, notify=notify)
        self.app = site.app(commands.routes(site), self.commands.run)

    async def over(self) -> None:
        """Wait until nothing is received or checked any more."""
        with fail_after(5):
            while self.commands.open_uploads:
                await sleep(0.005)


class Sender:
    """A client that sends what it is told to, byte by byte, and reads meanwhile."""

    def __init__(self, connection: SocketStream) -> None:
        self.connection = connection
        self.seen = b""

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            await self.connection.send(piece)

    async def request(self, *headers: str, kind: str = FORM) -> None:
        lines = [f"POST {PATH} HTTP/1.1", "Host: test", f"Content-Type: {kind}", *headers]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n" % len(data), data, b"\r\n")

    async def see(self, text: bytes) -> bytes:
        """Read until the text comes; everything seen so far."""
        with fail_after(5):
            while text not in self.seen:
                self.seen += await self.connection.receive()
        return self.seen


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[Sender]:
    async with await connect_tcp("127.0.0.1", httpx.URL(url).port or 0) as connection:
        yield Sender(connection)


async def follow(
    url: str, content: bytes = FILE, name: str = "a.seq"
) -> AsyncIterator[dict[str, Any]]:
    """The events of one upload, parsed, as they come."""
    async with (
        httpx.AsyncClient(timeout=10) as client,
        aconnect_sse(client, "POST", url + PATH, files={"file": (name, content)}) as source,
    ):
        assert source.response.status_code == 200
        async for event in source.aiter_sse():
            yield parsed(event)


async def upload(url: str, content: bytes = FILE, name: str = "a.seq") -> list[dict[str, Any]]:
    return [about async for about in follow(url, content, name)]


def parsed(event: ServerSentEvent) -> dict[str, Any]:
    about: dict[str, Any] = json.loads(event.data)
    return about | {"event": event.event, "event_id": event.id}


@pytest.fixture
def server_errors(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the server complained of; run it with `log_config=None`."""
    caplog.set_level(logging.WARNING, "uvicorn.error")
    return lambda: [r.getMessage() for r in caplog.records if r.name.startswith("uvicorn")]


# ---------------------------------------------------------------------------- the way it goes


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_sees_every_event(tmp_path: Path, serve: Serve) -> None:
    finding = Finding(Severity.WARNING, "power.low", "9 Wh left", 2)
    mission = Mission(tmp_path, Progress("syntax", 0.5, "fine"), finding, ACCEPTED)
    (tmp_path / "sol 42.seq").write_bytes(FILE)
    async with serve(mission.app) as url:
        form = f"file=@{tmp_path / 'sol 42.seq'}"
        done = await run_process(["curl", "-sS", "-N", "-i", "-F", form, url + PATH])
    head, _, body = done.stdout.decode().partition("\r\n\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:])
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"
    assert "connection" not in headers
    frames = [frame.split("\n") for frame in body.removeprefix(":\n\n").strip().split("\n\n")]
    assert [frame[0].split("-")[-1] for frame in frames] == list("123456")
    assert [json.loads(frame[-1][6:]).get("status") for frame in frames] == [
        "UPLOADING",
        "UPLOADING",
        "VALIDATING",
        "VALIDATING",
        None,
        "COMPLETE",
    ]
    first = json.loads(frames[0][-1][6:])
    assert (first["name"], first["size"]) == ("sol 42.seq", len(FILE))


async def test_the_answer_begins_while_half_of_the_file_is_still_to_come(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with serve(mission.app) as url, sender(url) as client:
        body = BEGIN + FILE + END
        await client.request(f"Content-Length: {len(body)}")
        await client.send(body[: len(BEGIN) + 5])
        seen = await client.see(b'"status":"UPLOADING"')
        assert seen.startswith(b"HTTP/1.1 200 OK")
        assert b'"received":0,"size":17,' in await client.see(b"\n\n")
        await client.send(body[len(BEGIN) + 5 :])
        await client.see(b'"status":"COMPLETE"')
        assert b'"received":17,"size":17,' in client.seen
    assert left_behind(mission.commands) == [f"commands/{SHA256}"]


async def test_the_file_is_on_disk_when_complete_is_received(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with serve(mission.app) as url:
        async for about in follow(url):
            if about.get("status") == "COMPLETE":
                kept = mission.settings.data_dir / "commands" / about["sha256"]
                assert kept.read_bytes() == FILE
                assert left_behind(mission.commands) == [f"commands/{SHA256}"]
                break
        else:
            pytest.fail("it was never complete")


async def test_a_rejected_file_is_a_whole_answer_too(tmp_path: Path, serve: Serve) -> None:
    finding = Finding(Severity.ERROR, "syntax.unknown", "no command DRIV", 1, 1, "DRIVE?", "syntax")
    mission = Mission(tmp_path, finding, REJECTED)
    async with serve(mission.app) as url:
        events = await upload(url)
    assert events[-2] | {"event_id": ""} == {
        "event": "finding",
        "event_id": "",
        "severity": "error",
        "code": "syntax.unknown",
        "message": "no command DRIV",
        "line": 1,
        "column": 1,
        "hint": "DRIVE?",
        "step": "syntax",
    }
    assert events[-1]["status"] == "REJECTED"
    assert left_behind(mission.commands) == []


async def test_no_task_of_a_library_stays_behind(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, REJECTED)
    async with serve(mission.app) as url:
        before = {task.id for task in get_running_tasks()}
        await upload(url)
        with fail_after(5):
            while left := [task for task in get_running_tasks() if task.id not in before]:
                assert not any("sse_starlette" in repr(task.coro) for task in left), left
                await sleep(0.01)


async def test_two_uploads_at_once_do_not_mix(tmp_path: Path, serve: Serve) -> None:
    go = Event()
    mission = Mission(tmp_path, go, ACCEPTED)
    ends: dict[str, dict[str, Any]] = {}

    async def send(url: str, name: str, content: bytes) -> None:
        ends[name] = (await upload(url, content, name))[-1]

    async with serve(mission.app) as url:
        contents = {f"{n}.seq": bytes([n]) * 300_000 for n in range(4)}
        with fail_after(10):
            async with create_task_group() as clients:
                for name, content in contents.items():
                    clients.start_soon(send, url, name, content)
                while len(mission.commands.validator.checked) < 4:  # type: ignore[attr-defined] # the script
                    await sleep(0.005)
                go.set()
    for name, content in contents.items():
        assert ends[name]["name"] == name
        assert ends[name]["sha256"] == sha256(content).hexdigest()


async def test_a_large_upload_takes_little_memory(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, ACCEPTED, max_upload_bytes=1 << 30)
    mission.commands.validator = Unread()
    size, block = 100 << 20, bytes(1 << 20)
    async with serve(mission.app) as url, sender(url) as client:
        await client.request(f"Content-Length: {len(BEGIN) + size + len(END)}")
        await client.send(BEGIN)
        tracemalloc.start()
        try:
            for _ in range(size // len(block)):
                await client.send(block)
            await client.send(END)
            await client.see(b'"status":"COMPLETE"')
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert b'"size":104857600,"errors":0' in client.seen
    assert peak < 12 << 20


class Unread:
    """A validator that accepts anything and reads nothing."""

    steps = ()

    async def validate(self, path: Path) -> AsyncIterator[Verdict]:
        yield ACCEPTED


async def test_a_silent_check_has_heartbeats(tmp_path: Path, serve: Serve) -> None:
    go = Event()
    mission = Mission(tmp_path, go, ACCEPTED, heartbeat_s=0.05)
    async with serve(mission.app) as url, sender(url) as client:
        body = BEGIN + FILE + END
        await client.request(f"Content-Length: {len(body)}")
        await client.send(body)
        await client.see(b"3\r\n:\n\n\r\n" * 2)
        go.set()
        await client.see(b'"status":"COMPLETE"')


# ----------------------------------------------------------------------------------- refusals


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"'
    disposition += "" if filename is None else f'; filename="{filename}"'
    return b"--line\r\n" + disposition.encode() + b"\r\n\r\n" + content + b"\r\n"


@pytest.mark.parametrize(
    ("body", "kind", "hint"),
    [
        (part("upload", b"x", "a.seq") + b"--line--\r\n", FORM, "no field `file`, but `upload`"),
        (part("file", b"DRIVE 10") + b"--line--\r\n", FORM, "without a file"),
        (part("file", b"", "a.seq") + b"--line--\r\n", FORM, "'a.seq' is empty"),
        (FILE, FORM, "malformed"),
        (b"", FORM, "breaks off"),
        (FILE, "text/plain", "not `multipart/form-data`"),
        (FILE, "multipart/form-data", "no `boundary`"),
    ],
)
async def test_what_is_no_upload_is_refused_with_a_way_out(
    tmp_path: Path, serve: Serve, body: bytes, kind: str, hint: str
) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with serve(mission.app) as url, httpx.AsyncClient() as client:
        refused = await client.post(url + PATH, content=body, headers={"Content-Type": kind})
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert hint in refused.json()["detail"]
    assert mission.commands.open_uploads == 0
    assert left_behind(mission.commands) == []


async def test_other_methods_are_not_for_it(tmp_path: Path, serve: Serve) -> None:
    async with serve(Mission(tmp_path).app) as url, httpx.AsyncClient() as client:
        refused = await client.get(url + PATH)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("expect", [[], ["Expect: 100-continue"]])
async def test_a_stated_length_over_the_limit_is_refused_before_the_body_is_read(
    tmp_path: Path, serve: Serve, expect: list[str]
) -> None:
    mission = Mission(tmp_path, ACCEPTED, max_upload_bytes=1000)
    async with serve(mission.app) as url, sender(url) as client:
        await client.request("Content-Length: 1100000", *expect)  # and not a byte of it
        seen = await client.see(b"ROVER_MAX_UPLOAD_BYTES")
    assert seen.startswith(b"HTTP/1.1 413")


async def test_an_unstated_length_over_the_limit_is_refused_where_it_shows(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, ACCEPTED, max_upload_bytes=1000)
    async with serve(mission.app) as url:
        async with sender(url) as client:  # at once: there is a status for it
            await client.request("Transfer-Encoding: chunked")
            await client.chunk(BEGIN + bytes(2000))
            assert (await client.see(b"larger than 1,000")).startswith(b"HTTP/1.1 413")
        async with sender(url) as client:  # later: the answer has begun, so it is told in it
            await client.request("Transfer-Encoding: chunked")
            await client.chunk(BEGIN + bytes(900))
            assert (await client.see(b"UPLOADING")).startswith(b"HTTP/1.1 200")
            await client.chunk(bytes(900))
            assert b"larger than 1,000" in await client.see(b'"status":"FAILED"')
            await client.see(b"0\r\n\r\n")  # and the answer ends
    assert left_behind(mission.commands) == []


async def test_a_second_file_is_told_and_nothing_is_checked(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    body = part("file", FILE, "a.seq") + part("file", FILE, "b.seq") + b"--line--\r\n"
    async with serve(mission.app) as url, sender(url) as client:
        await client.request(f"Content-Length: {len(body)}")
        await client.send(body[:120])
        await client.see(b"UPLOADING")
        await client.send(body[120:])
        assert b"two fields `file`" in await client.see(b"FAILED")
    assert mission.commands.validator.checked == []  # type: ignore[attr-defined] # the script
    assert left_behind(mission.commands) == []


async def test_as_many_as_are_allowed_and_no_more(tmp_path: Path, serve: Serve) -> None:
    go = Event()
    mission = Mission(tmp_path, go, ACCEPTED, max_uploads=1)
    async with serve(mission.app) as url, sender(url) as client:
        await client.request(f"Content-Length: {len(BEGIN + FILE + END)}")
        await client.send(BEGIN + FILE)
        await client.see(b"UPLOADING")
        async with httpx.AsyncClient() as other:
            refused = await other.post(url + PATH, files={"file": FILE})
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert "ROVER_MAX_UPLOADS" in refused.json()["detail"]
        await client.send(END)
        go.set()
        await client.see(b"COMPLETE")
        assert (await upload(url))[-1]["status"] == "COMPLETE"


# ----------------------------------------------------------------------------- broken halfway


@pytest.mark.parametrize("sent", [b"", BEGIN[:20], BEGIN, BEGIN + b"x" * 300_000])
async def test_a_sender_who_goes_away_leaves_nothing(
    tmp_path: Path, serve: Serve, server_errors: Callable[[], list[str]], sent: bytes
) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with serve(mission.app, log_config=None) as url:
        async with sender(url) as client:
            await client.request("Content-Length: 1000000")
            await client.send(sent)
            if len(sent) > len(BEGIN):
                await client.see(b"UPLOADING")
                assert left_behind(mission.commands) != []
        await mission.over()
        assert left_behind(mission.commands) == []
    assert server_errors() == []


@pytest.mark.parametrize(
    ("sent", "sight"), [(BEGIN, b"HTTP/1.1 408"), (BEGIN + FILE, b'"status":"FAILED"')]
)
async def test_a_sender_who_falls_silent_is_given_up(
    tmp_path: Path, serve: Serve, sent: bytes, sight: bytes
) -> None:
    mission = Mission(tmp_path, ACCEPTED, upload_timeout_s=0.1)
    async with serve(mission.app) as url, sender(url) as client:
        await client.request("Content-Length: 1000000")
        await client.send(sent)
        await client.see(sight)
        assert b"nothing came for 0.1 s" in await client.see(b"ROVER_UPLOAD_TIMEOUT_S")
    assert left_behind(mission.commands) == []


async def test_a_reader_who_goes_away_does_not_stop_the_check(
    tmp_path: Path, serve: Serve, server_errors: Callable[[], list[str]]
) -> None:
    go = Event()
    mission = Mission(tmp_path, go, ACCEPTED)
    async with serve(mission.app, log_config=None) as url:
        async for about in follow(url):
            if about.get("status") == "VALIDATING":
                break
        assert mission.commands.open_uploads == 1
        go.set()
        await mission.over()
        assert left_behind(mission.commands) == [f"commands/{SHA256}"]
    assert server_errors() == []


async def test_a_reader_who_takes_nothing_is_cut_off_and_the_check_goes_on(
    tmp_path: Path, serve: Serve, server_errors: Callable[[], list[str]]
) -> None:
    go = Event()
    mission = Mission(tmp_path, send_timeout_s=0.2)
    mission.commands.validator = Flood(go)
    async with serve(mission.app, log_config=None) as url:
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.connect(("127.0.0.1", httpx.URL(url).port or 0))
            body = BEGIN + FILE + END
            head = f"POST {PATH} HTTP/1.1\r\nHost: test\r\nContent-Type: {FORM}\r\n"
            stuck.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            with fail_after(20):
                while not mission.commands.open_uploads:
                    await sleep(0.005)
                [watched] = mission.commands._uploads.values()
                while not watched.topic.subscribers:
                    await sleep(0.005)
                while watched.topic.subscribers:
                    await sleep(0.005)
            assert mission.commands.open_uploads == 1
            go.set()
            await mission.over()
        assert watched.report["status"] == "COMPLETE"
    assert server_errors() == []


class Flood:
    """A validator that finds more and more until it is told to stop."""

    steps = ()

    def __init__(self, enough: Event) -> None:
        self._enough = enough

    async def validate(self, path: Path) -> AsyncIterator[Finding | Verdict]:
        while not self._enough.is_set():
            yield Finding(Severity.INFO, "x", "x" * 2000)
        yield ACCEPTED


async def test_a_validator_that_raises_is_told_as_an_event(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, SourceError("the dictionary is gone; mount it"))
    async with serve(mission.app) as url:
        last = (await upload(url))[-1]
    assert (last["status"], last["detail"]) == ("FAILED", "the dictionary is gone; mount it")
    assert left_behind(mission.commands) == []


async def test_at_the_end_every_stream_is_told_and_ends(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, Event(), ACCEPTED)
    async with serve(mission.app) as url, sender(url) as half:
        await half.request("Content-Length: 1000000")
        await half.send(BEGIN + FILE)
        await half.see(b"UPLOADING")
        events = []
        async for about in follow(url):
            events.append(about)
            if about.get("status") == "VALIDATING":
                mission.commands.close()
        assert events[-1]["status"] == "FAILED"
        assert "the server is going down" in events[-1]["detail"]
        assert b"the server is going down" in await half.see(b"0\r\n\r\n")
        async with httpx.AsyncClient() as client:
            refused = await client.post(url + PATH, files={"file": FILE})
        assert refused.status_code == 503
        assert left_behind(mission.commands) == []


# -------------------------------------------------------------------------------- re-attaching


async def attach(url: str, upload_id: str, **headers: str) -> list[dict[str, Any]]:
    path = f"{url}/uploads/{upload_id}/events"
    async with (
        httpx.AsyncClient(timeout=10) as client,
        aconnect_sse(client, "GET", path, headers=headers) as source,
    ):
        return [parsed(event) async for event in source.aiter_sse()]


async def test_who_comes_back_gets_what_was_missed_and_nothing_twice(
    tmp_path: Path, serve: Serve
) -> None:
    go = Event()
    mission = Mission(tmp_path, Progress("syntax", 0.5, "fine"), go, ACCEPTED)
    async with serve(mission.app) as url:
        seen = []
        async for about in follow(url):
            seen.append(about)
            if about["detail"] == "fine":
                break
        later: list[dict[str, Any]] = []

        async def come_back(upload_id: str, last: str) -> None:
            later.extend(await attach(url, upload_id, **{"Last-Event-ID": last}))

        async with create_task_group() as tasks:
            tasks.start_soon(come_back, seen[0]["id"], seen[-1]["event_id"])
            while not mission.commands.find(seen[0]["id"]).topic.subscribers:
                await sleep(0.005)
            go.set()
        assert [about["status"] for about in later] == ["COMPLETE"]
        assert await attach(url, seen[0]["id"]) == seen + later
        async with httpx.AsyncClient() as client:
            again = await client.get(
                f"{url}/uploads/{seen[0]['id']}/events?after={later[-1]['event_id']}"
            )
        assert again.status_code == 204  # so that an EventSource stops asking


async def test_an_unknown_upload_is_not_found(tmp_path: Path, serve: Serve) -> None:
    async with serve(Mission(tmp_path).app) as url, httpx.AsyncClient() as client:
        missing = await client.get(url + "/uploads/nobody/events")
    assert missing.status_code == 404
    assert "'nobody'" in missing.json()["detail"]


async def test_what_is_no_longer_kept_is_told_as_a_gap(tmp_path: Path, serve: Serve) -> None:
    finding = Finding(Severity.ERROR, "x", "x" * 1000)
    mission = Mission(tmp_path, *[finding] * 1000, REJECTED)
    async with serve(mission.app) as url:
        upload_id = (await upload(url))[0]["id"]
        events = await attach(url, upload_id)
    assert events[0]["event"] == "gap"
    assert events[0]["lost"] == int(events[1]["event_id"].rpartition("-")[2]) - 1
    assert events[-1]["status"] == "REJECTED"
