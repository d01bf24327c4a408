"""Disconnects, by FIN, by RST, or without either: the server releases everything of the client."""

from __future__ import annotations

import asyncio
import gc
import os
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
from sources.directory import camera
from sources.values.images.ends import PNG_END
from tests.conftest import running
from tests.programs import needs
from tests.serving import FULL, ROOT, free_port, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

HEARTBEAT_S = 0.3
STALLED_S = 1.0
HANG_S = 10.0
"""Seconds until a test fails because something never happens; far below any default timeout."""

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
)
FORM = (
    "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000\r\n\r\n--b\r\n"
    'Content-Disposition: form-data; name="file"; filename="a.rcs"\r\n\r\nhalf of it'
)

STREAMS = {
    "telemetry": "GET /stream/rover-telemetry?last=1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "channel": f"GET /ws/comms/eva HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n",
    "image": "GET /stream/rover-image HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "upload": f"POST /upload/rover-commands HTTP/1.1\r\nHost: localhost\r\n{FORM}",
}


@pytest.fixture(autouse=True)
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch of a folder of images opens files at any time; these tests count files."""
    monkeypatch.setattr(camera, "reports_changes", lambda _: False)


class Site:
    """A mission whose streams can all send more than a client's buffers hold.

    Args:
        folder: for its image and its data.
        timeout_s: after which it closes stalled clients.
        more: settings.
    """

    def __init__(self, folder: Path, timeout_s: float = STALLED_S, **more: Any) -> None:
        (folder / "images").mkdir()
        image = folder / "images" / "large.png"
        image.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(32 * 2**20) + PNG_END)
        os.utime(image, (1.6e9, 1.6e9))
        settings: dict[str, Any] = {
            "telemetry": "sim:?rate_hz=10",
            "commands": "sim:",
            "heartbeat_s": HEARTBEAT_S,
            "send_timeout_s": timeout_s,
            "upload_timeout_s": timeout_s,
            "max_message_bytes": 100_000,
            "room_bytes": 2**26,
            "max_uploads": 100,
            **more,
        }
        self.mission = MissionControl(
            Settings(data_dir=folder / "data", camera=f"dir:{folder / 'images'}", **settings)
        )

    def clients(self) -> dict[str, int]:
        """The number of clients of each stream."""
        mission = self.mission
        return {
            "telemetry": len(mission.serving.streams) + mission.telemetry.topic.subscribers,
            "channel": mission.serving.websockets + mission.comms.members,
            "image": mission.cameras.readers,
            "upload": mission.commands.open_uploads,
        }

    def publish(self, stream: str, count: int) -> None:
        """Send 100 kB `count` times to a stream's clients; an image has 32 MiB anyway."""
        if stream == "telemetry":
            for _ in range(count):
                self.mission.telemetry.topic.publish(NamedEvent("test", f'"{"x" * 100_000}"'))
        elif stream == "channel":
            with self.mission.comms.join("eva", "talker") as talker:
                for _ in range(count):
                    talker.say("x" * 100_000)


async def until(condition: Callable[[], bool], timeout_s: float = HANG_S) -> float:
    """Wait for a condition; returns the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s
        await sleep(0.02)
    return time.monotonic() - began


def connected(port: int, stream: str, received_bytes: int | None = None) -> socket.socket:
    """A client whose request is answered."""
    client = socket.socket()
    if received_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, received_bytes)
    client.settimeout(20)
    client.connect(("127.0.0.1", port))
    client.sendall(STREAMS[stream].encode())
    assert client.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 101")
    return client


def reset(client: socket.socket) -> None:
    """Close with RST instead of FIN."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def wrapped(app: ASGIApp) -> ASGIApp:
    """The app inside a middleware that wraps `receive`, which hides the server's transport."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_on() -> Message:
            return await receive()

        await app(scope, receive_on, send)

    return middleware


@asynccontextmanager
async def under(server: str, app: ASGIApp) -> AsyncIterator[int]:
    """Serve the app in this process; gives the port."""
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
            # its tasks raise the error of a connection that the kernel aborted
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            tasks.start_soon(partial(hypercorn_serve, served, config, shutdown_trigger=trigger))
        else:
            granian = Granian(app, port=port, interface=Interfaces.ASGI)
            end = granian.stop
            tasks.start_soon(granian.serve)
        await to_thread.run_sync(wait_until_listening, port)
        try:
            yield port
        finally:
            end()


SERVERS = ["uvicorn", "uvicorn, wrapped", "hypercorn", "granian"]


@pytest.mark.parametrize("server", SERVERS)
async def test_a_client_that_disconnects_is_released_at_once(tmp_path: Path, server: str) -> None:
    site = Site(tmp_path, timeout_s=60)
    async with under(server, site.mission.app) as port:
        for disconnect in (socket.socket.close, reset):
            clients = [
                await to_thread.run_sync(connected, port, stream)
                for stream in STREAMS
                for _ in range(20)
            ]
            assert all(count >= 20 for count in site.clients().values())
            for client in clients:
                disconnect(client)
            await until(lambda: not any(site.clients().values()))


@pytest.mark.parametrize("server", SERVERS)
async def test_a_client_that_stops_reading_or_sending_is_released(
    tmp_path: Path, server: str
) -> None:
    site = Site(tmp_path)
    async with under(server, site.mission.app) as port:
        files = open_files()
        stopped = [await to_thread.run_sync(connected, port, stream, 4096) for stream in STREAMS]
        assert all(site.clients().values())
        for stream in STREAMS:
            site.publish(stream, 150)
        await until(lambda: not any(site.clients().values()))
        if server == "uvicorn":  # the others keep the socket until the client closes it
            # only the clients' own sockets are left
            await until(lambda: open_files() <= files + len(stopped))
        for client in stopped:
            client.close()


UNPLUGGED = """
import subprocess, sys, anyio
from pathlib import Path
from sources.directory import camera
from tests.test_disconnects import *

camera.reports_changes = lambda _: False  # else the watch of the folder opens files at any time

def link(state):
    subprocess.run(["ip", "link", "set", "lo", state], check=True)

async def main(folder, server):
    site = Site(folder)
    if server != "uvicorn":  # the kernel gives up within a second, not 15 minutes: tcp(7)
        Path("/proc/sys/net/ipv4/tcp_retries2").write_text("1")
    async with under(server, site.mission.app) as port:
        files = open_files()
        clients = [await to_thread.run_sync(connected, port, stream) for stream in STREAMS]
        assert all(site.clients().values())
        link("down")
        for stream in STREAMS:
            site.publish(stream, 1)  # fits into the kernel's send buffer
        took_s = await until(lambda: not any(site.clients().values()))
        await until(lambda: open_files() <= files + len(clients))
        link("up")
        for client in clients:
            client.close()
    print(f"released after {took_s:.1f} s")

link("up")
uvloop = {"use_uvloop": sys.argv[3] == "uvloop"}
anyio.run(main, Path(sys.argv[1]), sys.argv[2], backend_options=uvloop)
"""

OWN_NETWORK = ["unshare", "--net", *(["--user", "--map-root-user"] if os.geteuid() else [])]
"""Runs a command in a network of its own, whose loopback interface can be taken down."""


@pytest.mark.parametrize(
    ("server", "loop"),
    [
        ("uvicorn", "asyncio"),
        *((server, "uvloop") for server in (SERVERS if FULL else ["granian"])),
    ],
)
def test_an_unplugged_client_is_released(tmp_path: Path, server: str, loop: str) -> None:
    needs("ip")
    if subprocess.run([*OWN_NETWORK, "true"], check=False, capture_output=True).returncode:
        pytest.skip("network namespaces are not permitted: run as root")
    ran = subprocess.run(
        [*OWN_NETWORK, sys.executable, "-c", UNPLUGGED, str(tmp_path), server, loop],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert "released after" in ran.stdout, ran.stderr


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def come_and_go(port: int, times: int) -> None:
    """Connect to each stream in turn and disconnect in both ways, some before the answer."""
    streams = cycle(["telemetry", "channel", "image", "telemetry"])
    for number, stream in enumerate(islice(streams, times)):
        if number % 5 == 0:
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(STREAMS[stream].encode())
        else:
            client = connected(port, stream)
        (reset if number % 2 else socket.socket.close)(client)


CONNECTIONS = 2_500 if FULL else 1_000


async def test_thousands_of_connections_leave_nothing_behind(serve: Serve, tmp_path: Path) -> None:
    site = Site(tmp_path, telemetry="sim:?rate_hz=0.1")
    async with serve(site.mission.app) as url:
        for _ in range(1_000):  # a channel keeps the events of so many members
            with site.mission.comms.join("eva", "first"):
                pass
        tasks, files = len(get_running_tasks()), open_files()

        async def objects_after(times: int) -> int:
            await to_thread.run_sync(come_and_go, port_of(url), times)
            await until(lambda: not any(site.clients().values()))
            await until(lambda: len(get_running_tasks()) <= tasks)  # the server's, too
            site.mission.telemetry.history.archive()  # else new samples are in memory
            gc.collect()
            return len(gc.get_objects())

        objects = await objects_after(CONNECTIONS // 10)
        more = await objects_after(CONNECTIONS) - objects
        print(f"{tasks} tasks as before, {files} → {open_files()} files, {more} objects more")
        assert open_files() <= files + 2
        # topics retain some events meanwhile; one object per connection would be as many more
        assert more < CONNECTIONS
