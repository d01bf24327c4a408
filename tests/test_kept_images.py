"""Images of cameras without files: what a restart keeps, up to a limit."""

from __future__ import annotations

import errno
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rover.mission import MissionControl
from rover.settings import Settings
from rover.supervise import State
from tests.fake_camera import FakeCamera
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rover.images import Images

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running(
    folder: Path, max_bytes: int = 2**20, log: str = "sqlite:"
) -> AsyncIterator[tuple[Images, FakeCamera]]:
    camera = FakeCamera()
    settings = Settings(data_dir=folder, log=log, keep_image_bytes=max_bytes)
    mission = MissionControl(settings, telemetry="none:", camera=camera, commands="none:")
    async with mission:
        yield mission.cameras.images["camera"], camera


async def take(images: Images, camera: FakeCamera, image_id: str, data: bytes) -> None:
    """Let an image arrive completely."""
    fake = camera.begin(image_id)
    camera.send(fake, data)
    camera.finish(fake)
    await until(lambda: (spool := images.receiver.spools.get(image_id)) and spool.complete)


async def ids(images: Images) -> list[str]:
    return [image.id for image in await images.listed()]


async def content(images: Images, image_id: str) -> bytes:
    image = await images.find(image_id)
    async with images.open(image) as reader:
        return b"".join([chunk async for chunk in chunks_of(reader)])


async def chunks_of(reader: object) -> AsyncIterator[bytes]:
    while chunk := await reader.read(1000):  # type: ignore[attr-defined] # any reader
        yield chunk


async def test_images_of_a_camera_without_files_remain_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as (images, camera):
        await take(images, camera, "sol 1/é", b"first" * 1000)
        await take(images, camera, "second", b"second")
        arriving = camera.begin("unfinished")
        camera.send(arriving, b"part")
    async with running(tmp_path) as (images, camera):
        assert await ids(images) == ["second", "sol 1/é"]
        assert await content(images, "sol 1/é") == b"first" * 1000
        assert (current := await images.current())
        assert current.id == "second"
        await take(images, camera, "third", b"third")
        assert set(await ids(images)) == {"third", "second", "sol 1/é"}


async def test_a_restart_deletes_files_that_were_being_copied(tmp_path: Path) -> None:
    async with running(tmp_path) as (images, camera):
        await take(images, camera, "one", b"one")
        folder = tmp_path / "images" / "camera"
        (folder / "0123.part").write_bytes(b"part")
    async with running(tmp_path) as (images, _):
        assert await ids(images) == ["one"]
        assert len(list(folder.iterdir())) == 1


async def test_on_a_full_disk_the_oldest_images_make_room_for_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, folder, replace = 5000, tmp_path / "images" / "camera", Path.replace

    def replace_on_a_small_disk(part: Path, target: Path) -> Path:
        if part.suffix == ".part" and len(list(folder.iterdir())) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", replace_on_a_small_disk)
    async with running(tmp_path) as (images, camera):
        seen = []
        for number in range(6):
            await take(images, camera, str(number), bytes(size))
            seen.append(images.health.state)
        assert seen == [State.LIVE] * 3 + [State.DEGRADED] * 3
        monkeypatch.undo()
        await take(images, camera, "6", bytes(size))
        assert images.health.state is State.LIVE
    async with running(tmp_path) as (images, camera):
        assert await ids(images) == ["6", "5", "4", "3"]
        assert len(list(folder.iterdir())) == 4


async def test_an_image_that_cannot_be_copied_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Path:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "replace", fail)
    async with running(tmp_path) as (images, camera):
        await take(images, camera, "one", b"one")
        assert images.health.state is State.DEGRADED
        assert list((tmp_path / "images" / "camera").iterdir()) == []


async def test_an_image_that_the_camera_has_again_is_listed_once(tmp_path: Path) -> None:
    async with running(tmp_path) as (images, camera):
        await take(images, camera, "one", b"before")
    async with running(tmp_path) as (images, camera):
        await take(images, camera, "one", b"after")
        assert await ids(images) == ["one"]
        assert await content(images, "one") == b"after"
    async with running(tmp_path) as (images, camera):
        assert await content(images, "one") == b"after"
        assert len(list((tmp_path / "images" / "camera").iterdir())) == 1


async def test_the_oldest_images_are_deleted_beyond_the_limit(tmp_path: Path) -> None:
    async with running(tmp_path, max_bytes=25_000) as (images, camera):
        for n in range(5):
            await take(images, camera, f"image {n}", b"x" * 10_000)
        await take(images, camera, "too large", b"x" * 30_000)
    async with running(tmp_path, max_bytes=25_000) as (images, camera):
        assert await ids(images) == ["image 4", "image 3"]
        assert len(list((tmp_path / "images" / "camera").iterdir())) == 2


async def test_a_camera_whose_images_cannot_be_kept_is_degraded(tmp_path: Path) -> None:
    async with running(tmp_path) as (images, camera):
        (tmp_path / "images").write_text("not a folder")
        await take(images, camera, "one", b"one")
        assert images.health.state is State.DEGRADED
        assert await content(images, "one") == b"one"
        (tmp_path / "images").unlink()
        await take(images, camera, "two", b"two")
        await until(lambda: images.health.state is State.LIVE)


async def test_images_whose_files_were_deleted_are_not_listed(tmp_path: Path) -> None:
    async with running(tmp_path) as (images, camera):
        await take(images, camera, "one", b"one")
        await take(images, camera, "two", b"two")
    next((tmp_path / "images" / "camera").iterdir()).unlink()
    async with running(tmp_path) as (images, _):
        assert len(await ids(images)) == 1


async def test_a_log_in_memory_keeps_no_images(tmp_path: Path) -> None:
    async with running(tmp_path, log="memory:") as (images, camera):
        await take(images, camera, "one", b"one")
    assert not (tmp_path / "images").exists()
