"""Copies of kept images in a bucket: what a full folder and an unreachable bucket leave."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import httpx
import obstore
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from rover.cli.connection import INCOMPLETE
from rover.errors import SettingError
from rover.images.kept import BLOCK_BYTES
from rover.mission import MissionControl
from rover.missions import RecordedMission
from rover.settings import Settings
from rover.supervise import State
from sources.base import ImageBroken, UnknownImage
from sources.registry import SourceSettingError, open_source
from tests.fake_camera import FakeCamera
from tests.test_kept_images import content, ids, take
from tests.test_missions import run
from tests.test_recorded_missions import opened
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from rover.images import Images

pytestmark = pytest.mark.anyio

TWO_IMAGES = 2 * BLOCK_BYTES
"""A limit of the folder."""


@contextmanager
def s3_server(port: int = 0) -> Iterator[str]:
    """The URL of a server of S3 with one bucket."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/rover").raise_for_status()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@asynccontextmanager
async def running(
    folder: Path, endpoint: str, max_bytes: int = 2**20
) -> AsyncIterator[tuple[Images, FakeCamera]]:
    camera = FakeCamera()
    settings = Settings(
        data_dir=folder,
        log="sqlite:",
        keep_image_bytes=max_bytes,
        image_store=f"s3://rover/{folder.name}?endpoint={endpoint}" if endpoint else "",
    )
    mission = MissionControl(settings, telemetry="none:", camera=camera, commands="none:")
    async with mission:
        yield mission.cameras.images["camera"], camera


async def all_copied(images: Images) -> None:
    kept = images._kept
    assert kept is not None
    await until(lambda: not kept.waiting)


def files(folder: Path) -> int:
    return len(list((folder / "images" / "camera").iterdir()))


async def test_images_remain_in_the_bucket_when_the_folder_is_full(tmp_path: Path) -> None:
    with s3_server() as endpoint:
        async with running(tmp_path, endpoint, TWO_IMAGES) as (images, camera):
            for n in range(5):
                await take(images, camera, f"sol 1/é {n}", b"%d" % n * 3000)
                await all_copied(images)
        async with running(tmp_path, endpoint, TWO_IMAGES) as (images, _):
            assert await ids(images) == [f"sol 1/é {n}" for n in (4, 3, 2, 1, 0)]
            assert files(tmp_path) == 2
            for n in range(5):
                assert await content(images, f"sol 1/é {n}") == b"%d" % n * 3000
            oldest = await images.find("sol 1/é 0")
            async with images.open(oldest, 2998, 2999) as reader:
                assert await reader.read(10) == b"0"


async def test_images_wait_for_a_bucket_that_cannot_be_reached(tmp_path: Path) -> None:
    with s3_server() as endpoint:
        port = int(endpoint.rpartition(":")[2])
    async with running(tmp_path, endpoint) as (images, camera):
        for n in range(3):
            await take(images, camera, f"image {n}", b"%d" % n)
        await until(lambda: images.health.state is State.DEGRADED)
        await until(lambda: "without a copy: 3" in images.health.detail)
        with s3_server(port):
            await all_copied(images)
            await until(lambda: images.health.state is State.LIVE)
    assert files(tmp_path) == 3


async def test_images_that_waited_are_copied_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, "") as (images, camera):
        await take(images, camera, "one", b"one")
    with s3_server() as endpoint:
        async with running(tmp_path, endpoint, TWO_IMAGES) as (images, camera):
            await all_copied(images)
            for n in range(2):
                await take(images, camera, f"{n}", b"other")
            await all_copied(images)
            assert files(tmp_path) == 2
            assert await content(images, "one") == b"one"


async def test_a_full_folder_says_how_many_images_have_no_copy(tmp_path: Path) -> None:
    with s3_server() as endpoint:
        pass
    async with running(tmp_path, endpoint, TWO_IMAGES) as (images, camera):
        for n in range(5):
            await take(images, camera, f"image {n}", b"x")
        await until(lambda: "deleted without a copy: 3" in images.health.detail)


async def test_an_object_that_was_deleted_or_replaced_is_not_served(tmp_path: Path) -> None:
    with s3_server() as endpoint:
        async with running(tmp_path, endpoint, TWO_IMAGES) as (images, camera):
            for n in range(4):
                await take(images, camera, f"{n}", b"x" * 100)
                await all_copied(images)
        async with running(tmp_path, endpoint, TWO_IMAGES) as (images, _):
            objects = S3Store(
                "rover",
                endpoint=endpoint,
                prefix=tmp_path.name,
                client_options={"allow_http": True},
            )
            names = sorted(one["path"] for one in objects.list().collect())
            await obstore.delete_async(objects, names[0])
            await obstore.put_async(objects, names[1], b"y" * 100)
            with pytest.raises(UnknownImage):
                await content(images, "0")
            assert await ids(images) == ["3", "2", "1"]
            with pytest.raises(ImageBroken):
                await content(images, "1")


async def test_a_camera_over_the_bucket_does_not_show_the_copies_again(tmp_path: Path) -> None:
    with s3_server() as endpoint:
        async with running(tmp_path, endpoint) as (images, camera):
            await take(images, camera, "one", b"one")
            await all_copied(images)
        prefix = f"/{tmp_path.name}"
        for place, count in (("", 0), (prefix, 0), (f"{prefix}/rover-images/camera", 1)):
            source = open_source("camera", f"s3://rover{place}?endpoint={endpoint}")
            async with source as bucket:  # type: ignore[attr-defined] # it is a context manager
                assert len(await bucket.images()) == count


async def test_a_record_has_the_images_that_are_only_in_the_bucket(tmp_path: Path) -> None:
    file = tmp_path / "all.rover"
    large = bytes(range(256)) * 5000
    with s3_server() as endpoint:
        store = f"s3://rover/{tmp_path.name}?endpoint={endpoint}"
        async with running(tmp_path, endpoint, len(large) + 10_000) as (images, camera):
            for n, data in enumerate([large, b"1", b"2", b"3"]):
                await take(images, camera, f"sol 1/é {n}", data)
                await all_copied(images)
        command = "record", "--from", tmp_path, "--image-store", store
        assert await run(*command, file) == 0
        assert await run(*command, "--images-bytes", "1", tmp_path / "small.rover") == 0
    for name, expected in (
        ("all", {0: large, 1: b"1", 2: b"2", 3: b"3"}),
        ("small", {1: b"1", 2: b"2", 3: b"3"}),
    ):
        async with opened(tmp_path / f"{name}.rover", tmp_path / name) as mission:
            images = mission.cameras.images["camera"]
            found = {int(one[-1]): await content(images, one) for one in await ids(images)}
            assert found == expected


async def test_a_record_counts_the_images_that_it_cannot_read_from_the_bucket(
    tmp_path: Path,
) -> None:
    with s3_server() as endpoint:
        store = f"s3://rover/{tmp_path.name}?endpoint={endpoint}"
        async with running(tmp_path, endpoint, TWO_IMAGES) as (images, camera):
            for n in range(5):
                await take(images, camera, f"{n}", b"x" * 100)
                await all_copied(images)
        objects = S3Store(
            "rover", endpoint=endpoint, prefix=tmp_path.name, client_options={"allow_http": True}
        )
        names = sorted(one["path"] for one in objects.list().collect())
        await obstore.put_async(objects, names[0], b"y" * 100)
        await obstore.delete_async(objects, names[1])
        for number, (options, lost) in enumerate(
            [
                (["--image-store", store], 2),
                (["--image-store", "s3://rover/other"], 3),
                ([], 3),
            ]
        ):
            file = tmp_path / f"{number}.rover"
            assert await run("record", "--from", tmp_path, *options, file) == INCOMPLETE
            manifest = RecordedMission(file).manifest
            assert sum(manifest["left_out"].values()) == lost
            assert manifest["counts"]["images"] == 5 - lost
    file = tmp_path / "unreachable.rover"
    command = "record", "--from", tmp_path, "--image-store", store
    assert await run(*command, file) == INCOMPLETE
    assert sum(RecordedMission(file).manifest["left_out"].values()) == 3


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("dir:copies", {}),
        ("s3://", {}),
        ("s3://rover?speed=3", {}),
        ("s3://rover", {"log": "memory:"}),
        ("s3://rover", {"keep_image_bytes": 0}),
    ],
)
def test_a_store_that_cannot_be_used_is_refused(
    tmp_path: Path, url: str, settings: dict[str, object]
) -> None:
    given = Settings(data_dir=tmp_path, image_store=url, **{"log": "sqlite:", **settings})  # type: ignore[arg-type]
    with pytest.raises((SettingError, SourceSettingError), match="ROVER_IMAGE_STORE"):
        MissionControl(given, telemetry="none:", camera=FakeCamera(), commands="none:")
