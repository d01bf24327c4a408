"""The camera over a bucket of S3."""

from __future__ import annotations

import io
import logging
import os
from typing import TYPE_CHECKING

import httpx
import obstore
import pytest
from anyio import fail_after
from moto.server import ThreadedMotoServer
from obstore.store import S3Store
from PIL import Image as Pillow

from rover.guard import closing
from sources.base import ImageBroken, SourceError, UnknownImage
from sources.bucket import BucketCamera
from sources.bucket.objects import CHUNK_BYTES
from sources.registry import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio


def jpeg(shade: int = 0) -> bytes:
    Pillow.new("L", (40, 30), shade).save(file := io.BytesIO(), "JPEG")
    return file.getvalue()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The URL of a server of S3."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def url(endpoint: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a bucket of the test, for a camera."""
    for name, value in (("ACCESS_KEY_ID", "key"), ("SECRET_ACCESS_KEY", "secret")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return f"s3://b{abs(hash(request.node.name))}/sol3?poll_s=0.01&endpoint={endpoint}"


@pytest.fixture
async def store(url: str, endpoint: str) -> S3Store:
    """The bucket of that URL, which exists."""
    bucket = url.removeprefix("s3://").partition("/")[0]
    async with httpx.AsyncClient() as client:
        (await client.put(f"{endpoint}/{bucket}")).raise_for_status()
    return S3Store(bucket, prefix="sol3", endpoint=endpoint, client_options={"allow_http": True})


def opened(url: str) -> BucketCamera:
    camera = open_source("camera", url)
    assert isinstance(camera, BucketCamera)
    return camera


async def read(camera: BucketCamera, image_id: str, start: int = 0) -> bytes:
    chunks = [chunk async for chunk in camera.open(image_id, start)]
    assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in chunks)
    return b"".join(chunks)


async def test_objects_that_are_there_and_new_ones(url: str, store: S3Store) -> None:
    big = jpeg() + os.urandom(2 * CHUNK_BYTES)
    await obstore.put_async(store, "left/20261128T184512Z.JPG", big)
    for name in (".hidden.jpg", "notes.txt", "empty.png", "x/thumbnail"):
        await obstore.put_async(store, name, b"" if name == "empty.png" else jpeg())
    with fail_after(10):
        async with opened(url) as camera, closing(camera.new()) as new:
            [image] = await camera.images()
            assert (image.id, image.complete, image.size) == (
                "left/20261128T184512Z.JPG",
                True,
                len(big),
            )
            assert image.taken_at == 1_795_891_512
            for start in (0, 1, CHUNK_BYTES + 5, len(big) - 1, len(big)):
                assert await read(camera, image.id, start) == big[start:]
            await obstore.put_async(store, "broken.jpg", b"<html>")
            await obstore.put_async(store, "b.jpg", jpeg(9))
            assert await anext(new) == "b.jpg"
            newest = await camera.image("b.jpg")
            assert newest is not None
            assert (newest.width, newest.height) == (40, 30)
            assert [one.id for one in await camera.images()] == ["b.jpg", image.id]
            await obstore.put_async(store, "b.jpg", jpeg(77))
            assert await anext(new) == "b.jpg"
            replaced = await camera.image("b.jpg")
            assert replaced is not None
            assert replaced.revision != newest.revision
            assert await read(camera, "b.jpg") == jpeg(77)


async def test_no_bytes_of_another_revision(url: str, store: S3Store) -> None:
    await obstore.put_async(store, "a.jpg", jpeg(1))
    camera = opened(url)
    await camera._update(await camera._bucket.objects())
    await obstore.put_async(store, "a.jpg", jpeg(2))
    with pytest.raises(ImageBroken):
        await read(camera, "a.jpg", 5)
    await obstore.delete_async(store, "a.jpg")
    with pytest.raises(UnknownImage):
        await read(camera, "a.jpg")
    await camera._update(await camera._bucket.objects())
    assert await camera.images() == []


@pytest.mark.parametrize(("server", "reason"), [("", "NoSuchBucket"), ("127.0.0.1:1", "reached")])
async def test_faults_are_reported_in_one_line(
    url: str, endpoint: str, server: str, reason: str
) -> None:
    camera = opened(url.replace(endpoint, f"http://{server}" if server else endpoint))
    async with camera:
        with fail_after(20), pytest.raises(SourceError, match=reason) as caught:
            await anext(camera.new())
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
