"""Range requests and preconditions of images (RFC 9110)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rover.asgi.ranges import parse_range
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
