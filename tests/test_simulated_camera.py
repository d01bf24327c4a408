"""The simulated camera: pictures that arrive at the link rate, whole, and leave nothing behind."""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
from contextlib import asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import PIL.Image
import pytest

from sources.base import Camera, Image, ImageBroken, SourceError, UnknownImage
from sources.simulated import camera as module
from sources.simulated.camera import LINK_KBPS, SimulatedCamera
from sources.simulated.camera_view import FIELD_DEG, CameraView, camera_view
from sources.simulated.panorama.land import Land
from sources.simulated.panorama.render import draw, encode
from sources.simulated.panorama.rocks import rocks_in_view
from sources.simulated.panorama.scene import Scene
from sources.simulated.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

NOW = 1_795_330_000.0
SMALL = {"width": 256, "height": 128}


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = NOW

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary folders are made, empty at first."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def files(folder: Path) -> Iterator[Path]:
    """What a folder holds."""
    return folder.iterdir()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[CameraView]:
    """Replaces the drawing by bytes that take no time, and tells what was to be drawn."""
    drawn: list[CameraView] = []

    async def write(view: CameraView, path: Path, niceness: int) -> None:
        drawn.append(view)
        await anyio.Path(path).write_bytes(np.random.default_rng(len(drawn)).bytes(50_000))

    monkeypatch.setattr(module, "_draw", write)
    return drawn


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():
            await anyio.sleep(0.005)


async def newest(camera: Camera) -> Image:
    return (await camera.images())[0]


@asynccontextmanager
async def arriving(
    clock: Hand, *, link_kbps: float = 100, keep: int = 12, period_s: float = 0
) -> AsyncIterator[tuple[SimulatedCamera, str]]:
    """A camera and the id of the picture that has begun to arrive, of which nothing is here yet."""
    camera = SimulatedCamera(
        link_kbps=link_kbps, keep=keep, period_s=period_s, clock=clock, **SMALL
    )
    async with camera:
        with anyio.fail_after(10):
            yield camera, await anext(camera.new())


async def collect(camera: Camera, image_id: str, start: int = 0) -> bytes:
    return b"".join([chunk async for chunk in camera.open(image_id, start)])


# ------------------------------------------------------------------------------- the picture


def view(width: int = 256, height: int = 128, t: float = NOW, turn: int = 0) -> CameraView:
    return camera_view(World(1), t, turn, width, height)


def test_a_picture_shows_the_place_and_sun_that_telemetry_tells_of() -> None:
    shown, state = view(), World(1).state(NOW)
    assert (shown.lat_deg, shown.lon_deg) == (state.lat_deg, state.lon_deg)
    assert shown.azimuth_deg == pytest.approx(state.heading_deg)
    assert shown.sun_elevation_deg == state.sun.elevation_deg
    assert shown.metadata()["local_time"] == state.when.text


def test_a_view_drawn_twice_is_the_same_to_the_byte_and_another_place_is_not() -> None:
    assert encode(draw(view())) == encode(draw(view()))
    assert not np.array_equal(draw(view()), draw(view(t=NOW + 100)))


def test_the_sky_is_bright_above_the_ground_by_day_and_dark_at_night() -> None:
    shown = view()
    day = draw(shown)
    assert day.shape == (128, 256, 3)
    assert day.dtype == np.uint8
    sky, ground = day[:20].mean(axis=(0, 1)), day[60:].mean(axis=(0, 1))
    assert sky.mean() > 110
    for colour in (sky, ground):
        assert colour[0] > colour[1] > colour[2], "red, then green, then blue: it is Mars"
    assert day[60:].std() > 15
    world = World(1)
    night_t = next(t for t in np.arange(NOW, NOW + 40_000, 60) if at_night(world, float(t)))
    assert draw(view(t=float(night_t)))[:20].mean() < 40


def at_night(world: World, t: float) -> bool:
    return world.state(t).sun.elevation_deg < -40


def test_rocks_stay_where_they_are_as_the_rover_moves() -> None:
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


async def test_a_full_size_picture_comes_from_its_own_process_as_a_jpeg(temp: Path) -> None:
    async with SimulatedCamera(link_kbps=1e6, clock=Hand()) as camera:
        with anyio.fail_after(50):
            image_id = await anext(camera.new())
        image = await newest(camera)
        data = (next(files(temp)) / f"{image_id}.jpg").read_bytes()
    assert image.size == len(data)
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    with PIL.Image.open(BytesIO(data)) as picture:
        picture.load()
        assert picture.format == "JPEG"
        assert picture.size == (image.width, image.height) == (4096, 2048)
        assert "progressive" not in picture.info, "baseline draws from its top down"
        pixels = np.asarray(picture)
    assert pixels[1024:].std() > 20, "it shows something"
    assert 6 < len(data) * 8 / 1000 / LINK_KBPS < 12, "about ten seconds at the default rate"


# ------------------------------------------------------------------------------- arriving


async def test_it_arrives_at_the_rate_of_the_link_by_the_injected_clock(
    quick: list[CameraView],
) -> None:
    clock = Hand()
    async with arriving(clock, link_kbps=100) as (camera, image_id):
        image = await newest(camera)
        assert (image.id, image.size, image.received, image.complete) == (
            image_id,
            50_000,
            0,
            False,
        )
        assert image.path is None
        assert image.sha256 == image.revision
        for seconds in (1, 2, 3):
            clock.now_s = NOW + seconds
            await until(lambda: camera._pictures[0].received > 12_500 * (seconds - 1))  # noqa: B023
            image = await newest(camera)
            assert image.received == 12_500 * seconds
            assert image.received_at == NOW + seconds
            assert not image.complete
        clock.now_s = NOW + 4
        await until(lambda: camera._pictures[0].complete)
        done = await camera.image(image_id)
        assert done is not None
        assert done.complete
        assert done.path is not None
        assert (await anyio.Path(done.path).stat()).st_size == done.size == 50_000


async def test_what_has_arrived_does_not_become_less_when_the_clock_goes_back(
    quick: list[CameraView],
) -> None:
    clock = Hand()
    async with arriving(clock, link_kbps=100) as (camera, _):
        clock.now_s = NOW + 2
        await until(lambda: camera._pictures[0].received == 25_000)
        clock.now_s = NOW - 3_600
        await anyio.sleep(0.25)
        assert (await newest(camera)).received == 25_000
        clock.now_s += 1
        await until(lambda: camera._pictures[0].received == 37_500)


async def test_readers_at_different_positions_get_the_same_bytes_as_they_come(
    quick: list[CameraView],
) -> None:
    clock = Hand()
    async with arriving(clock, link_kbps=400, period_s=600) as (camera, image_id):
        got: dict[int, bytes] = {}

        async def read(start: int) -> None:
            got[start] = await collect(camera, image_id, start)

        async with anyio.create_task_group() as readers:
            for start in (0, 1, 20_000, 49_999, 50_000):
                readers.start_soon(read, start)
            early = camera.open(image_id)
            clock.now_s += 0.5
            first = await anext(early)
            assert len(first) == 25_000, "all that is here, and no more"
            clock.now_s += 0.25
            assert len(await anext(early)) == 12_500
            clock.now_s += 1
        whole = got[0]
        assert hashlib.sha256(whole).hexdigest() == (await newest(camera)).sha256
        assert len(whole) == 50_000
        assert all(data == whole[start:] for start, data in got.items())
        assert await collect(camera, image_id) == whole


async def test_new_tells_of_the_one_that_arrives_now_and_then_of_each(
    quick: list[CameraView],
) -> None:
    clock = Hand()
    async with arriving(clock) as (camera, image_id):
        ids = camera.new()
        assert await anext(ids) == image_id
        clock.now_s += 60
        with anyio.fail_after(5):
            second = await anext(ids)
        clock.now_s += 60
        with anyio.fail_after(5):
            third = await anext(ids)
            held = await camera.images()
        assert [image.id for image in held] == [third, second, image_id]
        assert all(re.fullmatch(r"sol-\d{4}-\d{6}-navcam-\d{3}", image.id) for image in held)
        assert len({image.metadata["instrument"] for image in held}) == 2, "it looks about"


async def test_only_the_last_pictures_are_kept_and_readers_of_dropped_ones_are_told(
    quick: list[CameraView], temp: Path
) -> None:
    clock = Hand()
    async with arriving(clock, keep=2) as (camera, first):
        clock.now_s += 3
        reader = camera.open(first)
        got = await anext(reader)
        ids = camera.new()
        for _ in range(3):
            clock.now_s += 60
            with anyio.fail_after(5):
                await anext(ids)
        await until(lambda: len(camera._pictures) == 2 and camera._find(first) is None)
        assert len(got) == 37_500
        with pytest.raises(ImageBroken, match="dropped"):
            await collect_rest(reader)
        with pytest.raises(UnknownImage):
            await collect(camera, first)
        assert await camera.image(first) is None
        assert len(list(files(next(files(temp))))) <= 3


async def collect_rest(reader: AsyncIterator[bytes]) -> None:
    async for _ in reader:
        pass


@pytest.mark.parametrize("image_id", ["", "nothing", "../../etc/passwd", "\0", "x" * 5_000])
async def test_an_unknown_id_is_said_to_be_unknown(image_id: str, quick: list[CameraView]) -> None:
    async with SimulatedCamera(clock=Hand(), **SMALL) as camera:
        assert await camera.image(image_id) is None
        with pytest.raises(UnknownImage):
            await collect(camera, image_id)


# --------------------------------------------------------------------------- its beginning and end


async def test_it_leaves_no_folder_and_no_reader_hanging(
    quick: list[CameraView], temp: Path
) -> None:
    broke: list[str] = []
    async with anyio.create_task_group() as tasks:
        async with arriving(Hand()) as (camera, image_id):
            started = anyio.Event()

            async def read() -> None:
                started.set()
                try:
                    await collect(camera, image_id)
                except ImageBroken as error:
                    broke.append(error.reason)

            tasks.start_soon(read)
            await started.wait()
            await anyio.lowlevel.checkpoint()
            assert len(list(files(temp))) == 1
        with anyio.fail_after(5):
            while not broke:
                await anyio.lowlevel.checkpoint()
    assert list(files(temp)) == []
    assert await camera.images() == []


async def test_closing_while_a_picture_is_drawn_ends_its_process_at_once(temp: Path) -> None:
    with anyio.fail_after(2):
        async with SimulatedCamera(clock=Hand()):
            await anyio.sleep(0.3)
    assert list(files(temp)) == []


async def test_nothing_happens_before_it_is_entered(temp: Path) -> None:
    camera: Camera = SimulatedCamera()
    assert await camera.images() == []
    assert list(files(temp)) == []


async def test_a_picture_that_cannot_be_drawn_is_reported_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    async with SimulatedCamera(clock=Hand(), period_s=0, **SMALL) as camera:
        for _ in range(2):
            with anyio.fail_after(5), pytest.raises(SourceError, match="/nonexistent/python"):
                await anext(camera.new())


async def test_whatever_goes_wrong_with_a_picture_is_a_source_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def draw_nothing(view: CameraView, path: Path, niceness: int) -> None:
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(module, "_draw", draw_nothing)
    async with SimulatedCamera(clock=Hand(), period_s=0) as camera:
        with anyio.fail_after(5), pytest.raises(SourceError, match="FileNotFoundError"):
            await anext(camera.new())
        assert await camera.images() == []


async def test_a_drawing_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"could not draw a picture: .*Error"):
        await module._draw(view(), tmp_path / "no" / "such" / "folder.jpg")


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
def test_options_that_make_no_sense_are_refused_by_name(options: dict[str, Any]) -> None:
    name = next(iter(options))
    with pytest.raises(SourceError, match=rf"^{name}=.*must be"):
        SimulatedCamera(**options)


def test_a_picture_spans_what_its_metadata_says() -> None:
    shown = view().metadata()
    span = (float(shown["azimuth_to_deg"]) - float(shown["azimuth_from_deg"])) % 360
    assert span == pytest.approx(FIELD_DEG, abs=0.11)
