"""Shutdown with open connections: real server processes, real signals, a crowd of clients.

The crowd has downloads that stop reading after the response's head, and uploads with half a file.
After the signal, `RESUMED` downloads and one upload continue and use the grace period. The others
end visibly incomplete.

`make test` measures when the clients receive the last byte, with a crowd that is small enough to
leave the processor to the server. It tests the signal under every server, and the rest under
uvicorn. `make drain` tests everything with the full crowd under every server, and also how soon the
process exits.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from anyio import Event, create_task_group, fail_after, sleep, to_thread
from httpx_sse import aconnect_sse
from PIL import Image

from tests.crowd import Crowd, wait_until_stalled
from tests.serving import (
    ALONE,
    EXIT_S,
    FASTAPI,
    FULL,
    OWN_LIMIT_S,
    RELOADED,
    SHUTDOWN_S,
    Host,
    Serving,
    serving,
)

if TYPE_CHECKING:
    from pathlib import Path

    from httpx_sse import ServerSentEvent

READERS, MEMBERS, DOWNLOADS, UPLOADS = (2_000, 500, 20, 5) if FULL else (200, 50, 10, 5)
RESUMED = 4
IMAGE_BYTES = 8 * 2**20  # more than the kernel buffers of one connection

ENDS = [
    (ALONE, "python -m rover", signal.SIGINT),
    (ALONE, "uvicorn", signal.SIGTERM),
]
RELOADS = [(ALONE, "uvicorn --reload")]
STALLED = ["python -m rover"]
WORKERS = ["uvicorn, 2 workers"]
DRAINS = ["uvicorn"]
SECOND_SIGNALS = [
    ("python -m rover", signal.SIGINT),
    ("uvicorn", signal.SIGTERM),
]
if FULL:
    ENDS += [
        (ALONE, "python -m rover", signal.SIGTERM),
        (ALONE, "uvicorn", signal.SIGINT),
        (ALONE, "hypercorn", signal.SIGINT),
        (ALONE, "hypercorn", signal.SIGTERM),
        (ALONE, "granian", signal.SIGINT),
        (ALONE, "granian", signal.SIGTERM),
        (FASTAPI, "uvicorn", signal.SIGTERM),
        (FASTAPI, "uvicorn", signal.SIGINT),
    ]
    RELOADS += [
        (ALONE, "hypercorn --reload"),
        (ALONE, "granian --reload"),
        (ALONE, "python -m rover --reload"),
        (FASTAPI, "uvicorn --reload"),
    ]
    STALLED += ["hypercorn", "granian"]
    WORKERS += ["hypercorn, 2 workers"]
    DRAINS += ["hypercorn", "granian"]
    SECOND_SIGNALS += [
        ("python -m rover", signal.SIGTERM),
        ("uvicorn", signal.SIGINT),
        ("uvicorn, asyncio", signal.SIGINT),
        ("uvicorn, asyncio", signal.SIGTERM),
    ]

LINES_OF_SERVERS = re.compile(
    r"Shutting down|Waiting for|Application shutdown complete|Finished server process"
    r"|Stopping worker|Stopped worker|shutdown completed|Shutting down granian|HTTP/1\.1\"|^$"
)
LINES_OF_UPLOADS = re.compile(r"half\.rcs")


def settings(folder: Path, **more: str) -> dict[str, str]:
    images = folder / "images"
    images.mkdir()
    image = images / "large.png"
    Image.effect_noise((64, 64), 64).save(image)
    with image.open("ab") as file:
        file.write(os.urandom(IMAGE_BYTES))
    os.utime(image, (1.6e9, 1.6e9))  # a new file could still be arriving
    return {
        "ROVER_CAMERA": f"dir:{images}",
        "ROVER_COMMANDS": "sim:?pace_s=0",
        "ROVER_TELEMETRY": "sim:?rate_hz=2",
        **more,
    }


@pytest.mark.parametrize(
    ("host", "server", "sig"), ENDS, ids=[f"{h.name}, {s}, {g.name}" for h, s, g in ENDS]
)
def test_a_signal_closes_every_connection_in_two_seconds(
    host: Host, server: str, sig: signal.Signals, tmp_path: Path
) -> None:
    with (
        serving(host, server, tmp_path, settings(tmp_path)) as at,
        Crowd(at.port, at.prefix) as crowd,
    ):
        crowd.open(READERS, MEMBERS, DOWNLOADS, UPLOADS)
        log_before = len(at.log)
        signaled_at = time.monotonic()
        at.process.send_signal(sig)
        crowd.finish(crowd.of("upload")[:1], crowd.of("download")[:RESUMED])
        exited_after_s = crowd.watch(at.process.pid, EXIT_S + 5) - signaled_at
        last_byte_after_s = crowd.last_byte_at - signaled_at
        status = at.process.wait()
        crowd.read_rest()
        log = at.log[log_before:]
    print(
        f"{host.name}, {server}, {sig.name}: last byte after {last_byte_after_s:.2f} s, "
        f"exit after {exited_after_s:.2f} s with status {status}"
    )
    assert_all_were_closed(crowd)
    assert last_byte_after_s < SHUTDOWN_S
    # stalled downloads are left to the server's own limit, if it has one
    assert exited_after_s < EXIT_S + OWN_LIMIT_S.get(server, 0.0)
    # after a clean shutdown uvicorn raises SIGTERM again, so that its parent sees the signal
    assert status == (-sig if (server, sig) == ("uvicorn", signal.SIGTERM) else 0)
    assert_one_line_of_the_mission(log, server)


def assert_all_were_closed(crowd: Crowd) -> None:
    """Check the last data of each client. The first upload and some downloads continued."""
    readers = crowd.of("reader")
    assert all(reader.tail.endswith(b"\n\n\r\n0\r\n\r\n") for reader in readers)  # complete
    retries = [
        re.search(rb"event: bye\ndata: .*\nretry: (\d+)\n", reader.tail) for reader in readers
    ]
    retries_ms = {int(found[1]) for found in retries if found}
    assert None not in retries
    assert min(retries_ms) < 2_500 < 5_500 < max(retries_ms)  # spread over four seconds
    assert {member.close_code for member in crowd.of("member")} == {1012}
    # a busy machine may not complete the transfers that continued; that is a test of its own
    finishing, *others = crowd.of("upload")
    assert re.search(rb'"status":"(REJECTED|FAILED)"', finishing.tail)
    assert all(b'"status":"FAILED"' in upload.tail for upload in others)
    stalled = crowd.of("download")[RESUMED:]
    assert all(download.received < IMAGE_BYTES for download in stalled)


def assert_one_line_of_the_mission(log: str, server: str) -> None:
    """Check that the mission logged the shutdown in one line, with its readers and members."""
    others = (LINES_OF_SERVERS, LINES_OF_UPLOADS)
    lines = [line for line in log.splitlines() if not any(each.search(line) for each in others)]
    if server in OWN_LIMIT_S:  # it logs each connection that it aborts, with a traceback
        lines = [line for line in lines if "draining" in line]
    assert len(lines) == 1, lines
    assert {str(READERS), str(MEMBERS)} <= set(re.findall(r"\d+", lines[0]))


@pytest.mark.parametrize(
    "signals",
    [[signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]],
    ids=["one SIGTERM", "one Ctrl-C that the parent process relays to its worker"],
)
def test_transfers_complete_in_the_grace_period(
    signals: list[signal.Signals], tmp_path: Path
) -> None:
    about = settings(tmp_path, ROVER_DRAIN_S="30")
    with (
        serving(ALONE, "python -m rover", tmp_path, about) as at,
        Crowd(at.port, at.prefix) as crowd,
    ):
        crowd.open(1, 1, 1, 1)
        for sig in signals:
            at.process.send_signal(sig)
            crowd.wait_for(b"event: bye", "reader")
        crowd.finish(crowd.of("upload"), crowd.of("download"))
        crowd.watch(at.process.pid, 15)  # it does not wait for the rest of the 30 s
        assert at.process.wait() == 0
    [upload], [download] = crowd.of("upload"), crowd.of("download")
    assert b'"status":"REJECTED"' in upload.tail
    assert download.received > IMAGE_BYTES


@pytest.mark.parametrize("server", STALLED)
def test_stalled_downloads_do_not_delay_the_exit(server: str, tmp_path: Path) -> None:
    about = settings(tmp_path)
    sizes = range(4_060_000, 4_420_000, 20_000)  # about the size of the kernel buffers,
    for size in sizes:  # so that for some downloads the server holds only the last bytes
        image = tmp_path / "images" / f"{size}.png"
        shutil.copy(tmp_path / "images" / "large.png", image)
        os.truncate(image, size)
        os.utime(image, (1.6e9, 1.6e9))
    with serving(ALONE, server, tmp_path, about) as at, ExitStack() as stack:
        stalled = [stack.enter_context(socket.socket()) for _ in sizes]
        for size, client in zip(sizes, stalled, strict=True):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            client.connect(("127.0.0.1", at.port))
            client.sendall(f"GET /images/{size}.png HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert client.recv(12) == b"HTTP/1.1 200"
        wait_until_stalled(stalled)
        status, exited_after_s = at.end()
    # stalled downloads are left to the server's own limit, if it has one
    assert exited_after_s < EXIT_S + OWN_LIMIT_S.get(server, 0.0)
    assert status == 0


STREAM = b"GET /stream/rover-telemetry HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHANNEL = (
    b"GET /ws/comms/eva HTTP/1.1\r\nHost: localhost\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def test_stalled_readers_and_members_do_not_delay_the_exit(tmp_path: Path) -> None:
    more = {"ROVER_TELEMETRY": "push:", "ROVER_MAX_MESSAGE_BYTES": "65536"}
    text = "x" * 0xFF00
    frame = b"\x81\xfe\xff\x00\0\0\0\0" + text.encode()
    with (
        serving(ALONE, "python -m rover", tmp_path, settings(tmp_path, **more)) as at,
        ExitStack() as stack,
    ):
        reader, member, talker = (
            stack.enter_context(client(at, request, buffer_bytes))
            for request, buffer_bytes in ((STREAM, 4096), (CHANNEL, 4096), (CHANNEL, 2**20))
        )
        for n in range(100):  # 6 MB: more than the buffers between the server and a client
            sample = json.dumps({"t": 1.79e9 + n, "note": text}).encode()
            urllib.request.urlopen(f"{at.url}/ingest/telemetry", sample).close()
            talker.sendall(frame)
            left = len(frame)
            while left > 0:
                left -= len(talker.recv(2**20))
        wait_until_stalled([reader, member])
        status, exited_after_s = at.end()
        assert "Traceback" not in at.log
    assert exited_after_s < EXIT_S
    assert status == 0


def client(at: Serving, request: bytes, buffer_bytes: int) -> socket.socket:
    """A client whose request is answered, with a receive buffer of a size."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    client.settimeout(10)
    client.connect(("127.0.0.1", at.port))
    client.sendall(request)
    client.recv(16)
    return client


@pytest.mark.parametrize("server", WORKERS)
def test_each_worker_closes_its_connections(server: str, tmp_path: Path) -> None:
    with (
        serving(ALONE, server, tmp_path, settings(tmp_path, ROVER_LOG="memory:")) as at,
        Crowd(at.port, at.prefix) as crowd,
    ):
        wait_for_two_workers(at)
        crowd.open(40, 20, 0, 6)
        at.process.send_signal(signal.SIGTERM)
        crowd.watch(at.process.pid, 15)
        assert at.process.wait() == 0
    assert all(b"event: bye" in reader.tail for reader in crowd.of("reader"))
    assert {member.close_code for member in crowd.of("member")} == {1012}
    assert all(b'"status":"FAILED"' in upload.tail for upload in crowd.of("upload"))


def wait_for_two_workers(at: Serving) -> None:
    """Return when both workers have answered: each has its own epoch in its event ids."""
    epochs: set[str] = set()
    deadline = time.monotonic() + 30
    while len(epochs) < 2:
        assert time.monotonic() < deadline
        with urllib.request.urlopen(f"{at.url}/stream/rover-telemetry", timeout=10) as stream:
            while not (line := stream.readline()).startswith(b"id: "):
                pass
            epochs.add(line[4:].decode().partition("-")[0])


@pytest.mark.parametrize(("host", "server"), RELOADS, ids=[f"{h.name}, {s}" for h, s in RELOADS])
def test_a_reload_closes_every_connection_and_readers_return(
    host: Host, server: str, tmp_path: Path
) -> None:
    with (
        serving(host, server, tmp_path, settings(tmp_path)) as at,
        Crowd(at.port, at.prefix) as crowd,
    ):
        crowd.open(READERS, MEMBERS, DOWNLOADS, UPLOADS)
        crowd.wait_for(b"\nid: ", "reader")
        with (tmp_path / RELOADED).open("a") as file:
            file.write("# a change that makes the server reload\n")
        crowd.finish(crowd.of("upload")[:1], crowd.of("download")[:RESUMED])
        crowd.watch(None, 20)
        at.wait_until_up(f"{at.prefix}/readyz")  # the process before sends no more
        crowd.read_rest()
        assert at.process.poll() is None
        assert_all_were_closed(crowd)
        last_id = re.findall(rb"\nid: (\S+)", crowd.of("reader")[0].tail)[-1].decode()
        again = urllib.request.Request(
            f"{at.url}/stream/rover-telemetry", headers={"Last-Event-ID": last_id}
        )
        with urllib.request.urlopen(again, timeout=10) as stream:
            events = b"".join(stream.readline() for _ in range(6))
        if host is ALONE:  # other hosts have a log in memory
            epoch, _, offset = last_id.rpartition("-")
            assert f"id: {epoch}-{int(offset) + 1}\n".encode() in events
        assert (b"event: gap" in events) == (host is not ALONE)


@pytest.mark.parametrize(("server", "sig"), SECOND_SIGNALS)
def test_a_second_signal_ends_the_grace_period(
    server: str, sig: signal.Signals, tmp_path: Path
) -> None:
    with (
        serving(ALONE, server, tmp_path, settings(tmp_path, ROVER_DRAIN_S="30")) as at,
        Crowd(at.port, at.prefix) as crowd,
    ):
        crowd.open(5, 0, 0, 1)
        at.process.send_signal(sig)
        crowd.wait_for(b"event: bye", "reader")
        assert at.process.poll() is None  # the upload is in its grace period
        signaled_at = time.monotonic()
        at.process.send_signal(sig)
        exited_at = crowd.watch(at.process.pid, 20)
        [upload] = crowd.of("upload")
        assert upload.ended_at - signaled_at < SHUTDOWN_S
        assert exited_at - signaled_at < EXIT_S
        assert "Traceback" not in at.log


@pytest.mark.parametrize("server", DRAINS)
def test_a_draining_server_reports_it_and_refuses_new_streams(server: str, tmp_path: Path) -> None:
    about = settings(tmp_path, ROVER_DRAIN_S="30")
    host = Host("drains on request", "tests.draining:app", "/rover")
    refused = (503, "2")
    with serving(host, server, tmp_path, about) as at, Crowd(at.port, at.prefix) as crowd:
        crowd.open(3, 3, 0, 1)
        assert answer_of(f"{at.url}/readyz") == (200, None)
        assert answer_of(f"http://127.0.0.1:{at.port}/drain") == (200, None)
        crowd.wait_for(b"event: bye", "reader")
        for path in ("stream/rover-telemetry", "stream/rover-image", "images"):
            assert answer_of(f"{at.url}/{path}") == refused
        with pytest.raises(urllib.error.HTTPError) as not_ready:
            urllib.request.urlopen(f"{at.url}/readyz")
        with not_ready.value:
            assert not_ready.value.code == 503
            assert json.load(not_ready.value)["phase"] == "draining"
        assert answer_of(f"{at.url}/healthz") == (200, None)
        at.process.send_signal(signal.SIGTERM)
        for _ in range(3):
            with suppress(OSError):  # some servers no longer accept connections
                assert answer_of(f"{at.url}/stream/rover-telemetry", 0.2) == refused
        assert at.process.poll() is None  # the upload is in its grace period
        finished_at = time.monotonic()
        crowd.finish(crowd.of("upload"), [])
        exited_at = crowd.watch(at.process.pid, 20)
        assert exited_at - finished_at < EXIT_S
        assert b'"status":"REJECTED"' in crowd.of("upload")[0].tail


def answer_of(url: str, timeout_s: float = 5) -> tuple[int, str | None]:
    """The status and the `Retry-After` of the answer."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            return answer.status, None
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.headers["Retry-After"]


@pytest.mark.anyio
async def test_readers_reconnect_after_a_restart_and_miss_nothing(tmp_path: Path) -> None:
    about = settings(tmp_path, ROVER_RETRY_MS="0")
    async with create_task_group() as tasks:
        with serving(ALONE, "python -m rover", tmp_path, about) as at:
            source = EventSource(f"{at.url}/stream/rover-telemetry")
            tasks.start_soon(source.run)
            await source.wait_for("message")
            at.process.send_signal(signal.SIGTERM)
            await source.wait_for("bye")
            await to_thread.run_sync(at.process.wait, 10)
        with serving(ALONE, "python -m rover", tmp_path, about, port=at.port) as at:
            source.events, before = [], source.events
            await source.wait_for("message")
        tasks.cancel_scope.cancel()
    assert "gap" not in [event.event for event in source.events]
    ids = [event.id for event in [*before, *source.events] if event.id]
    epoch, _, first = ids[0].partition("-")
    unique = list(dict.fromkeys(ids))  # an event without an id has that of the event before it
    assert unique == [f"{epoch}-{int(first) + n}" for n in range(len(unique))]


class EventSource:
    """Does what a browser's does: it reconnects after `retry`, with the last id."""

    def __init__(self, url: str) -> None:
        self.events: list[ServerSentEvent] = []
        self._url = url
        self._last_id = ""
        self._retry_ms = 100
        self._received = Event()

    async def wait_for(self, name: str) -> None:
        """Return when an event of that name has been received."""
        with fail_after(20):
            while name not in [event.event for event in self.events]:
                await self._received.wait()

    async def run(self) -> None:
        """Read, and reconnect as often as necessary, until cancelled."""
        async with httpx.AsyncClient(timeout=10) as client:
            while True:
                with suppress(httpx.TransportError):  # the server is not up
                    await self._follow(client)
                await sleep(self._retry_ms / 1000)

    async def _follow(self, client: httpx.AsyncClient) -> None:
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        async with aconnect_sse(client, "GET", self._url, headers=headers) as source:
            assert source.response.status_code == 200
            async for event in source.aiter_sse():
                self.events.append(event)
                self._last_id = event.id or self._last_id
                self._retry_ms = event.retry or self._retry_ms
                self._received.set()
                self._received = Event()
