"""Images over real sockets while they arrive, and clients that stall or disconnect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from anyio import (
    Event,
    create_task_group,
    fail_after,
)

from rover.asgi.connections import Connections
from rover.asgi.image_response import ImageResponse
from sources.base import ImageBroken
from tests.fake_camera import FakeCamera, open_files, receiving, spooled
from tests.image_site import DATA, SIZE, read_to_end, site
from tests.slow_client import read_rest, read_slowly, slow_socket
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Message

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

SERVERS = ["httptools", "h11"]


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize("http", SERVERS)
async def test_bytes_are_sent_as_they_arrive(
    serve: Serve, tmp_path: Path, size: int | None, http: str
) -> None:
    async with site(serve, tmp_path, http) as at:
        arriving = at.camera.begin("a.png", size=size)
        at.camera.send(arriving, DATA[:1000])
        async with at.client.stream("GET", "/images/a.png") as response:
            assert response.headers.get("content-length") == (str(size) if size else None)
            assert response.headers["x-accel-buffering"] == "no"
            assert ("accept-ranges" in response.headers) is (size is not None)
            chunks = response.aiter_raw()
            got = await anext(chunks)
            assert got == DATA[:1000]
            at.camera.send(arriving, DATA[1000:])
            at.camera.finish(arriving)
            async for chunk in chunks:
                got += chunk
        assert got == DATA
        assert at.camera.opened == [("a.png", 0)]


async def test_a_range_that_has_not_arrived_is_sent_when_it_arrives(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        arriving = at.camera.begin("a.png", size=SIZE)
        at.camera.send(arriving, DATA[:1000])
        part = {"Range": "bytes=1500000-1500009"}
        async with at.client.stream("GET", "/images/a.png", headers=part) as response:
            assert response.status_code == 206
            at.camera.send(arriving, DATA[1000:1_600_000])
            assert await response.aread() == DATA[1_500_000:1_500_010]


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize("http", SERVERS)
async def test_the_response_with_a_broken_image_is_visibly_incomplete(
    serve: Serve, tmp_path: Path, size: int | None, http: str
) -> None:
    async with site(serve, tmp_path, http) as at:
        arriving = at.camera.begin("a.png", size=size)
        at.camera.send(arriving, DATA[:1_500_000])
        got = b""
        async with at.client.stream("GET", "/stream/rover-image") as response:
            chunks = response.aiter_raw()
            while len(got) < 1_500_000:
                got += await anext(chunks)
            at.camera.change(arriving, failure=ImageBroken("a.png", "signal lost"))
            with pytest.raises(httpx.RemoteProtocolError):
                await anext(chunks)
        assert got == DATA[:1_500_000]
        await until(lambda: at.images.readers == 0)
        assert (await at.client.get("/images")).status_code == 200


async def test_a_slow_and_a_fast_client_receive_the_same_bytes(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        arriving = at.camera.begin("a.png", size=SIZE)
        got: dict[str, bytes] = {}

        async def slowly() -> None:
            async with await at.raw("/stream/rover-image?id=a.png") as stream:
                body = bytearray()
                while not body.endswith(DATA[-20:]):
                    body += await stream.receive(700)
                got["slow"] = bytes(body).partition(b"\r\n\r\n")[2]

        async def quickly() -> None:
            got["quick"] = (await at.client.get("/images/a.png")).content

        with fail_after(20):
            async with create_task_group() as tasks:
                tasks.start_soon(slowly)
                tasks.start_soon(quickly)
                for start in range(0, SIZE, 100_000):
                    at.camera.send(arriving, DATA[start : start + 100_000])
                at.camera.finish(arriving)
        assert got == {"slow": DATA, "quick": DATA}


@pytest.mark.parametrize("http", SERVERS)
async def test_a_stalled_client_delays_no_other_client(
    serve: Serve, tmp_path: Path, http: str
) -> None:
    large = DATA * 10
    async with site(serve, tmp_path, http) as at:
        at.complete("a.png", large)
        async with await at.raw("/images/a.png"):
            await until(lambda: at.images.readers == 1)
            assert (await at.client.get("/images/a.png")).content == large
            assert at.images.readers == 1


@pytest.mark.parametrize("http", SERVERS)
async def test_a_stalled_client_is_aborted(serve: Serve, tmp_path: Path, http: str) -> None:
    large = DATA * 10
    async with site(serve, tmp_path, http, send_timeout_s=0.2) as at:
        at.complete("a.png", large)
        await spooled(at.images, "a.png")
        before = open_files()
        async with await at.raw("/images/a.png") as stalled:
            assert await stalled.receive(1) == b"H"  # the response has begun
            await until(lambda: at.images.readers == 0)
            await until(lambda: open_files() <= before + 1)  # the stalled client's own socket
            assert len(await read_to_end(stalled)) < len(large)


async def test_a_client_that_reads_slowly_receives_every_byte(serve: Serve, tmp_path: Path) -> None:
    large = DATA * 5
    async with site(serve, tmp_path, send_timeout_s=1) as at:
        at.complete("a.png", large)
        with slow_socket(f"http://127.0.0.1:{at.port}", 65_536) as slow:
            slow.sendall(b"GET /images/a.png HTTP/1.1\r\nHost: localhost\r\n\r\n")
            begin = await read_slowly(slow, 6, 400_000)
            body = begin.partition(b"\r\n\r\n")[2]
            assert body + await read_rest(slow, len(large) - len(body)) == large


class Connection:
    """The server's side of one request, as uvicorn's request cycle: `receive` is its method."""

    def __init__(self, *, flushes: bool) -> None:
        self.calls: list[str] = []
        self.transport = self
        self._flushes = flushes
        self._disconnected = Event()

    def close(self) -> None:
        self.calls.append("close")
        if self._flushes:
            self._disconnected.set()

    def abort(self) -> None:
        self.calls.append("abort")
        self._disconnected.set()

    def is_closing(self) -> bool:
        return self._disconnected.is_set()

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> None:
        return None

    async def receive(self) -> Message:
        await self._disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.calls.append(message["type"])


@pytest.mark.parametrize(("flushes", "ends"), [(True, ["close"]), (False, ["close", "abort"])])
async def test_the_bytes_of_a_broken_image_are_flushed_before_the_connection_is_closed(
    tmp_path: Path, *, flushes: bool, ends: list[str]
) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        arriving = camera.begin("a.png")
        camera.send(arriving, b"half")
        camera.change(arriving, failure=ImageBroken("a.png", "signal lost"))
        connections = Connections(0.02)
        response = ImageResponse(images, arriving.image, connections)
        connection = Connection(flushes=flushes)
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        with fail_after(5):
            async with create_task_group() as tasks:
                tasks.start_soon(connections.run)
                await response(scope, connection.receive, connection.send)
                tasks.cancel_scope.cancel()
        assert connection.calls == ["http.response.start", "http.response.body", *ends]


@pytest.mark.parametrize("http", SERVERS)
async def test_clients_that_disconnect_leave_no_open_files(
    serve: Serve, tmp_path: Path, http: str
) -> None:
    async with site(serve, tmp_path, http) as at:
        at.complete("complete.png", DATA * 10)
        at.camera.send(at.camera.begin("arriving.png", size=SIZE), DATA[:1000])
        await spooled(at.images, "arriving.png", 1000)
        await spooled(at.images, "complete.png")
        before = open_files()
        for target in ["/images/complete.png", "/images/arriving.png"] * 25:
            stream = await at.raw(target)
            await stream.receive(100)
            await stream.aclose()
        await until(lambda: at.images.readers == 0)
        await until(lambda: open_files() == before)
        spools = at.images.receiver.spools.values()
        assert [spool.growth.subscribers for spool in spools] == [0, 0]


async def test_close_ends_open_responses_at_once(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        at.camera.send(at.camera.begin("waiting.png", size=SIZE), DATA[:1000])
        at.complete("stalled.png", DATA * 10)
        waiting = await at.raw("/images/waiting.png")
        stalled = await at.raw("/images/stalled.png")
        async with waiting, stalled:
            await until(lambda: at.images.readers == 2)
            at.images.close()
            with fail_after(10):
                assert len(await read_to_end(waiting)) < SIZE
                assert len(await read_to_end(stalled)) < SIZE * 10
        assert at.images.readers == 0
