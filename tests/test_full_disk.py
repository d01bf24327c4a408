"""A mission whose server is started while the disk is full, or its folder read-only."""

from __future__ import annotations

import resource
import shutil
import subprocess
from contextlib import asynccontextmanager, contextmanager
from time import time
from typing import TYPE_CHECKING, Literal

import httpx
import pytest
from anyio import sleep

from rover.errors import SettingError
from rover.logs.folder import DataFolder
from rover.logs.gaps import MIN_GAP_S
from rover.mission import MissionControl
from rover.settings import Settings
from sources.base import Parameter, Sample
from sources.push import PushTelemetry
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

UNLIMITED = resource.getrlimit(resource.RLIMIT_FSIZE)


class Device:
    """A telemetry source: a test pushes its samples."""

    parameters = (Parameter("speed", "m/s"),)

    def __init__(self) -> None:
        self.push = PushTelemetry()
        self.samples = self.push.samples


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process grows, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, UNLIMITED[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)


class Mount:
    """A folder on a file system of its own, which becomes read-only and writable again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._mount("-t", "tmpfs", "-o", "size=48m", "tmpfs")

    def set(self, mode: Literal["ro", "rw"]) -> None:
        self._mount("-o", f"remount,{mode}")

    def _mount(self, *options: str) -> None:
        subprocess.run(["mount", *options, str(self.folder)], check=True, capture_output=True)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    try:
        mount = Mount(tmp_path / "mount")
    except (OSError, subprocess.CalledProcessError) as exc:
        pytest.skip(f"only root may mount a file system: {exc}")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount.folder)], check=True)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[MissionControl, Device, httpx.AsyncClient]]:
    device = Device()
    settings = Settings(data_dir=folder, log="sqlite:")
    mission = MissionControl(settings, telemetry=device, camera="none:", commands="none:")
    transport = httpx.ASGITransport(mission.app_for())
    async with mission, httpx.AsyncClient(transport=transport, base_url="http://localhost") as web:
        yield mission, device, web


async def publish(mission: MissionControl, device: Device, values: range) -> None:
    last = mission.telemetry.topic.last_id.offset + len(values)
    device.push.take([Sample(time() - 100 + n / 10, {"speed": float(n)}) for n in values])
    await until(lambda: mission.telemetry.topic.released_id.offset >= last)


async def speeds(web: httpx.AsyncClient) -> list[float]:
    response = await web.get("/telemetry/history?fields=speed")
    assert response.status_code == 200, response.text
    values: list[float] = response.json()["speed"]
    return values


async def gaps(web: httpx.AsyncClient) -> list[dict[str, str]]:
    response = await web.get("/telemetry/span")
    assert response.status_code == 200, response.text
    found: list[dict[str, str]] = response.json()["gaps"]
    return found


async def test_a_restart_on_a_full_disk_shows_and_keeps_the_past(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as (mission, device, web):
        await publish(mission, device, range(50))
        mission.telemetry.history.archive()
        await publish(mission, device, range(50, 60))
        assert await mission.log.sync()
        with full_disk():
            await publish(mission, device, range(60, 90))
            assert not await mission.log.sync()
        shutil.copytree(tmp_path / "a", tmp_path / "b")  # as a killed process leaves it
    with full_disk():
        async with running(tmp_path / "b") as (mission, device, web):
            assert mission.log.outage is not None
            assert await speeds(web) == [*map(float, range(90))]
            await gaps(web)
    await sleep(MIN_GAP_S)
    with full_disk():
        async with running(tmp_path / "b") as (mission, device, web):
            [gap] = await gaps(web)
            await publish(mission, device, range(90, 100))
            assert await speeds(web) == [*map(float, range(100))]
            resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)
            await until(lambda: mission.log.outage is None)
            assert await mission.log.sync()
    async with running(tmp_path / "b") as (mission, device, web):
        assert await speeds(web) == [*map(float, range(100))]
        assert (await gaps(web))[0] == gap


@pytest.mark.parametrize("is_killed", [False, True])
async def test_a_mission_starts_on_a_read_only_folder_and_records_once_it_is_writable(
    mount: Mount, tmp_path: Path, is_killed: bool
) -> None:
    folder = mount.folder / "data"
    async with running(folder) as (mission, device, web):
        await publish(mission, device, range(50))
        if is_killed:
            shutil.copytree(folder, tmp_path / "killed")
    if is_killed:
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "killed", folder)
    mount.set("ro")
    async with running(folder) as (mission, device, web):
        ready = (await web.get("/readyz")).json()
        assert not ready["recording"]["recording"]
        assert "Read-only" in ready["recording"]["outage"]["reason"]
        await publish(mission, device, range(50, 60))
        assert await speeds(web) == [*map(float, range(60))]
        assert not DataFolder(folder).acquire()  # a second process waits
        mount.set("rw")
        await until(lambda: mission.log.outage is None)
        assert await mission.log.sync()
        assert not DataFolder(folder).acquire()
    async with running(folder) as (mission, device, web):
        assert await speeds(web) == [*map(float, range(60))]


async def test_a_read_only_folder_without_a_mission_is_refused(mount: Mount) -> None:
    mount.set("ro")
    with pytest.raises(SettingError):
        async with running(mount.folder):
            pass
