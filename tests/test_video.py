"""The newest images of a camera as a video and as a snapshot."""

from __future__ import annotations

import io
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import pytest
from anyio import Event, create_task_group, fail_after, sleep_forever
from PIL import Image as Pillow

from rover.asgi.connections import Connections
from rover.asgi.video_response import BOUNDARY, PIECE_BYTES, VideoResponse
from rover.images.scaling import scaled
from rover.shares import Pool
from sources.base import SourceError
from tests.fake_camera import spooled
from tests.image_site import site
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx
    from starlette.types import Message

    from sources.base import Image
    from tests.conftest import Serve
    from tests.image_site import Site

pytestmark = pytest.mark.anyio


def jpeg(shade: int, size: tuple[int, int] = (64, 48), form: str = "JPEG") -> bytes:
    Pillow.new("RGB", size, (shade, 0, 0)).save(file := io.BytesIO(), form)
    return file.getvalue()


class Viewer:
    """Reads the parts of a video."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._chunks = response.aiter_raw()
        self._data = b""
        self.boundary = b"--" + response.headers["content-type"].partition("boundary=")[2].encode()

    async def _until(self, end: bytes) -> bytes:
        while end not in self._data:
            self._data += await anext(self._chunks)
        found, _, self._data = self._data.partition(end)
        return found

    async def frame(self) -> tuple[dict[str, str], bytes]:
        """The headers and the bytes of the next part."""
        with fail_after(5):
            await self._until(self.boundary)
            assert await self._until(b"\r\n") == b""
            lines = (await self._until(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ") for line in lines)
            body = await self._until(b"\r\n" + self.boundary)
        self._data = self.boundary + self._data
        assert len(body) == int(headers["content-length"])
        return headers, body


@asynccontextmanager
async def viewing(at: Site, query: str = "") -> AsyncIterator[Viewer]:
    async with at.client.stream("GET", f"/stream/rover-video?hz=30{query}") as response:
        assert response.status_code == 200
        yield Viewer(response)


async def arrive(at: Site, name: str, data: bytes) -> None:
    at.complete(name, data)
    await spooled(at.images, name)


async def test_each_new_image_is_a_part_with_its_length_and_its_time(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        await arrive(at, "a.jpg", jpeg(10))
        async with viewing(at) as viewer:
            for shade in (10, 20, 30):
                await arrive(at, f"{shade}.jpg", jpeg(shade))
                while True:
                    headers, body = await viewer.frame()
                    if body == jpeg(shade):
                        break
                assert headers["content-type"] == "image/jpeg"
                assert float(headers["x-timestamp"]) > 1.7e9
        await until(lambda: not at.cameras.frames.viewers)


async def test_other_formats_and_widths_are_encoded_as_jpeg(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        await arrive(at, "a.png", jpeg(99, (640, 480), "PNG"))
        for query, size in (("", (640, 480)), ("&width=64", (64, 48))):
            async with viewing(at, query) as viewer:
                _, body = await viewer.frame()
            assert Pillow.open(io.BytesIO(body), formats=["JPEG"]).size == size


async def test_a_slow_viewer_skips_to_the_newest_image(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        padded = jpeg(0) + bytes(2_000_000)
        await arrive(at, "first.jpg", padded)
        async with viewing(at) as viewer:
            assert (await viewer.frame())[1] == padded
            for number in range(20):
                await arrive(at, f"{number}.jpg", jpeg(number) + bytes(2_000_000))
            seen = 0
            with fail_after(20):
                while (await viewer.frame())[1] != jpeg(19) + bytes(2_000_000):
                    seen += 1
            assert seen < 19


async def test_an_image_that_cannot_be_decoded_is_skipped(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        await arrive(at, "a.png", b"no image")
        assert (await at.client.get("/stream/rover-snapshot")).status_code == 404
        async with viewing(at) as viewer:
            await arrive(at, "b.jpg", jpeg(7))
            assert (await viewer.frame())[1] == jpeg(7)


async def test_viewers_are_limited_and_end_when_the_cameras_are_closed(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path, max_viewers=1, client_share=1) as at:
        await arrive(at, "a.jpg", jpeg(1))
        async with viewing(at) as viewer:
            await viewer.frame()
            refused = await at.client.get("/stream/rover-video")
            assert refused.status_code == 503
            head = await at.client.head("/stream/rover-video")
            assert head.status_code == 200
            at.cameras.close()
            rest = b"".join([chunk async for chunk in viewer._chunks])
        assert (viewer._data + rest).endswith(viewer.boundary + b"--\r\n")


async def test_a_viewer_that_reads_no_data_is_removed(serve: Serve, tmp_path: Path) -> None:
    async def send(message: Message) -> None:
        if b"image/jpeg" in message.get("body", b""):
            await sleep_forever()

    async def receive() -> Message:
        await sleep_forever()
        raise AssertionError

    async with site(serve, tmp_path) as at:
        await arrive(at, "a.jpg", jpeg(1))
        frames, pool = at.cameras.frames, Pool("viewers", "ROVER_MAX_VIEWERS", 1, 1)
        connections = Connections(0.05)
        video = VideoResponse(at.images, frames, connections, pool, None, 30, None)
        with fail_after(5):
            async with create_task_group() as tasks:
                tasks.start_soon(connections.run)
                await video({"type": "http", "method": "GET", "path": "/"}, receive, send)
                tasks.cancel_scope.cancel()
        assert not frames.viewers


async def test_a_large_image_waits_for_a_slow_viewer_in_pieces(
    serve: Serve, tmp_path: Path
) -> None:
    sent: list[bytes] = []

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    async def receive() -> Message:
        await sleep_forever()
        raise AssertionError

    Pillow.effect_noise((1500, 1000), 90).save(file := io.BytesIO(), "JPEG")
    data = file.getvalue()
    assert len(data) > 3 * PIECE_BYTES
    async with site(serve, tmp_path) as at, create_task_group() as tasks:
        await arrive(at, "a.jpg", data)
        frames, pool = at.cameras.frames, Pool("viewers", "ROVER_MAX_VIEWERS", 1, 1)
        video = VideoResponse(at.images, frames, Connections(5), pool, None, 30, None)
        scope = {"type": "http", "method": "GET", "path": "/"}
        tasks.start_soon(video, scope, receive, send)
        await until(lambda: b"".join(sent).count(BOUNDARY) == 2)
        tasks.cancel_scope.cancel()
    assert b"\r\n\r\n" + data + b"\r\n--" in b"".join(sent)
    assert max(map(len, sent)) <= PIECE_BYTES + 1000


async def test_a_snapshot_has_its_age(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path, first_image_timeout_s=0.1) as at:
        assert (await at.client.get("/stream/rover-snapshot")).status_code == 404
        await arrive(at, "a.jpg", jpeg(5))
        at.images.receiver.spools["a.jpg"].received_at = 1.7e9
        snapshot = await at.client.get("/stream/rover-snapshot")
        assert snapshot.content == jpeg(5)
        assert snapshot.headers["x-timestamp"] == "1700000000.000"
        assert float(snapshot.headers["x-image-age"]) > 9e7


async def test_viewers_of_a_width_share_one_encoding(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(data: bytes, width: int, form: Literal["WEBP", "JPEG"], layout: object) -> bytes:
        calls.append(width)
        return scaled(data, width, form, layout)

    monkeypatch.setattr("rover.images.frames.scaled", counted)
    async with site(serve, tmp_path) as at:
        await arrive(at, "a.png", jpeg(3, form="PNG"))

        async def view() -> None:
            async with viewing(at) as viewer:
                await viewer.frame()

        async with create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(view)
    assert len(calls) == 1


async def test_a_video_goes_on_after_its_camera_failed(serve: Serve, tmp_path: Path) -> None:
    failed = Event()

    async def fail() -> Image | None:
        failed.set()
        raise SourceError("no signal")

    async with site(serve, tmp_path) as at:
        await arrive(at, "a.jpg", jpeg(10))
        async with viewing(at) as viewer:
            assert (await viewer.frame())[1] == jpeg(10)
            at.camera.__dict__["frame"] = fail
            with fail_after(5):
                await failed.wait()
            del at.camera.__dict__["frame"]
            await arrive(at, "b.jpg", jpeg(20))
            while (await viewer.frame())[1] != jpeg(20):
                pass
