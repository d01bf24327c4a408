"""Range requests and preconditions of images (RFC 9110)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rover.asgi.ranges import parse_range
from tests.fake_camera import spooled
from tests.image_site import DATA, SIZE, site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


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
def test_a_range_header_is_parsed(text: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(text, 100) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes=5-9", slice(5, 10)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=1000000-", slice(10**6, None)),
    ],
)
async def test_a_range_is_a_206_response(
    serve: Serve, tmp_path: Path, text: str, part: slice
) -> None:
    async with site(serve, tmp_path) as at:
        at.complete()
        response = await at.client.get("/images/a.png", headers={"Range": text})
        assert (response.status_code, response.content) == (206, DATA[part])
        start, stop, _ = part.indices(SIZE)
        assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
        assert response.headers["content-length"] == str(stop - start)


async def test_a_range_after_the_end_is_416_and_several_ranges_are_ignored(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        at.complete()
        response = await at.client.get("/images/a.png", headers={"Range": f"bytes={SIZE}-"})
        assert response.status_code == 416
        assert response.headers["content-range"] == f"bytes */{SIZE}"
        assert f"{SIZE:,} bytes" in response.json()["detail"]
        response = await at.client.get("/images/a.png", headers={"Range": "bytes=0-1,4-5"})
        assert (response.status_code, len(response.content)) == (200, SIZE)


async def test_a_range_is_ignored_while_the_size_is_unknown(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        arriving = at.camera.begin("a.png")
        at.camera.send(arriving, b"12345")
        async with at.client.stream(
            "GET", "/images/a.png", headers={"Range": "bytes=2-3"}
        ) as response:
            assert response.status_code == 200
            at.camera.finish(arriving)
            assert await response.aread() == b"12345"


async def test_an_image_of_unknown_size_is_resumed_with_a_very_large_end(
    serve: Serve, tmp_path: Path
) -> None:
    """RFC 8673: the end of the range stands for the end of the image."""
    async with site(serve, tmp_path) as at:
        arriving = at.camera.begin("a.png")
        at.camera.send(arriving, b"12345")
        part = {"Range": "bytes=2-9007199254740991"}
        async with at.client.stream("GET", "/images/a.png", headers=part) as response:
            assert response.status_code == 206
            assert response.headers["content-range"] == "bytes 2-9007199254740991/*"
            at.camera.send(arriving, b"678")
            at.camera.finish(arriving)
            assert await response.aread() == b"345678"


@pytest.mark.parametrize("path", ["/stream/rover-image", "/images/a.png"])
async def test_a_download_is_never_resumed_with_another_image(
    serve: Serve, tmp_path: Path, path: str
) -> None:
    async with site(serve, tmp_path) as at:
        at.complete("a.png", b"the first image")
        first = await at.client.get(path)
        assert (await at.client.get(path, headers={"Range": "bytes=4-"})).content in (
            b"first image",
            b"the first image",
        )
        if path == "/images/a.png":
            at.camera.begin("a.png", revision="2")
            at.camera.send(at.camera.held["a.png"], b"another image")
            at.camera.finish(at.camera.held["a.png"])
        else:
            at.complete("b.png", b"another image")
        resumed = await at.client.get(path, headers={"Range": "bytes=4-"})
        assert (resumed.status_code, resumed.content) == (200, b"another image")
        assert "accept-ranges" not in resumed.headers
        wget = {"Range": "bytes=4-", "User-Agent": "Wget/1.21.3"}  # would skip 4 bytes of a 200
        assert (await at.client.get(path, headers=wget)).status_code == 412
        tags = [first.headers["etag"], resumed.headers["etag"]]
        for tag, status in zip(tags, (200, 206), strict=True):
            part = {"Range": "bytes=4-", "If-Range": tag}
            assert (await at.client.get(path, headers=part)).status_code == status
        for tag, status in zip(tags, (412, 206), strict=True):
            part = {"Range": "bytes=4-", "If-Match": tag}
            assert (await at.client.get(path, headers=part)).status_code == status


async def test_the_url_of_a_revision_stands_for_these_bytes_only(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at:
        at.complete("a b/c.png", b"the first image")
        url = (await at.client.get("/images")).json()["images"][0]["url"]
        whole = await at.client.get(f"/{url}")
        assert whole.headers["accept-ranges"] == "bytes"
        for path in ("/images/a b/c.png", "/images/a%20b%2Fc.png"):
            response = await at.client.get(path)
            assert response.url.join(response.headers["content-location"]) == whole.url
        part = {"Range": "bytes=4-8"}
        assert (await at.client.get(f"/{url}", headers=part)).content == b"first"
        at.camera.begin("a b/c.png", revision="2")
        at.camera.finish(at.camera.held["a b/c.png"])
        gone = await at.client.get(f"/{url}", headers=part)
        assert (gone.status_code, gone.headers["content-type"]) == (412, "application/problem+json")


async def test_preconditions_compare_the_date(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        at.complete()
        await spooled(at.images, "a.png")
        at.images.receiver.spools["a.png"].received_at = 1e9
        date = (await at.client.head("/images/a.png")).headers["last-modified"]
        assert date == "Sun, 09 Sep 2001 01:46:40 GMT"
        later, earlier = "Sun, 09 Sep 2001 01:46:41 GMT", "Sunday, 09-Sep-01 01:46:39 GMT"

        async def status(**headers: str) -> int:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return (await at.client.get("/images/a.png", headers=named)).status_code

        assert await status(If_Unmodified_Since=date) == 200
        assert await status(If_Unmodified_Since=earlier) == 412
        assert await status(If_Unmodified_Since="yesterday") == 200
        assert await status(If_Unmodified_Since=earlier, If_Match="*") == 200
        assert await status(If_Match='"x"', If_None_Match="*") == 412
        assert await status(If_Modified_Since=later) == 304
        assert await status(If_Modified_Since=earlier) == 200
        assert await status(If_Modified_Since=later, If_None_Match='"x"') == 200


async def test_preconditions_compare_the_entity_tag(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        at.complete()
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
        at.camera.finish(at.camera.held["a.png"])
        assert await status(If_None_Match=tag) == 200
