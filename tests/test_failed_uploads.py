"""Uploads that fail, over real sockets: refused, interrupted, stalled, or ended by a shutdown."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httpx
import pytest
from anyio import Event

from sources.base import Finding, Severity, SourceError, Verdict
from tests.command_files import ACCEPTED, FILE, STORED, files_of
from tests.uploading import BEGIN, BODY, END, FORM, PATH, Mission, follow, sender, upload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"'
    disposition += "" if filename is None else f'; filename="{filename}"'
    return b"--line\r\n" + disposition.encode() + b"\r\n\r\n" + content + b"\r\n"


@pytest.mark.parametrize(
    ("body", "content_type", "detail"),
    [
        (part("upload", b"x", "a.seq") + b"--line--\r\n", FORM, "`upload`"),
        (part("file", b"DRIVE 10") + b"--line--\r\n", FORM, "not a file"),
        (part("file", b"", "a.seq") + b"--line--\r\n", FORM, "'a.seq' is empty"),
        (FILE, FORM, "`--line`"),
        (b"", FORM, "`--line`"),
        (FILE, "text/plain", "'text/plain'"),
        (FILE, "multipart/form-data", "`boundary`"),
    ],
)
async def test_a_body_without_one_file_is_refused_with_a_reason(
    tmp_path: Path, serve: Serve, body: bytes, content_type: str, detail: str
) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with serve(mission.app) as url, httpx.AsyncClient() as client:
        headers = {"Content-Type": content_type}
        refused = await client.post(url + PATH, content=body, headers=headers)
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert detail in refused.json()["detail"]
    assert mission.commands.open_uploads == 0
    assert files_of(mission.commands) == []


async def test_other_methods_are_not_allowed(tmp_path: Path, serve: Serve) -> None:
    async with serve(Mission(tmp_path).app) as url, httpx.AsyncClient() as client:
        refused = await client.get(url + PATH)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("expect", [[], ["Expect: 100-continue"]])
async def test_a_stated_length_over_the_limit_is_refused_before_the_body_is_read(
    tmp_path: Path, serve: Serve, expect: list[str]
) -> None:
    mission = Mission(tmp_path, ACCEPTED, max_upload_bytes=1000)
    async with serve(mission.app) as url, sender(url) as client:
        await client.request("Content-Length: 1100000", *expect)  # no byte of the body is sent
        response = await client.read_until(b"ROVER_MAX_UPLOAD_BYTES")
    assert response.startswith(b"HTTP/1.1 413")


async def test_an_unstated_length_over_the_limit_before_the_response_is_a_status(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, ACCEPTED, max_upload_bytes=1000)
    async with serve(mission.app) as url, sender(url) as client:
        await client.request("Transfer-Encoding: chunked")
        await client.chunk(BEGIN + bytes(2000))
        response = await client.read_until(b"ROVER_MAX_UPLOAD_BYTES")
    assert response.startswith(b"HTTP/1.1 413")
    assert files_of(mission.commands) == []


async def test_an_unstated_length_over_the_limit_after_the_response_began_is_an_event(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, ACCEPTED, max_upload_bytes=1000)
    async with serve(mission.app) as url, sender(url) as client:
        await client.request("Transfer-Encoding: chunked")
        await client.chunk(BEGIN + bytes(900))
        assert (await client.read_until(b"UPLOADING")).startswith(b"HTTP/1.1 200")
        await client.chunk(bytes(900))
        assert b"ROVER_MAX_UPLOAD_BYTES" in await client.read_until(b'"status":"FAILED"')
        await client.read_until(b"0\r\n\r\n")  # the end of the response
    assert files_of(mission.commands) == []


async def test_a_second_file_fails_the_upload_before_the_check(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    body = part("file", FILE, "a.seq") + part("file", FILE, "b.seq") + b"--line--\r\n"
    async with serve(mission.app) as url, sender(url) as client:
        await client.request(f"Content-Length: {len(body)}")
        await client.send(body[:120])
        await client.read_until(b"UPLOADING")
        await client.send(body[120:])
        assert b"two fields `file`" in await client.read_until(b"FAILED")
    assert mission.script.checked == []
    assert files_of(mission.commands) == []


async def test_an_upload_over_the_limit_of_uploads_is_refused(tmp_path: Path, serve: Serve) -> None:
    go = Event()
    mission = Mission(tmp_path, go, ACCEPTED, max_uploads=1)
    async with serve(mission.app) as url, sender(url) as client:
        await client.request(f"Content-Length: {len(BODY)}")
        await client.send(BEGIN + FILE)
        await client.read_until(b"UPLOADING")
        async with httpx.AsyncClient() as other:
            refused = await other.post(url + PATH, files={"file": FILE})
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert "ROVER_MAX_UPLOADS" in refused.json()["detail"]
        await client.send(END)
        go.set()
        await client.read_until(b"COMPLETE")
        assert (await upload(url))[-1]["status"] == "COMPLETE"


@pytest.mark.parametrize("sent", [b"", BEGIN[:20], BEGIN, BEGIN + b"x" * 300_000])
async def test_a_client_that_disconnects_while_it_sends_leaves_no_file(
    tmp_path: Path, serve: Serve, sent: bytes
) -> None:
    mission = Mission(tmp_path, ACCEPTED)
    async with serve(mission.app) as url:
        async with sender(url) as client:
            await client.request("Content-Length: 1000000")
            await client.send(sent)
            if len(sent) > len(BEGIN):
                await client.read_until(b"UPLOADING")
                assert files_of(mission.commands) != []
        await mission.all_finished()
        assert files_of(mission.commands) == []


@pytest.mark.parametrize(
    ("sent", "response"), [(BEGIN, b"HTTP/1.1 408"), (BEGIN + FILE, b'"status":"FAILED"')]
)
async def test_an_upload_without_data_times_out(
    tmp_path: Path, serve: Serve, sent: bytes, response: bytes
) -> None:
    mission = Mission(tmp_path, ACCEPTED, upload_timeout_s=0.1)
    async with serve(mission.app) as url, sender(url) as client:
        await client.request("Content-Length: 1000000")
        await client.send(sent)
        await client.read_until(response)
        assert b"0.1 s" in await client.read_until(b"ROVER_UPLOAD_TIMEOUT_S")
    assert files_of(mission.commands) == []


async def test_a_client_that_disconnects_during_the_check_does_not_stop_it(
    tmp_path: Path, serve: Serve
) -> None:
    go = Event()
    mission = Mission(tmp_path, go, ACCEPTED)
    async with serve(mission.app) as url:
        async for event in follow(url):
            if event.get("status") == "VALIDATING":
                break
        assert mission.commands.open_uploads == 1
        go.set()
        await mission.all_finished()
        assert files_of(mission.commands) == [STORED]


class Flood:
    """A validator that yields findings until `stop` is set."""

    steps = ()

    def __init__(self, stop: Event) -> None:
        self._stop = stop

    async def validate(self, path: Path) -> AsyncIterator[Finding | Verdict]:
        while not self._stop.is_set():
            yield Finding(Severity.INFO, "x", "x" * 2000)
        yield ACCEPTED


async def test_a_stalled_client_is_aborted_and_the_check_continues(
    tmp_path: Path, serve: Serve
) -> None:
    stop = Event()
    mission = Mission(tmp_path, validator=Flood(stop), send_timeout_s=0.2)
    async with serve(mission.app) as url:
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.connect(("127.0.0.1", httpx.URL(url).port or 0))
            head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n"
            stalled.sendall(f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
            await until(lambda: mission.streams)
            await until(lambda: not mission.streams, timeout_s=20)
            assert mission.commands.open_uploads == 1
            stop.set()
            await mission.all_finished()
        assert files_of(mission.commands) == [STORED]


async def test_an_error_of_the_validator_is_an_event(tmp_path: Path, serve: Serve) -> None:
    mission = Mission(tmp_path, SourceError("no dictionary; mount it"))
    async with serve(mission.app) as url:
        last = (await upload(url))[-1]
    assert (last["status"], last["detail"]) == ("FAILED", "no dictionary; mount it")
    assert files_of(mission.commands) == []


async def test_a_shutdown_fails_unfinished_uploads_and_ends_their_responses(
    tmp_path: Path, serve: Serve
) -> None:
    mission = Mission(tmp_path, Event(), ACCEPTED)
    async with serve(mission.app) as url, sender(url) as arriving:
        await arriving.request("Content-Length: 1000000")
        await arriving.send(BEGIN + FILE)
        await arriving.read_until(b"UPLOADING")
        events = []
        async for event in follow(url):
            events.append(event)
            if event.get("status") == "VALIDATING":
                mission.commands.close()
        assert events[-1]["status"] == "FAILED"
        assert "shutting down" in events[-1]["detail"]
        assert b'"status":"FAILED"' in await arriving.read_until(b"0\r\n\r\n")
        async with httpx.AsyncClient() as client:
            refused = await client.post(url + PATH, files={"file": FILE})
        assert refused.status_code == 503
        assert files_of(mission.commands) == []
