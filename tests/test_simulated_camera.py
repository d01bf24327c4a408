"""The simulated camera: images arrive at the link rate, complete, and leave no files behind."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from contextlib import asynccontextmanager
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import numpy as np
import PIL.Image
import pytest

from sources.base import Camera, Image, ImageBroken, SourceError, UnknownImage
from sources.simulated.camera import LINK_KBPS, SimulatedCamera
from sources.simulated.camera_view import FIELD_DEG, CameraView, camera_view
from sources.simulated.panorama.land import Land
from sources.simulated.panorama.render import encode_jpeg, render
from sources.simulated.panorama.rocks import rocks_in_view
from sources.simulated.panorama.scene import Scene
from sources.simulated.render_process import render_in_process
from sources.simulated.world import World
from tests.serving import FULL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

NOW = 1_795_330_000.0
SMALL = {"width": 256, "height": 128}
NOISE_BYTES = 50_000


class ManualClock:
    """A clock that the test sets, and that reports when it is read."""

    def __init__(self) -> None:
        self.now_s = NOW
        self._read = anyio.Event()

    def __call__(self) -> float:
        self._read.set()
        self._read = anyio.Event()
        return self.now_s

    async def wait_until_read(self) -> None:
        with anyio.fail_after(10):
            await self._read.wait()


@pytest.fixture(autouse=True)
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary folders are made, empty at first."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def write_noise(view: CameraView, path: Path, niceness: int) -> None:
    """Stands in for the renderer: different bytes for each view, at once."""
    noise = np.random.default_rng(round(view.along_m * 1e6) + round(view.azimuth_deg * 1e3))
    await anyio.Path(path).write_bytes(noise.bytes(NOISE_BYTES))


def small_camera(clock: ManualClock, **options: float) -> SimulatedCamera:
    return SimulatedCamera(clock=clock, render=write_noise, **SMALL, **options)  # type: ignore[arg-type]


async def newest(camera: Camera) -> Image:
    return (await camera.images())[0]


@asynccontextmanager
async def arriving(
    clock: ManualClock, *, link_kbps: float = 100, keep: int = 12, period_s: float = 0
) -> AsyncIterator[tuple[SimulatedCamera, str]]:
    """A camera, and the id of its first image, of which no byte has arrived yet."""
    async with small_camera(clock, link_kbps=link_kbps, keep=keep, period_s=period_s) as camera:
        with anyio.fail_after(10):
            yield camera, await anext(camera.new())


async def collect(camera: Camera, image_id: str, start: int = 0) -> bytes:
    return b"".join([chunk async for chunk in camera.open(image_id, start)])


def view(width: int = 256, height: int = 128, t: float = NOW, turn: int = 0) -> CameraView:
    return camera_view(World(1), t, turn, width, height)


def test_an_image_has_the_position_and_sun_of_the_telemetry() -> None:
    shown, state = view(), World(1).state(NOW)
    assert (shown.lat_deg, shown.lon_deg) == (state.lat_deg, state.lon_deg)
    assert shown.azimuth_deg == pytest.approx(state.heading_deg)
    assert shown.sun_elevation_deg == state.sun.elevation_deg
    assert shown.metadata()["local_time"] == state.when.text


def test_rendering_is_deterministic_and_differs_between_places() -> None:
    first = render(view(64, 32))
    assert encode_jpeg(render(view(64, 32))) == encode_jpeg(first)
    assert not np.array_equal(render(view(64, 32, NOW + 100)), first)


def test_the_sky_is_bright_above_the_ground_by_day_and_dark_at_night() -> None:
    shown = view()
    day = render(shown)
    assert day.shape == (128, 256, 3)
    assert day.dtype == np.uint8
    sky, ground = day[:20].mean(axis=(0, 1)), day[60:].mean(axis=(0, 1))
    assert sky.mean() > 110
    for colour in (sky, ground):
        assert colour[0] > colour[1] > colour[2], "reddish, as on Mars"
    assert day[60:].std() > 15
    world = World(1)
    night_t = next(t for t in np.arange(NOW, NOW + 40_000, 60) if at_night(world, float(t)))
    assert render(view(64, 32, float(night_t)))[:5].mean() < 40


def at_night(world: World, t: float) -> bool:
    return world.state(t).sun.elevation_deg < -40


def test_rocks_keep_their_positions_when_the_rover_moves() -> None:
    def places(shown: CameraView) -> set[tuple[int, int]]:
        return {
            (
                round((float(body.centre[0]) + shown.east_m) * 10),
                round((float(body.centre[1]) + shown.north_m) * 10),
            )
            for body in rocks_in_view(Land(shown), Scene(shown))
            if body.away_m < 100
        }

    before = places(view(1024, 512, NOW))
    after = places(view(1024, 512, NOW + 15))
    assert World(1).state(NOW + 15).along_m - World(1).state(NOW).along_m > 3
    assert len(before & after) > 0.4 * len(before) > 20


async def test_an_image_is_rendered_by_a_process_as_a_baseline_jpeg(temp: Path) -> None:
    width, height = (4096, 2048) if FULL else (1024, 512)
    async with SimulatedCamera(
        link_kbps=1e6, width=width, height=height, clock=ManualClock()
    ) as camera:
        with anyio.fail_after(50):
            image_id = await anext(camera.new())
        image = await newest(camera)
        data = (files(temp)[0] / f"{image_id}.jpg").read_bytes()
    assert image.size == len(data)
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    with PIL.Image.open(BytesIO(data)) as jpeg:
        jpeg.load()
        assert jpeg.format == "JPEG"
        assert jpeg.size == (image.width, image.height) == (width, height)
        assert "progressive" not in jpeg.info
        pixels = np.asarray(jpeg)
    assert pixels[height // 2 :].std() > 20
    if FULL:
        assert 6 < len(data) * 8 / 1000 / LINK_KBPS < 12, "seconds at the default rate"


async def test_an_image_arrives_at_the_link_rate_by_the_injected_clock() -> None:
    clock = ManualClock()
    async with arriving(clock, link_kbps=100) as (camera, image_id):
        image = await newest(camera)
        assert (image.id, image.size) == (image_id, NOISE_BYTES)
        assert (image.received, image.complete, image.path) == (0, False, None)
        assert image.sha256 == image.revision
        reader = camera.open(image_id)
        for seconds in (1, 2, 3):
            clock.now_s = NOW + seconds
            assert len(await anext(reader)) == 12_500
            image = await newest(camera)
            assert image.received == 12_500 * seconds
            assert image.received_at == NOW + seconds
            assert not image.complete
        clock.now_s = NOW + 4
        await anext(reader)
        done = await camera.image(image_id)
        assert done is not None
        assert done.complete
        assert done.path is None  # its file does not remain, so that the server keeps a copy
        assert done.size == NOISE_BYTES


async def test_received_bytes_stay_received_when_the_clock_is_set_back() -> None:
    clock = ManualClock()
    async with arriving(clock, link_kbps=100) as (camera, image_id):
        reader = camera.open(image_id)
        clock.now_s = NOW + 2
        assert len(await anext(reader)) == 25_000
        clock.now_s = NOW - 3_600
        await clock.wait_until_read()
        await clock.wait_until_read()
        assert (await newest(camera)).received == 25_000
        clock.now_s += 1
        assert len(await anext(reader)) == 12_500


async def test_readers_at_different_positions_get_the_same_bytes_as_they_arrive() -> None:
    clock = ManualClock()
    async with arriving(clock, link_kbps=400, period_s=600) as (camera, image_id):
        got: dict[int, bytes] = {}

        async def read(start: int) -> None:
            got[start] = await collect(camera, image_id, start)

        async with anyio.create_task_group() as readers:
            for start in (0, 1, 20_000, 49_999, 50_000):
                readers.start_soon(read, start)
            early = camera.open(image_id)
            clock.now_s += 0.5
            assert len(await anext(early)) == 25_000
            clock.now_s += 0.25
            assert len(await anext(early)) == 12_500
            clock.now_s += 1
        whole = got[0]
        assert hashlib.sha256(whole).hexdigest() == (await newest(camera)).sha256
        assert len(whole) == NOISE_BYTES
        assert all(data == whole[start:] for start, data in got.items())
        assert await collect(camera, image_id) == whole


async def test_new_yields_the_image_that_arrives_now_and_then_each_next_one() -> None:
    clock = ManualClock()
    async with arriving(clock) as (camera, image_id):
        ids = camera.new()
        assert await anext(ids) == image_id
        clock.now_s += 60
        second = await anext(ids)
        clock.now_s += 60
        third = await anext(ids)
        stored = await camera.images()
        assert [image.id for image in stored] == [third, second, image_id]
        assert all(re.fullmatch(r"sol-\d{4}-\d{6}-navcam-\d{3}", image.id) for image in stored)
        directions = {image.metadata["instrument"] for image in stored}
        assert len(directions) == 2


async def test_a_new_image_removes_the_oldest_and_breaks_its_readers(temp: Path) -> None:
    clock = ManualClock()
    async with arriving(clock, keep=2) as (camera, first):
        clock.now_s += 3
        reader = camera.open(first)
        assert len(await anext(reader)) == 37_500
        ids = camera.new()
        assert await anext(ids) == first
        for _ in range(2):
            clock.now_s += 60
            assert await anext(ids) == (await newest(camera)).id
        assert len(await camera.images()) == 2
        with pytest.raises(ImageBroken) as broken:
            async for _ in reader:
                pass
        assert broken.value.image_id == first
        with pytest.raises(UnknownImage):
            await collect(camera, first)
        assert await camera.image(first) is None
        assert len(files(files(temp)[0])) <= 3


@pytest.mark.parametrize("image_id", ["", "nothing", "../../etc/passwd", "\0", "x" * 5_000])
async def test_an_unknown_id_has_no_image(image_id: str) -> None:
    async with small_camera(ManualClock()) as camera:
        assert await camera.image(image_id) is None
        with pytest.raises(UnknownImage):
            await collect(camera, image_id)


async def test_closing_the_camera_removes_its_folder_and_breaks_waiting_readers(temp: Path) -> None:
    broken: list[str] = []

    async def read(camera: Camera, image_id: str) -> None:
        try:
            await collect(camera, image_id)
        except ImageBroken as error:
            broken.append(error.image_id)

    with anyio.fail_after(10):
        async with (
            anyio.create_task_group() as tasks,
            arriving(ManualClock()) as (camera, image_id),
        ):
            tasks.start_soon(read, camera, image_id)
            await anyio.wait_all_tasks_blocked()
            assert len(files(temp)) == 1
    assert broken == [image_id]
    assert files(temp) == []
    assert await camera.images() == []


async def test_closing_the_camera_kills_the_process_that_renders(tmp_path: Path) -> None:
    started, python = tmp_path / "started", tmp_path / "python"
    os.mkfifo(started)
    python.write_text(f"#!/bin/sh\necho $$ > {started}\nexec sleep 600\n")
    python.chmod(0o755)
    with anyio.fail_after(10):
        async with SimulatedCamera(
            clock=ManualClock(), render=partial(render_in_process, python=str(python))
        ):
            pid = int(await anyio.to_thread.run_sync(started.read_text, abandon_on_cancel=True))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert sorted(files(tmp_path)) == sorted([started, python])


async def test_a_camera_that_was_not_entered_does_nothing(temp: Path) -> None:
    camera: Camera = SimulatedCamera()
    assert await camera.images() == []
    assert files(temp) == []


async def test_a_failed_image_is_reported_and_tried_again() -> None:
    python = "/nonexistent/python"
    async with SimulatedCamera(
        clock=ManualClock(), period_s=0, render=partial(render_in_process, python=python), **SMALL
    ) as camera:
        for _ in range(2):
            with anyio.fail_after(5), pytest.raises(SourceError, match=python):
                await anext(camera.new())


async def test_an_unexpected_error_becomes_a_source_error() -> None:
    async def render_no_file(view: CameraView, path: Path, niceness: int) -> None:
        await anyio.lowlevel.checkpoint()

    async with SimulatedCamera(clock=ManualClock(), period_s=0, render=render_no_file) as camera:
        with anyio.fail_after(5), pytest.raises(SourceError, match="FileNotFoundError"):
            await anext(camera.new())
        assert await camera.images() == []


async def test_a_failed_process_is_reported_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="FileNotFoundError"):
        await render_in_process(view(), tmp_path / "no" / "such" / "folder.jpg", niceness=0)


@pytest.mark.parametrize(
    "options",
    [
        {"link_kbps": 0},
        {"link_kbps": -1},
        {"link_kbps": float("nan")},
        {"time_scale": 0},
        {"period_s": -1},
        {"keep": 1},
        {"keep": 2.5},
        {"width": 10},
        {"height": 100_000},
        {"seed": "one"},
    ],
    ids=str,
)
def test_an_option_out_of_range_is_refused_by_name(options: dict[str, Any]) -> None:
    name = next(iter(options))
    with pytest.raises(SourceError, match=rf"^{name}="):
        SimulatedCamera(**options)


def test_the_metadata_gives_the_span_of_the_image() -> None:
    shown = view().metadata()
    span = (float(shown["azimuth_to_deg"]) - float(shown["azimuth_from_deg"])) % 360
    assert span == pytest.approx(FIELD_DEG, abs=0.11)
