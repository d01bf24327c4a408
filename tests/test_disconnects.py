"""Clients that go: with a goodbye, with a reset, or silently; nothing of them stays."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypercorn.config
import pytest
from anyio import Event, create_task_group, get_running_tasks, sleep, to_thread
from granian.constants import Interfaces
from granian.server.embed import Server as Granian
from hypercorn.asyncio import serve as hypercorn_serve

from rover.mission import MissionControl
from rover.settings import Settings
from rover.telemetry.events import NamedEvent
from tests.conftest import running
from tests.serving import ROOT, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

HEARTBEAT_S = 0.3
SEND_TIMEOUT_S = 1.0
LOADED_S = 8.0
"""What a busy machine may take on top of the two."""

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
)
FORM = (
    "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000\r\n\r\n--b\r\n"
    'Content-Disposition: form-data; name="file"; filename="a.rcs"\r\n\r\nhalf of it'
)

STREAMS = {
    "telemetry": "GET /stream/rover-telemetry?last=1 HTTP/1.1\r\nHost: rover\r\n\r\n",
    "room": f"GET /ws/comms/eva HTTP/1.1\r\nHost: rover\r\n{UPGRADE}\r\n",
    "picture": "GET /stream/rover-image HTTP/1.1\r\nHost: rover\r\n\r\n",
    "upload": f"POST /upload/rover-commands HTTP/1.1\r\nHost: rover\r\n{FORM}",
}


class Site:
    """A mission whose every stream can have plenty to say."""

    def __init__(self, folder: Path) -> None:
        (folder / "pictures").mkdir()
        picture = folder / "pictures" / "large.png"
        picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(32 * 2**20))
        os.utime(picture, (1.6e9, 1.6e9))
        self.mission = MissionControl(
            Settings(
                telemetry="sim:?rate_hz=10",
                camera=f"dir:{folder / 'pictures'}",
                data_dir=folder / "data",
                heartbeat_s=HEARTBEAT_S,
                send_timeout_s=SEND_TIMEOUT_S,
                upload_timeout_s=SEND_TIMEOUT_S,
                max_message_bytes=100_000,
                room_bytes=2**26,
                max_uploads=100,
            )
        )

    def there(self) -> dict[str, int]:
        """How many are in each stream."""
        mission = self.mission
        return {
            "telemetry": len(mission.serving.streams) + mission.telemetry.topic.subscribers,
            "room": mission.serving.websockets + mission.comms.members,
            "picture": mission.images.readers,
            "upload": mission.commands.open_uploads,
        }

    def speak(self, stream: str, count: int) -> None:
        """Have the stream say so many times 100 kB; a picture says its 32 MiB anyway."""
        if stream == "telemetry":
            for _ in range(count):
                self.mission.telemetry.topic.publish(NamedEvent("test", f'"{"x" * 100_000}"'))
        elif stream == "room":
            with self.mission.comms.join("eva", "talker") as talker:
                for _ in range(count):
                    talker.say("x" * 100_000)


async def until(true: Callable[[], bool], timeout_s: float) -> float:
    """Seconds that it took to come true."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < timeout_s
        await sleep(0.02)
    return time.monotonic() - began


def connected(port: int, stream: str, received_bytes: int | None = None) -> socket.socket:
    """A client whose request was answered."""
    client = socket.socket()
    if received_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, received_bytes)
    client.settimeout(20)
    client.connect(("127.0.0.1", port))
    client.sendall(STREAMS[stream].encode())
    assert client.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 101")
    return client


def reset(client: socket.socket) -> None:
    """Go without a goodbye: the kernel sends RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def wrapped(app: ASGIApp) -> ASGIApp:
    """The app inside a middleware that hides the server's connection, as many do."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_on() -> Message:
            return await receive()

        await app(scope, receive_on, send)

    return middleware


@asynccontextmanager
async def under(server: str, app: ASGIApp) -> AsyncIterator[int]:
    """The port at which the app is served in this process."""
    if server.startswith("uvicorn"):
        about: dict[str, Any] = {"timeout_keep_alive": 1}
        async with running(wrapped(app) if "wrapped" in server else app, **about) as url:
            yield port_of(url)
        return
    port = free_port()
    async with create_task_group() as tasks:
        if server == "hypercorn":
            ended, config = Event(), hypercorn.config.Config()
            config.bind, end = [f"127.0.0.1:{port}"], ended.set
            trigger: Any = ended.wait
            served: Any = app
            # what the kernel gave a connection up for, its task raises, for asyncio to log
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            tasks.start_soon(partial(hypercorn_serve, served, config, shutdown_trigger=trigger))
        else:
            granian = Granian(app, port=port, interface=Interfaces.ASGI)
            end = granian.stop
            tasks.start_soon(granian.serve)
        await to_thread.run_sync(wait_until_up, port)
        try:
            yield port
        finally:
            end()


def wait_until_up(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


SERVERS = ["uvicorn", "uvicorn, wrapped", "hypercorn", "granian"]


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["FIN", "RST"])
@pytest.mark.parametrize("server", SERVERS)
async def test_who_goes_is_forgotten_at_once(
    tmp_path: Path, server: str, leave: Callable[[socket.socket], None]
) -> None:
    site = Site(tmp_path)
    async with under(server, site.mission.app) as port:
        clients = [await to_thread.run_sync(connected, port, s) for s in STREAMS for _ in range(20)]
        assert all(there >= 20 for there in site.there().values())
        for client in clients:
            leave(client)
        await until(lambda: not any(site.there().values()), LOADED_S)


@pytest.mark.parametrize("server", SERVERS)
async def test_who_stops_reading_or_sending_is_forgotten(tmp_path: Path, server: str) -> None:
    site = Site(tmp_path)
    async with under(server, site.mission.app) as port:
        files = open_files()
        stopped = [await to_thread.run_sync(connected, port, stream, 4096) for stream in STREAMS]
        assert all(site.there().values())
        for stream in STREAMS:
            site.speak(stream, 150)
        within_s = HEARTBEAT_S + 2 * SEND_TIMEOUT_S + LOADED_S
        await until(lambda: not any(site.there().values()), within_s)
        if server == "uvicorn":  # the others keep the socket until the client closes it
            # the clients' own sockets, which are still open
            await until(lambda: open_files() <= files + len(stopped), LOADED_S)
        for client in stopped:
            client.close()


PULLED = """
import subprocess, sys, anyio
from pathlib import Path
from tests.test_disconnects import *

def link(state):
    subprocess.run(["ip", "link", "set", "lo", state], check=True)

async def main(folder, server):
    site = Site(folder)
    if server != "uvicorn":  # the kernel gives up after some 3 s instead of 15 minutes: tcp(7)
        Path("/proc/sys/net/ipv4/tcp_retries2").write_text("3")
    async with under(server, site.mission.app) as port:
        files = open_files()
        clients = [await to_thread.run_sync(connected, port, stream) for stream in STREAMS]
        assert all(site.there().values())
        await sleep(0.5)  # those that the search finds are found
        link("down")
        for stream in STREAMS:
            site.speak(stream, 1)  # less than the kernel takes for somebody who is gone
        within_s = HEARTBEAT_S + SEND_TIMEOUT_S + LOADED_S
        took_s = await until(lambda: not any(site.there().values()), within_s)
        await until(lambda: open_files() <= files + len(clients), LOADED_S)
        link("up")
        for client in clients:
            client.close()
    print(f"forgotten after {took_s:.1f} s")

link("up")
uvloop = {"use_uvloop": sys.argv[3] == "uvloop"}
anyio.run(main, Path(sys.argv[1]), sys.argv[2], backend_options=uvloop)
"""

ALONE = ["unshare", "--user", "--map-root-user", "--net"]
"""In a network of its own, whose only cable can be pulled."""


@pytest.mark.parametrize(
    ("server", "loop"), [("uvicorn", "asyncio"), *((server, "uvloop") for server in SERVERS)]
)
def test_whose_cable_is_pulled_is_forgotten(tmp_path: Path, server: str, loop: str) -> None:
    if not shutil.which("ip") or subprocess.run([*ALONE, "true"], check=False).returncode:
        pytest.skip("no network namespaces here")
    ran = subprocess.run(
        [*ALONE, sys.executable, "-c", PULLED, str(tmp_path), server, loop],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert "forgotten after" in ran.stdout, ran.stderr


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def come_and_go(port: int, times: int) -> None:
    """Connect to every stream in turn, and leave in either way, some before their answer."""
    streams = cycle(["telemetry", "room", "picture", "telemetry"])
    for number, stream in enumerate(islice(streams, times)):
        if number % 5 == 0:
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(STREAMS[stream].encode())
        else:
            client = connected(port, stream)
        (reset if number % 2 else socket.socket.close)(client)


async def test_ten_thousand_that_come_and_go_leave_nothing(serve: Serve, tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with serve(site.mission.app) as url:
        tasks, files = len(get_running_tasks()), open_files()

        async def objects_after(times: int) -> int:
            await to_thread.run_sync(come_and_go, port_of(url), times)
            await until(lambda: not any(site.there().values()), 10)
            await until(lambda: len(get_running_tasks()) <= tasks, 10)  # the server's as well
            gc.collect()
            return len(gc.get_objects())

        objects = await objects_after(1_000)  # and with them what is made once and kept
        more = await objects_after(10_000) - objects
        print(f"{tasks} tasks as before, {files} → {open_files()} files, {more} objects more")
        assert open_files() <= files + 2
        assert more < 2_000  # one for each that came would be ten thousand
