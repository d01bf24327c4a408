"""Pictures over HTTP, through a real server: as they come, in parts, visibly whole or not."""

from __future__ import annotations

import io
import logging
import random
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from anyio import (
    BrokenResourceError,
    EndOfStream,
    Event,
    connect_tcp,
    create_task_group,
    fail_after,
)
from anyio.lowlevel import checkpoint
from PIL import Image as Pillow

from rover.asgi.connections import Connections
from rover.asgi.image_response import ImageResponse
from rover.asgi.ranges import parse_range
from rover.images import Images
from rover.routes.images import FIRST_IMAGE_TIMEOUT_S, routes
from rover.settings import Settings
from sources.base import ImageBroken
from sources.directory import DirectoryCamera
from tests.fake_camera import FakeCamera, Picture, open_files, receiving, spooled, until
from tests.one_stream import OneStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from anyio.abc import SocketStream
    from starlette.applications import Starlette
    from starlette.types import Message

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

PICTURE = random.Random(2).randbytes(2_000_000)
SIZE = len(PICTURE)
SERVERS = ["httptools", "h11"]


def app_of(images: Images) -> Starlette:
    mission = OneStream()
    mission.images = images
    return mission.app(routes(mission))


class Site:
    """A camera, its images, a server over it, and a client."""

    def __init__(self, camera: FakeCamera, images: Images, client: httpx.AsyncClient) -> None:
        self.camera = camera
        self.images = images
        self.client = client
        self.port = client.base_url.port or 0

    def whole(self, image_id: str = "a.png", data: bytes = PICTURE) -> Picture:
        picture = self.camera.begin(image_id)
        self.camera.send(picture, data)
        self.camera.finish(picture)
        return picture

    async def raw(self, target: str) -> SocketStream:
        """A connection that asked for `target`, as written, and has read nothing."""
        stream = await connect_tcp("127.0.0.1", self.port)
        await stream.send(f"GET {target} HTTP/1.1\r\nHost: rover\r\n\r\n".encode())
        return stream


@asynccontextmanager
async def site(
    serve: Serve,
    spool_dir: Path,
    http: str = "httptools",
    *,
    first_image_timeout_s: float = FIRST_IMAGE_TIMEOUT_S,
    **settings: Any,
) -> AsyncIterator[Site]:
    mission = OneStream(**settings)
    camera = FakeCamera()
    async with AsyncExitStack() as stack:
        images = await stack.enter_async_context(receiving(camera, spool_dir, mission.settings))
        mission.images = images
        app = mission.app(routes(mission, first_image_timeout_s))
        url = await stack.enter_async_context(serve(app, http=http))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=10))
        yield Site(camera, images, client)


async def drain(stream: SocketStream) -> bytes:
    """All that comes until the connection is cut, one way or the other."""
    got = bytearray()
    try:
        while True:
            got += await stream.receive(2**18)
    except (EndOfStream, BrokenResourceError):
        return bytes(got)


@pytest.fixture
def calm(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is logged as an error, by the server or by us."""
    yield
    loud = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not loud, [record.getMessage() for record in loud]


# ------------------------------------------------------------------------------- whole pictures


async def test_the_latest_picture_and_any_by_id_come_whole(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        at.whole("old.png", b"old")
        at.whole("new.png")
        for path in ("/stream/rover-image", "/stream/rover-image?id=new.png", "/images/new.png"):
            answer = await at.client.get(path)
            assert (answer.status_code, answer.content) == (200, PICTURE)
            assert answer.headers["content-length"] == str(SIZE)
            assert answer.headers["content-type"] == "image/png"
            assert answer.headers["x-image-id"] == "new.png"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["accept-ranges"] == "bytes"
            assert answer.headers["content-disposition"] == 'inline; filename="new.png"'
            assert "no-cache" in answer.headers["cache-control"]
        assert (await at.client.get("/stream/rover-image?id=old.png")).content == b"old"


async def test_the_list_describes_every_picture_with_links_that_work(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        at.whole("old.png", b"old")
        arriving = at.camera.begin("new é.png", size=100)
        at.camera.send(arriving, b"x" * 40)
        await spooled(at.images, "new é.png", 40)
        newest, old = (await at.client.get("/images")).json()["images"]
        assert newest | {"received_at": None} == {
            "id": "new é.png",
            "content_type": "image/png",
            "size": 100,
            "received": 40,
            "complete": False,
            "revision": "1",
            "taken_at": None,
            "received_at": None,
            "width": None,
            "height": None,
            "sha256": None,
            "metadata": {},
            "url": "images/new%20%C3%A9.png",
            "stream": "stream/rover-image?id=new%20%C3%A9.png",
        }
        assert newest["received_at"].endswith("Z")
        assert (await at.client.get(f"/{old['url']}")).content == b"old"
        assert (await at.client.get(f"/{old['stream']}")).content == b"old"
        assert len((await at.client.get("/images?limit=1")).json()["images"]) == 1


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1e3", "9" * 30])
async def test_a_limit_that_makes_no_sense_is_refused(
    serve: Serve, tmp_path: Path, limit: str
) -> None:
    async with site(serve, tmp_path) as at:
        answer = await at.client.get("/images", params={"limit": limit})
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert "from 1 to 1,000" in answer.json()["detail"]


async def test_who_asks_before_the_first_picture_gets_it_when_it_comes(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        stream = await at.raw("/stream/rover-image")
        await checkpoint()
        at.whole()
        with fail_after(5):
            assert (await stream.receive(64)).startswith(b"HTTP/1.1 200")
        await stream.aclose()


async def test_a_missing_first_image_and_unknown_images_are_not_found(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path, first_image_timeout_s=0.1) as at:
        answer = await at.client.get("/stream/rover-image")
        assert answer.status_code == 404
        assert "no picture has arrived yet; the camera holds none" in answer.json()["detail"]
        for path in ("/images/b.png", "/images/", "/stream/rover-image?id="):
            assert (await at.client.get(path)).status_code == 404
        assert (await at.client.post("/images/b.png")).status_code == 405


# --------------------------------------------------------------------------- parts and conditions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=99-", (99, 100)),
        ("bytes=50-1000", (50, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-1000", (0, 100)),
        ("Bytes= 1-2 ", (1, 3)),
        ("bytes=100-", (100, 100)),
        ("bytes=999999999999999999-", (100, 100)),
        ("bytes=-0", (100, 100)),
        ("bytes=2-1", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=٣-٤", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_ranges_are_read_as_rfc_9110_has_them(text: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(text, 100) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes=5-9", slice(5, 10)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=1000000-", slice(10**6, None)),
    ],
)
async def test_a_part_is_sent_as_206(serve: Serve, tmp_path: Path, text: str, part: slice) -> None:
    async with site(serve, tmp_path) as at:
        at.whole()
        answer = await at.client.get("/images/a.png", headers={"Range": text})
        assert (answer.status_code, answer.content) == (206, PICTURE[part])
        start, stop, _ = part.indices(SIZE)
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
        assert answer.headers["content-length"] == str(stop - start)


async def test_a_part_beyond_the_end_is_416_and_odd_ranges_get_it_all(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        at.whole()
        answer = await at.client.get("/images/a.png", headers={"Range": f"bytes={SIZE}-"})
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{SIZE}"
        assert f"{SIZE:,} bytes" in answer.json()["detail"]
        answer = await at.client.get("/images/a.png", headers={"Range": "bytes=0-1,4-5"})
        assert (answer.status_code, len(answer.content)) == (200, SIZE)


async def test_conditions_are_held_to_the_strong_etag(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        at.whole()
        tag = (await at.client.head("/images/a.png")).headers["etag"]
        assert tag.startswith('"')

        async def status(**headers: str) -> int:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return (await at.client.get("/images/a.png", headers=named)).status_code

        assert await status(If_None_Match=tag) == 304
        assert await status(If_None_Match=f'"x", W/{tag}') == 304
        assert await status(If_None_Match="*") == 304
        assert await status(If_None_Match='"x"') == 200
        assert await status(If_None_Match=tag, Range="bytes=0-1") == 304
        assert await status(If_Range=tag, Range="bytes=0-1") == 206
        assert await status(If_Range='"x"', Range="bytes=0-1") == 200
        assert await status(If_Range=f"W/{tag}", Range="bytes=0-1") == 200
        assert await status(If_Range="Sun, 22 Nov 2026 07:00:00 GMT", Range="bytes=0-1") == 200
        at.camera.begin("a.png", revision="2")
        at.camera.finish(at.camera.pictures["a.png"])
        assert await status(If_None_Match=tag) == 200


async def test_head_has_the_headers_of_get_and_no_body(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        at.whole("b.png")
        at.camera.send(at.camera.begin("a.png", size=10), b"x" * 10)
        at.camera.finish(at.camera.pictures["a.png"])
        await spooled(at.images, "a.png")
        await spooled(at.images, "b.png")  # else it arrives, and more is known each time
        for path in ("/images/b.png", "/stream/rover-image"):
            head = await at.client.head(path)
            get = await at.client.get(path)
            assert head.content == b""
            assert dict(head.headers) | {"date": ""} == dict(get.headers) | {"date": ""}
        assert (
            await at.client.head("/images/b.png", headers={"Range": "bytes=0-1"})
        ).status_code == 200


# ------------------------------------------------------------------------------ while it arrives


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize("http", SERVERS)
async def test_bytes_come_as_they_arrive(
    serve: Serve, tmp_path: Path, size: int | None, http: str, calm: None
) -> None:
    async with site(serve, tmp_path, http) as at:
        picture = at.camera.begin("a.png", size=size)
        at.camera.send(picture, PICTURE[:1000])
        async with at.client.stream("GET", "/stream/rover-image") as answer:
            assert answer.headers.get("content-length") == (str(size) if size else None)
            assert answer.headers["x-accel-buffering"] == "no"
            assert ("accept-ranges" in answer.headers) is (size is not None)
            chunks = answer.aiter_raw()
            got = await anext(chunks)
            assert got == PICTURE[:1000]
            at.camera.send(picture, PICTURE[1000:])
            at.camera.finish(picture)
            async for chunk in chunks:
                got += chunk
        assert got == PICTURE
        assert at.camera.opened == [("a.png", 0)]


async def test_a_part_that_has_not_arrived_is_waited_for(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        picture = at.camera.begin("a.png", size=SIZE)
        at.camera.send(picture, PICTURE[:1000])
        part = {"Range": "bytes=1500000-1500009"}
        async with at.client.stream("GET", "/images/a.png", headers=part) as answer:
            assert answer.status_code == 206
            at.camera.send(picture, PICTURE[1000:1_600_000])
            assert await answer.aread() == PICTURE[1_500_000:1_500_010]
        unknown = at.camera.begin("b.png")
        at.camera.send(unknown, b"12345")
        at.camera.finish(unknown)


async def test_a_range_is_ignored_while_the_size_is_unknown(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        picture = at.camera.begin("a.png")
        at.camera.send(picture, b"12345")
        async with at.client.stream(
            "GET", "/images/a.png", headers={"Range": "bytes=2-3"}
        ) as answer:
            assert answer.status_code == 200
            at.camera.finish(picture)
            assert await answer.aread() == b"12345"


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize("http", SERVERS)
async def test_a_picture_that_breaks_off_is_visibly_incomplete_and_calmly_so(
    serve: Serve, tmp_path: Path, size: int | None, http: str, calm: None
) -> None:
    async with site(serve, tmp_path, http) as at:
        picture = at.camera.begin("a.png", size=size)
        at.camera.send(picture, PICTURE[:1_500_000])
        got = b""
        async with at.client.stream("GET", "/stream/rover-image") as answer:
            chunks = answer.aiter_raw()
            while len(got) < 1_500_000:
                got += await anext(chunks)
            at.camera.change(picture, failure=ImageBroken("a.png", "cut off"))
            with pytest.raises(httpx.RemoteProtocolError):
                await anext(chunks)
        assert got == PICTURE[:1_500_000]
        await until(lambda: at.images.readers == 0)
        assert (await at.client.get("/images")).status_code == 200


async def test_two_readers_at_different_speeds_get_the_same_bytes(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        picture = at.camera.begin("a.png", size=SIZE)
        got: dict[str, bytes] = {}

        async def slowly() -> None:
            async with await at.raw("/stream/rover-image?id=a.png") as stream:
                body = bytearray()
                while not body.endswith(PICTURE[-20:]):
                    body += await stream.receive(700)
                got["slow"] = bytes(body).partition(b"\r\n\r\n")[2]

        async def quickly() -> None:
            got["quick"] = (await at.client.get("/images/a.png")).content

        with fail_after(20):
            async with create_task_group() as tasks:
                tasks.start_soon(slowly)
                tasks.start_soon(quickly)
                for start in range(0, SIZE, 100_000):
                    at.camera.send(picture, PICTURE[start : start + 100_000])
                at.camera.finish(picture)
        assert got == {"slow": PICTURE, "quick": PICTURE}


# ------------------------------------------------------------------------- readers that misbehave


@pytest.mark.parametrize("http", SERVERS)
async def test_a_reader_that_takes_nothing_is_cut_off_and_delays_nobody(
    serve: Serve, tmp_path: Path, http: str, calm: None
) -> None:
    large = PICTURE * 10
    async with site(serve, tmp_path, http, send_timeout_s=0.5) as at:
        at.whole("a.png", large)
        await spooled(at.images, "a.png")
        before = open_files()
        async with await at.raw("/images/a.png") as stalled:
            await until(lambda: at.images.readers == 1)
            with fail_after(5):
                assert (await at.client.get("/images/a.png")).content == large
            assert at.images.readers == 1
            await until(lambda: at.images.readers == 0)
            await at.client.aclose()
            await until(lambda: open_files() <= before + 1)  # only the stalled client's own end
            assert len(await drain(stalled)) < len(large)


class Connection:
    """A server's side of one request, as uvicorn has it: `receive` is bound to what holds it."""

    def __init__(self, *, flushes: bool) -> None:
        self.calls: list[str] = []
        self.transport = self
        self._flushes = flushes
        self._gone = Event()

    def close(self) -> None:
        self.calls.append("close")
        if self._flushes:
            self._gone.set()

    def abort(self) -> None:
        self.calls.append("abort")
        self._gone.set()

    def is_closing(self) -> bool:
        return self._gone.is_set()

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> None:
        return None

    async def receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.calls.append(message["type"])


@pytest.mark.parametrize(("flushes", "ends"), [(True, ["close"]), (False, ["close", "abort"])])
async def test_what_came_of_a_broken_picture_is_flushed_before_the_connection_is_cut(
    tmp_path: Path, *, flushes: bool, ends: list[str]
) -> None:
    camera = FakeCamera()
    async with receiving(camera, tmp_path) as images:
        picture = camera.begin("a.png")
        camera.send(picture, b"half")
        camera.change(picture, failure=ImageBroken("a.png", "cut off"))
        response = ImageResponse(images, picture.image, Connections(0.02))
        connection = Connection(flushes=flushes)
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        with fail_after(5):
            await response(scope, connection.receive, connection.send)
        assert connection.calls == ["http.response.start", "http.response.body", *ends]


@pytest.mark.parametrize("http", SERVERS)
async def test_a_reader_that_leaves_midway_leaves_nothing(
    serve: Serve, tmp_path: Path, http: str, calm: None
) -> None:
    async with site(serve, tmp_path, http) as at:
        at.whole("whole.png", PICTURE * 10)
        at.camera.send(at.camera.begin("arriving.png", size=SIZE), PICTURE[:1000])
        await spooled(at.images, "arriving.png", 1000)
        await spooled(at.images, "whole.png")
        before = open_files()
        for target in ["/images/whole.png", "/images/arriving.png"] * 25:
            stream = await at.raw(target)
            await stream.receive(100)
            await stream.aclose()
        await until(lambda: at.images.readers == 0)
        await until(lambda: open_files() == before)
        spools = at.images._spools.values()
        assert [spool.growth.subscribers for spool in spools] == [0, 0]


async def test_closing_the_downlink_ends_open_responses_at_once(
    serve: Serve, tmp_path: Path, calm: None
) -> None:
    async with site(serve, tmp_path) as at:
        at.camera.send(at.camera.begin("waiting.png", size=SIZE), PICTURE[:1000])
        at.whole("stalled.png", PICTURE * 10)
        waiting = await at.raw("/images/waiting.png")
        stalled = await at.raw("/images/stalled.png")
        async with waiting, stalled:
            await until(lambda: at.images.readers == 2)
            at.images.close()
            with fail_after(2):
                assert len(await drain(waiting)) < SIZE
                assert len(await drain(stalled)) < SIZE * 10
        assert at.images.readers == 0


# ----------------------------------------------------------------------- names, and real folders


@pytest.mark.parametrize(
    "name",
    ["a b.png", "é漢字🚀.png", "100%25.png", "a#b?c&d=e+f.png", "new\nline.png", "'\";\\.png"],
)
async def test_odd_names_make_the_round_trip(serve: Serve, tmp_path: Path, name: str) -> None:
    async with site(serve, tmp_path) as at:
        at.whole(name, b"odd")
        (listed,) = (await at.client.get("/images")).json()["images"]
        for link in (listed["url"], listed["stream"]):
            answer = await at.client.get(f"/{link}")
            assert (answer.status_code, answer.content) == (200, b"odd")
            assert answer.headers["x-image-id"] == quote(name, safe="")
            disposition = answer.headers["content-disposition"]
            assert f"filename*=UTF-8''{quote(name, safe='')}" in disposition


async def test_a_name_without_the_right_ending_is_given_one_to_save_it_by(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        at.whole("sol 12/frame", b"x")
        (listed,) = (await at.client.get("/images")).json()["images"]
        answer = await at.client.get(f"/{listed['url']}")
        assert answer.headers["content-disposition"] == 'inline; filename="frame.png"'


@pytest.mark.parametrize(
    "target",
    [
        "/images/../secret.png",
        "/images/..%2fsecret.png",
        "/images/%2e%2e%2fsecret.png",
        "/images/%2e%2e/secret.png",
        "/images/%252e%252e%252fsecret.png",
        "/images//etc/passwd",
        "/images/%2Fetc%2Fpasswd",
        "/images/a.png%00",
        "/images/%00",
        "/images/a.png/../../secret.png",
        "/images/%ff%fe",
        "/images/.",
        "/stream/rover-image?id=../secret.png",
        "/stream/rover-image?id=%2e%2e%2fsecret.png",
        "/stream/rover-image?id=/etc/passwd",
        "/stream/rover-image?id=a.png%00",
    ],
)
async def test_no_request_leads_out_of_the_folder(
    serve: Serve, tmp_path: Path, target: str, calm: None
) -> None:
    (folder := tmp_path / "pictures").mkdir()  # before anything runs
    Pillow.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    Pillow.new("RGB", (9, 9)).save(folder / "a.png")
    async with DirectoryCamera(folder) as camera:
        images = Images(camera, Settings(), tmp_path / "spool")
        async with serve(app_of(images)) as url:
            async with await connect_tcp("127.0.0.1", httpx.URL(url).port or 0) as stream:
                await stream.send(
                    f"GET {target} HTTP/1.1\r\nHost: rover\r\nConnection: close\r\n\r\n".encode()
                )
                answer = await drain(stream)
            assert answer.startswith(b"HTTP/1.1 404 ")
            async with httpx.AsyncClient(base_url=url) as client:
                assert (await client.get("/images/a.png")).status_code == 200


async def test_the_curiosity_mosaic_is_served_whole_and_the_drive_newest_first(
    serve: Serve, tmp_path: Path, shared_data: Path
) -> None:
    mosaic = "N_L000_1051_ILT048CYL_S_2470_UNCORM1.jpg"
    for folder, count in (("images", 1), ("images/drive", 120)):
        async with DirectoryCamera(shared_data / folder) as camera:
            images = Images(camera, Settings(), tmp_path)
            async with (
                serve(app_of(images)) as url,
                httpx.AsyncClient(base_url=url) as client,
            ):
                listed = (await client.get("/images?limit=1000")).json()["images"]
                assert len(listed) == count
                times = [image["received_at"] for image in listed]
                assert times == sorted(times, reverse=True)
                answer = await client.get("/stream/rover-image")
                assert answer.headers["x-image-id"] == listed[0]["id"]
                assert len(answer.content) == listed[0]["size"]
                size = Pillow.open(io.BytesIO(answer.content)).size
                assert size == (listed[0]["width"], listed[0]["height"])
                if count == 1:
                    assert (listed[0]["id"], size) == (mosaic, (7696, 1800))
