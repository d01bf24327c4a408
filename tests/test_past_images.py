"""Images of a past moment: what was known then, and whether the bytes are still there."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from time import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from rover.cli.server import open_mission
from rover.images.arrivals import KIND, STREAM, Arrival, Arrivals
from rover.logs import MemoryLog
from rover.logs.base import Record
from rover.mission import MissionControl
from rover.missions import RecordedMission, Snapshot, record
from rover.settings import Settings
from rover.wire import iso
from sources.base import Image, ImageBroken
from tests.fake_camera import FakeCamera
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fake_camera import FakeImage

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0


@asynccontextmanager
async def client_of(mission: MissionControl) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(mission.app, client=("127.0.0.1", 5000))
    async with (
        mission,
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        yield client


class Site:
    """A mission with one camera, and its client."""

    def __init__(self, mission: MissionControl, camera: FakeCamera, client: httpx.AsyncClient):
        self.mission = mission
        self.camera = camera
        self.client = client

    async def recorded(self, count: int) -> float:
        """Return when that number of changes is recorded: a time after them."""

        def are_recorded() -> bool:
            stream = self.mission.log.stream(STREAM)
            return stream is not None and stream.last >= count

        await until(are_recorded)
        before = time()
        await until(lambda: time() > before)
        return time()

    async def images(self, at: float, **query: str) -> list[dict[str, Any]]:
        response = await self.client.get("/images", params={"at": f"{at!r}", **query})
        assert response.status_code == 200, response.text
        listed: list[dict[str, Any]] = response.json()["images"]
        return listed

    def complete(self, fake: FakeImage) -> None:
        self.camera.send(fake, b"x" * 5)
        self.camera.finish(fake)


@asynccontextmanager
async def site(folder: Path, **settings: Any) -> AsyncIterator[Site]:
    camera = FakeCamera()
    mission = MissionControl(
        Settings(data_dir=folder, log="sqlite:", **settings),
        telemetry="none:",
        camera=camera,
        commands="none:",
    )
    async with client_of(mission) as client:
        yield Site(mission, camera, client)


def states(listed: list[dict[str, Any]]) -> dict[str, tuple[str, bool]]:
    return {one["id"]: (one["state"], one["available"]) for one in listed}


async def test_the_list_of_a_past_moment_has_each_image_as_it_was_then(tmp_path: Path) -> None:
    start = time()
    async with site(tmp_path) as at:
        one = at.camera.begin("one", size=5)
        began = await at.recorded(1)
        at.complete(one)
        ended = await at.recorded(2)
        two = at.camera.begin("two")
        at.camera.change(two, failure=ImageBroken("two", "the link failed"))
        broke = await at.recorded(4)
        assert await at.images(start) == []
        assert states(await at.images(began)) == {"one": ("arriving", True)}
        assert states(await at.images(ended)) == {"one": ("complete", True)}
        assert states(await at.images(broke)) == {
            "one": ("complete", True),
            "two": ("broken", True),
        }
        assert [one["received"] for one in await at.images(ended)] == [5]
        stream = f"/stream/rover-image?at={broke!r}"
        assert (await at.client.get(stream)).content == b"x" * 5
        assert (await at.client.get(f"/stream/rover-image?at={began!r}")).status_code == 404
        assert (await at.client.get(f"{stream}&id=one")).status_code == 400
        assert (await at.client.get("/images?at=yesterday")).status_code == 400


async def test_the_metadata_says_that_the_bytes_are_gone(tmp_path: Path) -> None:
    async with site(tmp_path, keep_image_bytes=0) as at:
        at.complete(at.camera.begin("one"))
        ended = await at.recorded(1)
    async with site(tmp_path) as at:  # the camera starts without it
        assert states(await at.images(ended)) == {"one": ("complete", False)}
        assert (await at.client.get(f"/stream/rover-image?at={ended!r}")).status_code == 404
        at.camera.begin("one", revision="2")
        now = await at.recorded(2)
        assert states(await at.images(ended)) == {"one": ("complete", False)}
        assert states(await at.images(now)) == {"one": ("arriving", True)}


async def test_an_image_that_arrived_when_the_server_ended_is_broken(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        at.camera.begin("one", size=5)
        await at.recorded(1)
    restarted = time()
    async with site(tmp_path) as at:
        assert states(await at.images(restarted)) == {"one": ("broken", False)}
        [one] = await at.images(time())
        assert one["reason"]
        first, last = await at.mission.log.read(STREAM)
        assert first.at <= last.at < restarted
        at.camera.begin("one", size=5)
        again = await at.recorded(3)
        assert states(await at.images(again)) == {"one": ("arriving", True)}


async def test_images_from_before_the_record_are_known_from_when_they_arrived(
    tmp_path: Path,
) -> None:
    file = tmp_path / "old.png"
    file.write_bytes(b"old")
    camera = FakeCamera()
    camera.finish(camera.begin("old"), file)  # received at 1e9
    camera._new_ids.clear()
    mission = MissionControl(
        Settings(data_dir=tmp_path / "data"), telemetry="none:", camera=camera, commands="none:"
    )
    async with client_of(mission) as client:
        for t, ids in ((1e9 - 1, []), (1e9 + 1, ["old"])):
            listed = (await client.get("/images", params={"at": str(t)})).json()["images"]
            assert [one["id"] for one in listed] == ids


async def test_a_record_has_the_files_of_a_camera_that_are_unchanged(tmp_path: Path) -> None:
    folder, file = tmp_path / "images", tmp_path / "drive.rover"
    folder.mkdir()
    async with site(tmp_path / "data") as at:
        for number, name in enumerate(("kept", "older", "changed", "deleted"), 1):
            path = folder / name
            path.write_bytes(b"x" * 5)
            image = at.camera.begin(name, size=5)
            at.camera.send(image, b"x" * 5)
            at.camera.finish(image, path)
            await at.recorded(number)
        ended = time()
        (folder / "changed").write_bytes(b"y" * 5)
        (folder / "deleted").unlink()
        with Snapshot(tmp_path / "data") as mission:
            record(mission, file)
            counts = record(mission, tmp_path / "small.rover", images_bytes=9)["counts"]
            assert counts["images"] == 1
    assert str(folder).encode() not in file.read_bytes()
    opened = open_mission(RecordedMission(file), Settings(data_dir=tmp_path / "open"))
    RecordedMission(file).extract(tmp_path / "open")
    async with client_of(opened) as client:
        assert (await client.get("/images/kept")).content == b"x" * 5
        listed = (await client.get("/images", params={"at": f"{ended!r}"})).json()["images"]
        assert {one["id"]: one["available"] for one in listed} == {
            "kept": True,
            "older": True,
            "changed": False,
            "deleted": False,
        }


async def test_a_replay_has_the_images_of_the_list(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        one = at.camera.begin("sol 1/é")
        await at.recorded(1)
        at.complete(one)
        await at.recorded(2)
    async with site(tmp_path) as at:
        recorded = await at.mission.log.read(STREAM)
        moved = [one._replace(at=one.at - 60) for one in recorded]
        at.mission.log.delete(STREAM)
        at.mission.log.begin(STREAM, "e2")
        for row in moved:
            at.mission.log.append(STREAM, row)
        events: dict[str | None, list[Any]] = {}
        response = await at.client.get(
            "/stream/rover-telemetry", params={"at": f"{moved[0].at!r}", "speed": "1000"}
        )
        for block in response.text.replace("\r\n", "\n").split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            events.setdefault(lines.get("event"), []).append(lines.get("data"))
        images = [json.loads(one) for one in events["image"]]
        assert [one["state"] for one in images] == ["arriving", "complete"]
        assert images[-1] == (await at.images(time()))[0]
        assert (await at.client.get(f"/{images[-1]['url']}")).content == b"x" * 5


async def test_a_mission_in_a_file_has_the_images_of_each_moment(tmp_path: Path) -> None:
    async with site(tmp_path / "data") as at:
        at.complete(at.camera.begin("one"))
        ended = await at.recorded(1)
        at.camera.begin("two")
        await at.recorded(2)
    with Snapshot(tmp_path / "data") as snapshot:
        record(snapshot, tmp_path / "drive.rover")
    recorded = RecordedMission(tmp_path / "drive.rover")
    recorded.extract(tmp_path / "opened")
    mission = open_mission(recorded, Settings(data_dir=tmp_path / "opened"))
    async with client_of(mission) as client:
        listed = (await client.get("/images", params={"at": iso(ended + 1)})).json()["images"]
        assert states(listed) == {"two": ("arriving", False), "one": ("complete", True)}
        assert (await client.get(f"/{listed[-1]['url']}")).content == b"x" * 5


async def test_the_number_of_recorded_changes_is_limited() -> None:
    log, now = MemoryLog(), iter(range(10_000))
    arrivals = Arrivals(log, lambda: T + next(now), max_records=1500)
    for n in range(3000):
        arrivals.add(Arrival("mast", Image(f"{n}", "image/png"), "complete"))
    assert [one.image.id for one in await arrivals.before(T + 2900, 2)] == ["2899", "2898"]
    assert (await log.read(STREAM, limit=1))[0].offset > 1000


async def test_a_record_that_cannot_be_read_is_left_out() -> None:
    log = MemoryLog()
    arrivals = Arrivals(log, lambda: T)
    arrivals.add(Arrival("mast", Image("one", "image/png", taken_at=T), "complete"))
    for offset, data in enumerate(["{", "[]", '{"camera":"mast","state":"complete"}'], 2):
        log.append(STREAM, Record(offset, T, KIND, data))
    assert [one.image.id for one in await arrivals.before(T + 1, 10)] == ["one"]
    assert await arrivals.before(T + 1, 10, "hazcam") == []
