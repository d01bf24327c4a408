"""The list of images, one image, and the latest image, over a real server."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import httpx
import pytest
from anyio import (
    connect_tcp,
    fail_after,
)
from anyio.lowlevel import checkpoint
from PIL import Image as Pillow

from rover.images import Images
from rover.images.cameras import Shot
from rover.routes.image_json import images_json
from rover.settings import Settings
from sources.directory import DirectoryCamera
from tests.fake_camera import spooled
from tests.image_site import DATA, SIZE, app_of, read_to_end, site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


async def test_the_latest_image_and_one_by_id(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        at.complete("old.png", b"old")
        at.complete("new.png")
        for path in ("/stream/rover-image", "/stream/rover-image?id=new.png", "/images/new.png"):
            response = await at.client.get(path)
            assert (response.status_code, response.content) == (200, DATA)
            assert response.headers["content-length"] == str(SIZE)
            assert response.headers["content-type"] == "image/png"
            assert response.headers["x-image-id"] == "new.png"
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["content-location"] == "../images/new.png?revision=1"
            assert ("accept-ranges" in response.headers) is (path != "/stream/rover-image")
            assert response.headers["content-disposition"] == 'inline; filename="new.png"'
            assert "no-cache" in response.headers["cache-control"]
        assert (await at.client.get("/stream/rover-image?id=old.png")).content == b"old"


async def test_the_list_describes_each_image_and_its_links_work(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        at.complete("old.png", b"old")
        arriving = at.camera.begin("new é.png", size=100)
        at.camera.send(arriving, b"x" * 40)
        await spooled(at.images, "new é.png", 40)
        newest, old = (await at.client.get("/images")).json()["images"]
        assert newest | {"received_at": None} == {
            "id": "new é.png",
            "camera": "camera",
            "state": "arriving",
            "reason": "",
            "available": True,
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
            "url": "images/new%20%C3%A9.png?revision=1",
            "thumbnail": None,
            "stream": "stream/rover-image?id=new%20%C3%A9.png",
        }
        assert newest["received_at"].endswith("Z")
        assert (await at.client.get(f"/{old['url']}")).content == b"old"
        assert (await at.client.get(f"/{old['stream']}")).content == b"old"
        assert len((await at.client.get("/images?limit=1")).json()["images"]) == 1


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1e3", "9" * 30])
async def test_a_limit_out_of_range_is_refused(serve: Serve, tmp_path: Path, limit: str) -> None:
    async with site(serve, tmp_path) as at:
        response = await at.client.get("/images", params={"limit": limit})
        assert response.status_code == 400
        assert response.headers["content-type"] == "application/problem+json"
        assert "at least 1 and at most 1,000" in response.json()["detail"]


async def test_a_list_says_whether_there_are_more_images(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        for n in range(3):
            at.complete(f"{n}.png")
        for limit, more in ((2, True), (3, False)):
            listed = (await at.client.get(f"/images?limit={limit}")).json()
            assert (len(listed["images"]), listed["more"]) == (limit, more)


async def test_a_list_is_truncated_at_its_size_limit(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        for n in range(5):
            at.complete(f"{n}.png")
        shots = [Shot("camera", image, "complete") for image in await at.images.listed()]
    size = len(images_json(shots, more=True))
    for max_bytes, count in ((size, 5), (size // 2, 2), (1, 1)):
        listed = json.loads(images_json(shots, more=False, max_bytes=max_bytes))
        assert (len(listed["images"]), listed["more"]) == (count, count < 5)


async def test_a_request_before_the_first_image_waits_for_it(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        stream = await at.raw("/stream/rover-image")
        await checkpoint()
        at.complete()
        with fail_after(5):
            assert (await stream.receive(64)).startswith(b"HTTP/1.1 200")
        await stream.aclose()


async def test_a_missing_first_image_and_unknown_images_are_not_found(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path, first_image_timeout_s=0.1) as at:
        response = await at.client.get("/stream/rover-image")
        assert response.status_code == 404
        for path in ("/images/b.png", "/images/", "/stream/rover-image?id="):
            assert (await at.client.get(path)).status_code == 404
        assert (await at.client.post("/images/b.png")).status_code == 405


async def test_head_has_the_headers_of_get_and_no_body(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        at.complete("b.png")
        at.camera.send(at.camera.begin("a.png", size=10), b"x" * 10)
        at.camera.finish(at.camera.held["a.png"])
        await spooled(at.images, "a.png")
        await spooled(at.images, "b.png")  # else its headers change while it arrives
        for path in ("/images/b.png", "/stream/rover-image"):
            head = await at.client.head(path)
            get = await at.client.get(path)
            assert head.content == b""
            assert dict(head.headers) | {"date": ""} == dict(get.headers) | {"date": ""}
        assert (
            await at.client.head("/images/b.png", headers={"Range": "bytes=0-1"})
        ).status_code == 200


@pytest.mark.parametrize(
    "name",
    ["a b.png", "é漢字🚀.png", "100%25.png", "a#b?c&d=e+f.png", "new\nline.png", "'\";\\.png"],
)
async def test_an_image_with_any_name_can_be_requested(
    serve: Serve, tmp_path: Path, name: str
) -> None:
    async with site(serve, tmp_path) as at:
        at.complete(name, b"odd")
        (listed,) = (await at.client.get("/images")).json()["images"]
        for link in (listed["url"], listed["stream"]):
            response = await at.client.get(f"/{link}")
            assert (response.status_code, response.content) == (200, b"odd")
            assert response.headers["x-image-id"] == quote(name, safe="")
            disposition = response.headers["content-disposition"]
            assert f"filename*=UTF-8''{quote(name, safe='')}" in disposition


async def test_the_file_name_has_the_extension_of_its_type(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        at.complete("sol 12/frame", b"x")
        (listed,) = (await at.client.get("/images")).json()["images"]
        response = await at.client.get(f"/{listed['url']}")
        assert response.headers["content-disposition"] == 'inline; filename="frame.png"'


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
async def test_no_path_leads_out_of_the_folder(serve: Serve, tmp_path: Path, target: str) -> None:
    (folder := tmp_path / "images").mkdir()  # before anything runs
    Pillow.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    Pillow.new("RGB", (9, 9)).save(folder / "a.png")
    async with DirectoryCamera(folder) as camera:
        images = Images(camera, Settings(), tmp_path / "spool")
        async with serve(app_of(images)) as url:
            async with await connect_tcp("127.0.0.1", httpx.URL(url).port or 0) as stream:
                await stream.send(
                    f"GET {target} HTTP/1.1\r\nHost: localhost\r\n"
                    "Connection: close\r\n\r\n".encode()
                )
                response = await read_to_end(stream)
            assert response.startswith(b"HTTP/1.1 404 ")
            async with httpx.AsyncClient(base_url=url) as client:
                assert (await client.get("/images/a.png")).status_code == 200


async def test_images_of_curiosity_are_listed_newest_first_and_served_complete(
    serve: Serve, tmp_path: Path, shared_data: Path
) -> None:
    async with DirectoryCamera(shared_data / "images") as camera:
        images = Images(camera, Settings(), tmp_path)
        async with serve(app_of(images)) as url, httpx.AsyncClient(base_url=url) as client:
            listed = (await client.get("/images?limit=1000")).json()["images"]
            assert len(listed) == 122
            times = [image["received_at"] for image in listed]
            assert times == sorted(times, reverse=True)
            response = await client.get("/stream/rover-image")
            assert unquote(response.headers["x-image-id"]) == listed[0]["id"]
            known = {image["content_type"]: image for image in listed}
            for image in (known["image/jpeg"], known["image/x-pds"]):
                response = await client.get(f"/{image['url']}")
                assert len(response.content) == image["size"]
            mosaic = next(image for image in listed if image["id"].startswith("N_L000"))
            response = await client.get(f"/{mosaic['url']}")
            size = Pillow.open(io.BytesIO(response.content)).size
            assert size == (mosaic["width"], mosaic["height"]) == (7696, 1800)
