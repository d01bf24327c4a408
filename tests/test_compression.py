"""What is compressed on the wire, for which clients."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image

from rover.asgi.compression import MIN_BYTES, accepted_coding
from rover.mission import MissionControl
from rover.routes.dashboard import web_folder
from rover.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(10):
        Image.new("RGB", (64, 64)).save(images / f"{number}.png")
    settings = Settings(data_dir=tmp_path / "data", camera=f"dir:{images}", log="memory:")
    async with MissionControl(settings) as mission:
        transport = httpx.ASGITransport(mission.app, client=("127.0.0.1", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as found:
            yield found


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("br;q=0, *", "gzip"),
        ("*;q=0", None),
        ("br; q=0.0, gzip;q=0", None),
        ("identity", None),
        ("gzip;q=x", "gzip"),
        ("", None),
    ],
)
def test_the_accepted_coding_is_chosen(header: str, coding: str | None) -> None:
    scope = {"headers": [(b"accept-encoding", header.encode())]}
    assert accepted_coding(scope, ["br", "gzip"]) == coding


@pytest.mark.parametrize("path", ["/openapi.json", "/images"])
async def test_json_is_compressed_if_the_client_accepts_it(
    client: httpx.AsyncClient, path: str
) -> None:
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    packed = await client.get(path, headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(packed.content) / 2
    assert packed.json().keys() == plain.json().keys()
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"


async def test_small_responses_and_images_are_not_compressed(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/images?limit=1")).json()["images"]
    for path in ("/healthz", f"/images/{listed[0]['id']}", "/stream/rover-image"):
        response = await client.get(path, headers={"Accept-Encoding": "gzip"})
        assert response.is_success
        assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize("coding", ["br", "gzip"])
async def test_the_page_is_sent_as_the_build_compressed_it(
    client: httpx.AsyncClient, coding: str
) -> None:
    folder = web_folder()
    assert folder is not None
    [script] = folder.glob("assets/index-*.js")
    path = f"/assets/{script.name}"
    async with client.stream("GET", path, headers={"Accept-Encoding": coding}) as response:
        packed = b"".join([piece async for piece in response.aiter_raw()])
    assert response.headers["Content-Encoding"] == coding
    assert response.headers["Content-Type"].startswith("text/javascript")
    assert response.headers["Vary"] == "Accept-Encoding"
    assert MIN_BYTES < len(packed) < script.stat().st_size / 2
    if coding == "gzip":
        assert gzip.decompress(packed) == script.read_bytes()
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    assert plain.content == script.read_bytes()
    assert (await client.get(f"{path}.gz")).status_code == 404
