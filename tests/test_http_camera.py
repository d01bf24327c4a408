"""The camera behind a URL: a snapshot or an index, on a server that fails in several ways."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream
from PIL import Image as Pillow

from rover.guard import closing
from rover.mission import MissionControl
from rover.settings import Settings
from sources.base import ImageBroken, SourceError
from sources.http_camera import HttpCamera
from sources.http_camera.links import links_in
from sources.registry import open_source

if TYPE_CHECKING:
    from pathlib import Path

    from sources.base import Image

pytestmark = pytest.mark.anyio

Answer = Callable[[str, dict[str, str]], bytes]


def jpeg(shade: int = 0, size: tuple[int, int] = (200, 100)) -> bytes:
    image = Pillow.effect_noise(size, 40 + shade)
    image.save(file := io.BytesIO(), "JPEG")
    return file.getvalue()


def response(
    body: bytes = b"", status: str = "200 OK", length: int | None = None, **headers: str
) -> bytes:
    """A response; with a larger `length`, one that breaks off."""
    known = {"Content-Length": len(body) if length is None else length, "Connection": "close"}
    known |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in known.items()), "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """A server that answers each request by its path and headers, and closes the connection."""

    async def handle(stream: SocketStream) -> None:
        # the client may disconnect at any time
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            await respond(stream)

    async def respond(stream: SocketStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive()
            first, *lines = head.decode().splitlines()
            pairs = (line.partition(":") for line in lines if line)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            await stream.send(answer(first.split(" ")[1], headers))

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 # not of Django
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, handle)
            yield f"http://127.0.0.1:{port}"
            tasks.cancel_scope.cancel()


async def arrivals(camera: HttpCamera, count: int) -> list[str]:
    """The ids of the next images.

    Raises:
        SourceError: the camera fails before that many have arrived.
    """
    ids: list[str] = []
    with anyio.fail_after(20):
        async with camera, closing(camera.new()) as new:
            async for image_id in new:
                ids.append(image_id)
                if len(ids) == count:
                    break
    return ids


async def read(camera: HttpCamera, image_id: str) -> bytes:
    return b"".join([chunk async for chunk in camera.open(image_id)])


async def test_each_changed_snapshot_is_an_image_and_an_unchanged_one_is_not() -> None:
    bodies = [jpeg(shade) for shade in range(4)]
    requests = iter([bodies[0], bodies[0], *bodies[1:]])
    conditions: list[str] = []

    def answer(_: str, headers: dict[str, str]) -> bytes:
        conditions.append(headers.get("if-none-match", ""))
        if len(conditions) % 2 == 0:
            return response(status="304 Not Modified")
        return response(next(requests), ETag=f'"{len(conditions)}"')

    async with serving(answer) as url:
        camera = HttpCamera(url, poll_s=0.01)
        ids = await arrivals(camera, 4)
        assert [await read(camera, one) for one in ids[:3]] == bodies[:3]
        newest = (await camera.images())[1]
        assert (newest.width, newest.height, newest.content_type) == (200, 100, "image/jpeg")
        assert newest.id.endswith("Z.jpg")
    assert conditions[:4] == ["", '"1"', '"1"', '"3"']


async def test_a_broken_download_is_resumed_only_if_the_image_is_the_same() -> None:
    body, other = jpeg(), jpeg(5)
    seen: list[dict[str, str]] = []

    def answer(_: str, headers: dict[str, str]) -> bytes:
        seen.append(headers)
        if len(seen) == 1:
            return response(body[:1000], length=len(body), ETag='"a"')
        if len(seen) == 2:
            part = f"bytes 1000-{len(body) - 1}/{len(body)}"
            return response(body[1000:], "206 Partial Content", Content_Range=part, ETag='"a"')
        if len(seen) == 3:
            return response(other[:1000], length=len(other), ETag='"b"')
        return response(body, ETag='"c"')

    async with serving(answer) as url:
        camera = HttpCamera(url, poll_s=0.01)
        with pytest.raises(SourceError):
            await arrivals(camera, 3)
        images = await camera.images()
        assert [image.complete for image in images] == [False, True]
        assert await read(camera, images[1].id) == body
        with pytest.raises(ImageBroken):
            await read(camera, images[0].id)
    assert (seen[1]["range"], seen[1]["if-range"]) == ("bytes=1000-", '"a"')


@pytest.mark.parametrize(
    ("answers", "options"),
    [
        ([response(b"not found", "404 Not Found")], {}),
        ([response(b"<svg/>" * 20, Content_Type="image/svg+xml")], {}),
        ([response(b"", Content_Type="multipart/x-mixed-replace; boundary=x")], {}),
        ([response(jpeg(size=(2000, 2000)))], {"max_mib": 1}),
        ([response(jpeg()[:-40])], {}),
        ([response(jpeg()[:500], length=9000)], {}),
        ([response(status="302 Found", Location="http://other.example/a.jpg")], {}),
        ([response(b"{", Content_Type="application/json")], {}),
        ([b"SSH-2.0-OpenSSH\r\n"], {}),
    ],
)
async def test_faults_of_the_server_are_reported(
    answers: list[bytes], options: dict[str, int]
) -> None:
    async with serving(lambda *_: answers[0]) as url:
        camera = HttpCamera(url, **options)  # type: ignore[arg-type]
        with pytest.raises(SourceError):
            await arrivals(camera, 2)
        assert not any(image.complete for image in await camera.images())
    camera = HttpCamera(url)
    with pytest.raises(SourceError):
        await arrivals(camera, 1)


async def test_the_images_of_an_index_arrive_once_the_oldest_first() -> None:
    files = {f"/a/{n}.jpg": jpeg(n) for n in range(3)}
    seen: list[tuple[str, str]] = []

    def answer(path: str, headers: dict[str, str]) -> bytes:
        seen.append((path, headers.get("authorization", "")))
        if path in files:
            return response(files[path])
        if path == "/moved?key=1":
            return response(status="301 Moved", Location="/a/")
        if path == "/a/":
            links = ["0.jpg", "/gone.jpg", "1.jpg", "1.jpg#x", "../a/2.jpg", "//o.example/3.jpg"]
            html = "<a href=..>up</a>" + "".join(f"<p><a href='{link}'>x</a>" for link in links)
            return response(html.encode(), Content_Type="text/html; charset=utf-8")
        return response(status="404 Not Found")

    async with serving(answer) as url:
        own = url.replace("//", "//user:secret@") + "/moved"
        camera = open_source("camera", f"{own}?key=1&poll_s=0.01")
        assert isinstance(camera, HttpCamera)
        assert await arrivals(camera, 3) == ["0.jpg", "1.jpg", "2.jpg"]
    assert [path for path, _ in seen].count("/a/0.jpg") == 1
    assert {authorization[:6] for _, authorization in seen} == {"Basic "}


async def test_a_restart_keeps_the_images_of_an_index_and_downloads_only_new_links(
    tmp_path: Path,
) -> None:
    files = {"/a/same.jpg?v=1": jpeg(1), "/a/same.jpg?v=2": jpeg(2)}
    seen: list[str] = []

    def answer(path: str, _: dict[str, str]) -> bytes:
        seen.append(path)
        if path in files:
            return response(files[path])
        html = "".join(f"<a href='{link}'>x</a>" for link in files)
        return response(html.encode(), Content_Type="text/html")

    async def run(url: str, count: int) -> list[Image]:
        settings = Settings(data_dir=tmp_path, log="sqlite:", camera=f"{url}/?poll_s=0.01")
        async with MissionControl(settings, telemetry="none:", commands="none:") as mission:
            images = mission.cameras.images["camera"]
            begun = len(seen)

            async def complete() -> list[Image]:
                return [image for image in await images.listed() if image.complete]

            with anyio.fail_after(20):
                while len(await complete()) < count or seen[begun:].count("/") < 3:
                    await anyio.sleep(0.01)
            return await complete()

    async with serving(answer) as url:
        before = await run(url, 2)
        files["/b/same.jpg"] = jpeg(3)
        new, *kept = await run(url, 3)
    known = {one.id: (one.revision, one.received_at) for one in before}  # they arrive in any order
    assert {one.id: (one.revision, one.received_at) for one in kept} == known
    assert len(kept) == len(before)
    assert len({new.id, *(one.id for one in kept)}) == 3
    assert [seen.count(path) for path in files] == [1, 1, 1]


def test_links_of_a_json_index() -> None:
    base = httpx.URL("https://mars.example/api/")
    known = {"photos": [{"id": 1, "img_src": "x/1.JPG?s=2"}, {"img_src": "/2", "t": "3.png"}]}
    body = json.dumps(known).encode()

    def found(member: str) -> list[str]:
        return [str(one) for one in links_in(body, "application/json", base, member)]

    assert found("") == ["https://mars.example/api/x/1.JPG?s=2", "https://mars.example/api/3.png"]
    assert found("img_src") == ["https://mars.example/api/x/1.JPG?s=2", "https://mars.example/2"]


@pytest.mark.parametrize("query", ["poll_s=0", "keep=0", "max_mib=x", "newest=middle"])
def test_invalid_options_are_refused(query: str) -> None:
    with pytest.raises(SourceError):
        open_source("camera", f"http://127.0.0.1/a.jpg?{query}")
