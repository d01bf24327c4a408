"""A camera whose file system hangs: it says so, works when it answers, and delays nothing else."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from anyio import create_task_group, fail_after, sleep, to_thread

from rover.images.images import MAX_THREADS
from rover.images.thumbnails import Thumbnails
from rover.supervise import State
from sources.base import NotSent, Outgoing, SourceError
from sources.directory import DirectoryCamera
from sources.directory.uplink import DirectoryUplink
from tests.fake_camera import read_all, receiving
from tests.hanging_files import hanging_files
from tests.serving import ALONE, EXIT_S, serving
from tests.test_directory import image_bytes
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from rover.images import Images
    from tests.hanging_files import HangingFiles

pytestmark = pytest.mark.anyio

TIMEOUT_S = 0.5

DATA = image_bytes()


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    mount = tmp_path / "mount"
    mount.mkdir()
    return mount


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that is shown at the mount."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.png").write_bytes(DATA)
    return folder


@pytest.fixture
def files(folder: Path, mount: Path) -> Iterator[HangingFiles]:
    with hanging_files(folder, mount) as files:
        yield files


@asynccontextmanager
async def following(
    mount: Path, data: Path, *, name: str = "camera", read_timeout_s: float = TIMEOUT_S
) -> AsyncIterator[Images]:
    async with (
        DirectoryCamera(mount, poll_s=0.1, timeout_s=TIMEOUT_S) as camera,
        receiving(camera, data, name=name, read_timeout_s=read_timeout_s) as images,
    ):
        yield images


async def content(images: Images, image_id: str) -> bytes:
    async with images.open(await images.find(image_id)) as reader:
        return await read_all(reader)


@pytest.mark.parametrize("kind", ["stat", "readdir"])
async def test_a_camera_is_down_while_its_folder_cannot_be_scanned(
    files: HangingFiles, folder: Path, mount: Path, tmp_path: Path, kind: str
) -> None:
    async with following(mount, tmp_path) as images:
        await until(lambda: images.health.state is State.LIVE)
        files.hang(kind)
        await until(lambda: images.health.state is State.DOWN)
        assert str(mount) in images.health.detail
        files.answer()
        (folder / "b.png").write_bytes(DATA)
        await until(lambda: images.health.state is State.LIVE)
        assert await content(images, "b.png") == DATA


@pytest.mark.parametrize("kind", ["open", "read", "close"])
async def test_a_camera_is_degraded_while_its_files_cannot_be_read(
    files: HangingFiles, mount: Path, tmp_path: Path, kind: str
) -> None:
    async with following(mount, tmp_path) as images:
        await until(lambda: images.health.state is State.LIVE)
        files.hang(kind)
        for _ in range(MAX_THREADS):
            if kind == "close":
                assert await content(images, "a.png") == DATA
            else:
                async with create_task_group() as tasks:
                    for _ in range(3):
                        tasks.start_soon(fail, images)
        await until(lambda: images.health.state is State.DEGRADED)
        assert files.held <= MAX_THREADS
        files.answer()
        await until(lambda: images.health.state is State.LIVE)
        assert await content(images, "a.png") == DATA


async def test_a_file_that_hangs_delays_no_thumbnails_of_another_camera(
    files: HangingFiles, folder: Path, mount: Path, tmp_path: Path
) -> None:
    thumbnails = Thumbnails()
    async with (
        following(mount, tmp_path / "nas", name="nas", read_timeout_s=20) as nas,
        following(folder, tmp_path / "mast", name="mast") as mast,
        create_task_group() as tasks,
    ):
        files.hang("read")
        tasks.start_soon(thumbnails.get, nas, await nas.find("a.png"), 160)
        await until(lambda: files.held)
        await thumbnails.get(mast, await mast.find("a.png"), 160)
        files.answer()


async def test_an_uplink_starts_while_its_folder_hangs(files: HangingFiles, mount: Path) -> None:
    files.hang("stat")
    uplink = await to_thread.run_sync(lambda: DirectoryUplink(mount, timeout_s=TIMEOUT_S))
    files.answer()
    with fail_after(5), pytest.raises(NotSent):  # the file system is read only
        await uplink.send(Outgoing("a", 1, "a.seq", mount / "a.png", "", 1, "text/plain"))


async def fail(images: Images) -> None:
    with pytest.raises(SourceError):
        await content(images, "a.png")


async def test_a_hanging_camera_delays_neither_another_one_nor_the_end_of_the_server(
    files: HangingFiles, folder: Path, mount: Path, tmp_path: Path
) -> None:
    config = tmp_path / "rover.toml"
    config.write_text(
        f'[camera.nas]\nsource = "dir:{mount}"\n[camera.mast]\nsource = "dir:{folder}"\n'
    )
    with serving(
        ALONE, "python -m rover", tmp_path, {"ROVER_CONFIG": str(config), "ROVER_CAMERA": None}
    ) as server:
        limits = httpx.Limits(max_connections=None)
        async with (
            httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as client,
            create_task_group() as tasks,
        ):
            await has_image(client, "nas")
            files.hang("stat", "readdir", "open", "read")
            for _ in range(20):
                tasks.start_soon(ask, client, "/images/a.png?camera=nas")
                tasks.start_soon(ask, client, "/images/a.png/thumbnail?camera=nas")
            await to_thread.run_sync(hanging, files)
            for path in (
                "/images/a.png?camera=mast",
                "/images/a.png/thumbnail?camera=mast",
                "/images",
                "/telemetry/parameters",
            ):
                answer = await client.get(path, timeout=4)  # the reads time out later
                assert answer.status_code == 200, answer.text
            status, took_s = await to_thread.run_sync(server.end)
        assert status == 0
        assert took_s < EXIT_S


async def has_image(client: httpx.AsyncClient, camera: str) -> None:
    with fail_after(10):
        while (await client.get(f"/images/a.png?camera={camera}")).status_code != 200:
            await sleep(0.02)


async def ask(client: httpx.AsyncClient, path: str) -> None:
    with suppress(httpx.HTTPError):
        await client.get(path)


def hanging(files: HangingFiles) -> None:
    while not files.held:
        time.sleep(0.02)
