"""Recorded missions as sources: `replay:drive.rover`, `replay:rover-data`."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from anyio import Event as Signal
from anyio import create_task_group, fail_after, run, sleep, to_thread

from rover.mission import MissionControl
from rover.missions import Snapshot, record
from rover.missions.mission_camera import MissionCamera
from rover.missions.mission_telemetry import MissionTelemetry
from rover.schemes import ALL_SCHEMES
from rover.settings import Settings
from rover.testing import check_camera, check_telemetry
from sources.base import Event, Limits, Parameter, Sample, Severity, SourceError
from sources.registry import open_source
from sources.replay import ReplayTelemetry
from tests.test_directory import image_bytes
from tests.test_kept_images import running as with_camera
from tests.test_kept_images import take
from tests.test_missions import T, drive, values
from tests.test_restart import publish, running
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

NOW = T + 1_000_000.0


class Clock:
    """A clock that a sleep moves forward."""

    def __init__(self, at: float = NOW) -> None:
        self.at = at
        self.waits = Signal()  # for ever

    def time(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        if seconds == float("inf"):
            self.waits.set()
            await Signal().wait()
        self.at += seconds


def telemetry(path: Path, **options: Any) -> MissionTelemetry:
    clock = Clock()
    return MissionTelemetry(path, clock=clock.time, sleep=clock.sleep, **options)


async def played(source: MissionTelemetry, count: int) -> list[Any]:
    found: list[Any] = []
    async with aclosing(source.samples()) as samples:  # type: ignore[type-var] # a generator
        async for one in samples:
            found.append(one)
            if len(found) == count:
                break
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mission of 1,200 samples, some late, and an event."""
    folder = tmp_path_factory.mktemp("drive") / "data"

    async def fill() -> None:
        async with running(folder) as (mission, device):
            await drive(mission, device)
            events: Any = [Event(T + 10, Severity.WARNING, "wheel.slip", "rear left")]
            device.push.take(events)
            await until(lambda: len(mission.telemetry.events) == 1)

    run(fill)
    return folder


def recorded_as_file(folder: Path, file: Path) -> Path:
    with Snapshot(folder) as mission:
        record(mission, file)
    return file


async def test_a_mission_is_played_with_its_exact_values_in_order_of_time(
    folder: Path, tmp_path: Path
) -> None:
    sent = {T + n / 8 - 20 * (n % 100 == 50): values(n) for n in range(1200)}
    for path in (folder, folder / "mission.db", recorded_as_file(folder, tmp_path / "drive.rover")):
        found = await played(telemetry(path, times="recorded"), 1201)
        samples = [one for one in found if isinstance(one, Sample)]
        assert [one.t for one in found] == sorted(one.t for one in found)
        assert {one.t for one in samples} == set(sent)
        some = next(one for one in samples if one.values.get("big") == 2**62 + 999)
        assert some.values == values(999)
        assert {name: type(one) for name, one in some.values.items()} == {
            name: type(one) for name, one in values(999).items()
        }
        assert [one for one in found if isinstance(one, Event)] == [
            Event(T + 10, Severity.WARNING, "wheel.slip", "rear left")
        ]


async def test_samples_have_the_present_time_at_the_speed(folder: Path) -> None:
    since, end = f"{T + 140}", f"{T + 141}"
    found = await played(telemetry(folder, speed=4.0, since=since, until=end), 16)
    times = [one.t - NOW for one in found]
    assert times[:8] == [n / 32 for n in range(8)]
    assert times[8:] == [1 / 4 + 1 + n / 32 for n in range(8)]  # from the beginning again
    assert [one.values for one in found[:8]] == [one.values for one in found[8:]]


async def test_without_a_loop_nothing_follows_the_end(folder: Path) -> None:
    clock, count = Clock(), 0
    source = MissionTelemetry(
        folder, loop=False, since=f"{T + 149}", clock=clock.time, sleep=clock.sleep
    )

    async def play() -> None:
        nonlocal count
        async for _ in source.samples():
            count += 1

    async with create_task_group() as tasks:
        tasks.start_soon(play)
        with fail_after(5):
            await clock.waits.wait()
        tasks.cancel_scope.cancel()
    assert count == 8


async def test_the_dictionary_is_the_recorded_one_at_the_speed(tmp_path: Path) -> None:
    known = Parameter("hot", "°C", limits=Limits(red=(None, 80.0), min_duration_s=8), period_s=2.0)

    class Declared:
        parameters = (known,)

        async def samples(self) -> AsyncIterator[Sample]:
            yield Sample(T, {"hot": 20.0})
            await Signal().wait()

    settings = Settings(data_dir=tmp_path, log="sqlite:")
    mission = MissionControl(settings, telemetry=Declared(), camera="none:", commands="none:")
    async with mission:
        await until(lambda: len(mission.telemetry.history) == 1)
    (found,) = telemetry(tmp_path, speed=4.0).parameters
    assert (found.unit, found.period_s, found.limits.min_duration_s) == ("°C", 0.5, 2)
    assert found.limits.red == (None, 80.0)


async def test_a_mission_that_plays_a_record_has_the_same_history(
    folder: Path, tmp_path: Path
) -> None:
    url = f"replay:{folder}?times=recorded&speed=1e9"
    settings = Settings(data_dir=tmp_path, log="sqlite:")
    mission = MissionControl(settings, telemetry=url, camera="none:", commands="none:")
    async with mission:
        await until(
            lambda: dict(mission.telemetry.latest.items()).get("big", (0, 0))[1] == 2**62 + 1199
        )
        history = mission.telemetry.history
        tables = await to_thread.run_sync(lambda: [*history.tables()])
        with Snapshot(folder) as recorded:
            before = [*recorded.history().tables()]
        for name in values(1):
            columns = [
                [one for table in found for one in table.as_columns()[name]]
                for found in (before, tables)
            ]
            assert columns[0] == columns[1], name


async def test_what_a_server_adds_after_the_start_is_not_played(tmp_path: Path) -> None:
    async with running(tmp_path) as (mission, device):
        await publish(mission, device, *(Sample(T + n, {"speed": n}) for n in range(5)))
        source = telemetry(tmp_path)
        await publish(mission, device, Sample(T + 9, {"speed": 9}))
        found = await played(source, 10)
        assert [one.values["speed"] for one in found] == [*range(5), *range(5)]


async def arrivals(camera: MissionCamera, count: int) -> list[str]:
    new = camera.new()
    return [await anext(new) for _ in range(count)]


async def test_the_images_of_a_mission_are_played(tmp_path: Path) -> None:
    large = bytes(range(256)) * 8192
    async with with_camera(tmp_path / "data", max_bytes=2**24) as (images, camera):
        await take(images, camera, "sol 1/é", b"first")
        await take(images, camera, "second", large)
    file = recorded_as_file(tmp_path / "data", tmp_path / "drive.rover")
    for path in (tmp_path / "data", file):
        clock = Clock()
        source = MissionCamera(path, clock=clock.time, sleep=clock.sleep, loop=False)
        assert await source.images() == []
        async with source:
            assert await arrivals(source, 2) == ["sol 1/é", "second"]
        assert [one.id for one in await source.images()] == ["second", "sol 1/é"]
        second = await source.image("second")
        assert second is not None
        assert second.received_at is not None
        assert NOW <= second.received_at < NOW + 60
        for start in (0, 5, 2**20, 2**20 + 3, len(large)):
            assert b"".join([data async for data in source.open("second", start)]) == large[start:]
    next((tmp_path / "data" / "images" / "camera").iterdir()).unlink()
    assert len(MissionCamera(tmp_path / "data")._images) == 1


async def test_the_images_arrive_again_with_the_samples(tmp_path: Path) -> None:
    async with with_camera(tmp_path) as (images, camera):
        await take(images, camera, "first", b"first")
        await take(images, camera, "second", b"second")
    async with MissionCamera(tmp_path, speed=1000) as source:
        assert await arrivals(source, 3) == ["first", "second", "first"]
        assert (await source.images())[0].id == "first"


@pytest.mark.parametrize("kind", ["folder", "file"])
async def test_images_that_arrive_again_are_received_again(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "drive"
    async with with_camera(path) as (images, camera):
        await take(images, camera, "first", b"first")
        await take(images, camera, "second", b"second")
    if kind == "file":
        path = recorded_as_file(path, tmp_path / "drive.rover")
    settings = Settings(data_dir=tmp_path / "data", log="memory:")
    url = f"replay:{path}?speed=1000"
    async with MissionControl(settings, telemetry="none:", camera=url, commands="none:") as mission:
        log = mission.log

        def completed(loop: int) -> list[Any]:
            records = log._records.get("images", ())  # type: ignore[attr-defined]
            found = [json.loads(one.data) for one in records]
            return [
                one
                for one in found
                if one["state"] == "complete" and one["revision"].endswith(f"-{loop}")
            ]

        await until(lambda: len(completed(2)) == 2)
        again = [*completed(1), *completed(2)]
    for arrived in (again[:2], again[2:]):
        assert {one["id"] for one in arrived} == {"first", "second"}
    assert all(one["received_at"] >= (one["taken_at"] or 0.0) for one in again)
    times = [one["received_at"] for one in again]
    assert max(times[:2]) < min(times[2:])


async def recorded_images(mission: MissionControl) -> set[str]:
    """The ids of the images that were recorded as complete."""
    found = [json.loads(one.data) for one in await mission.log.read("images")]
    return {one["id"] for one in found if one["state"] == "complete"}


async def test_the_files_of_cameras_are_played_from_a_data_folder(tmp_path: Path) -> None:
    photos, content = tmp_path / "photos", image_bytes()
    photos.mkdir()
    for data, camera in (
        (tmp_path / "data", f"dir:{photos}"),
        (tmp_path / "again", f"replay:{tmp_path / 'data'}?speed=1000"),
    ):
        settings = Settings(data_dir=data, log="sqlite:")
        async with MissionControl(
            settings, telemetry="none:", camera=camera, commands="none:"
        ) as mission:
            for name in ("a.png", "b.png"):
                if not (photos / name).exists():
                    (photos / name).write_bytes(content)
                with fail_after(10):
                    while name not in await recorded_images(mission):
                        await sleep(0.05)
    (photos / "b.png").write_bytes(content + b"changed")
    async with MissionCamera(tmp_path / "data", speed=1000) as source:
        assert await arrivals(source, 2) == ["a.png", "a.png"]
        assert b"".join([data async for data in source.open("a.png")]) == content


async def test_both_sources_keep_the_contract(tmp_path: Path) -> None:
    async with running(tmp_path / "drive") as (mission, device):
        some = [Sample(T + n / 10, {**values(n), "mixed": None}) for n in range(600)]
        await publish(mission, device, *some)
    async with with_camera(tmp_path / "data") as (images, camera):
        for n in range(3):
            await take(images, camera, f"image {n}", b"x" * 5000)
    camera_: Any = open_source(
        "camera", f"replay:{tmp_path / 'data'}?speed=0.01", schemes=ALL_SCHEMES
    )
    await check_camera(camera_)
    telemetry_: Any = open_source(
        "telemetry", f"replay:{tmp_path / 'drive'}?speed=9", schemes=ALL_SCHEMES
    )
    await check_telemetry(telemetry_)


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("telemetry", "speed=0"),
        ("telemetry", "loop=yes&times=recorded"),
        ("telemetry", "since=yesterday"),
        ("telemetry", f"since={NOW}"),
        ("telemetry", f"until={T - 1e6}"),
        ("telemetry", "delimiter=comma"),
        ("camera", "name=mast"),
    ],
)
async def test_wrong_options_are_refused(folder: Path, kind: Any, query: str) -> None:
    with pytest.raises(SourceError):
        open_source(kind, f"replay:{folder}?{query}", schemes=ALL_SCHEMES)


async def test_other_files_are_tables(tmp_path: Path) -> None:
    table = tmp_path / "drive.csv"
    table.write_text("time,speed\n1,2\n2,3\n")
    source = open_source("telemetry", f"replay:{table}", schemes=ALL_SCHEMES)
    assert isinstance(source, ReplayTelemetry)
    for url in (f"replay:{tmp_path}", f"replay:{tmp_path / 'nowhere.rover'}"):
        for kind in ("telemetry", "camera"):
            with pytest.raises(SourceError):
                open_source(kind, url, schemes=ALL_SCHEMES)
