"""Several telemetry sources and several cameras in one mission."""

from __future__ import annotations

from contextlib import asynccontextmanager
from time import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import Event, sleep_forever
from httpx_sse import aconnect_sse

from rover.mission import MissionControl
from rover.settings import Settings
from rover.wire import iso
from sources.base import Limits, Parameter, Sample, SourceError
from tests.fake_camera import FakeCamera
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from sources.base import Camera, TelemetrySource
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0


class Device:
    """Yields some samples, then is silent or fails."""

    def __init__(self, *samples: Sample, limits: Limits | None = None, fails: bool = False) -> None:
        self.parameters = [
            Parameter("temperature", "°C", limits=limits or Limits()),
        ]
        self.read = Event()
        self._samples = samples
        self._fails = fails

    async def samples(self) -> AsyncIterator[Sample]:
        for sample in self._samples:
            yield sample
        if self._fails:
            self.read.set()
            raise SourceError("the cable is out")
        self.read.set()
        await sleep_forever()


@asynccontextmanager
async def mission_of(
    serve: Serve,
    folder: Path,
    telemetry: Mapping[str, TelemetrySource | str] | str = "none:",
    camera: Mapping[str, Camera | str] | str = "none:",
) -> AsyncIterator[tuple[MissionControl, httpx.AsyncClient]]:
    mission = MissionControl(
        Settings(data_dir=folder), telemetry=telemetry, camera=camera, commands="none:"
    )
    async with serve(mission.app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield mission, client


async def get(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(path)
    response.raise_for_status()
    return response.json()


async def test_two_sources_never_merge_into_one_parameter(serve: Serve, tmp_path: Path) -> None:
    now = time()
    arm = Device(Sample(now, {"temperature": 20.0, "grip": 1}))
    mast = Device(
        Sample(now - 0.05, {"temperature": 90.0, "pan": 2}), limits=Limits(red=(None, 80))
    )
    async with mission_of(serve, tmp_path, {"arm": arm, "mast": mast}) as (_, client):
        await arm.read.wait()
        await mast.read.wait()
        latest = await get(client, "/telemetry/latest")
        assert {name: latest[name] for name in latest if name not in ("t", "details")} == {
            "temperature": 20.0,
            "grip": 1,
            "mast.temperature": 90.0,
            "pan": 2,
        }
        details = latest["details"]
        assert details["temperature"]["source"] == details["grip"]["source"] == "arm"
        mast_details = details["mast.temperature"]
        assert (mast_details["t"], mast_details["source"]) == (iso(now - 0.05), "mast")
        names = [p["name"] for p in (await get(client, "/telemetry/parameters"))["parameters"]]
        assert names == ["temperature", "mast.temperature"]
        [alarm] = (await get(client, "/alarms"))["alarms"]
        assert (alarm["parameter"], alarm["level"]) == ("mast.temperature", "red")


async def test_each_source_has_a_state_of_its_own(serve: Serve, tmp_path: Path) -> None:
    broken, good = Device(fails=True), Device(Sample(T, {"temperature": 20.0}))
    async with mission_of(serve, tmp_path, {"arm": broken, "mast": good}) as (_, client):
        await broken.read.wait()
        await good.read.wait()
        sources = (await get(client, "/readyz"))["sources"]
        assert sources["telemetry.arm"]["state"] == "down"
        assert sources["telemetry.mast"]["state"] == "live"
        states = {}
        async with aconnect_sse(client, "GET", "/stream/rover-telemetry") as stream:
            async for event in stream.aiter_sse():
                states[event.json()["source"]] = event.json()["state"]
                if len(states) == 2:
                    break
        assert states == {"arm": "down", "mast": "live"}


async def test_a_batch_names_the_push_source_that_it_is_for(serve: Serve, tmp_path: Path) -> None:
    async with mission_of(serve, tmp_path, {"a": "push:", "b": "push:", "c": Device()}) as (
        mission,
        client,
    ):
        path, sample = "/ingest/telemetry", {"t": T, "speed": 1}
        assert (await client.post(path, json=sample)).status_code == 400
        assert (await client.post(f"{path}?source=c", json=sample)).status_code == 400
        assert (await client.post(f"{path}?source=b", json=sample)).status_code == 202
        await until(lambda: mission.telemetry.latest.known(["speed"]))
        latest = await get(client, "/telemetry/latest?fields=speed")
        assert latest["details"]["speed"]["source"] == "b"


@pytest.mark.parametrize("names", [{}, {"": "none:"}, {"../etc": "none:"}, {"a b": "none:"}])
def test_a_wrong_name_is_an_error_at_the_start(names: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="telemetry"):
        MissionControl(Settings(data_dir=tmp_path), telemetry=names)


async def test_several_cameras_are_one_list_and_can_be_chosen(serve: Serve, tmp_path: Path) -> None:
    mast, belly = FakeCamera(), FakeCamera()
    for camera, data in ((mast, b"mast"), (belly, b"belly")):
        image = camera.begin("a.png")
        camera.send(image, data)
        camera.finish(image)
    async with mission_of(serve, tmp_path, camera={"mast": mast, "belly": belly}) as (_, client):
        listed = (await get(client, "/images"))["images"]
        assert {image["camera"] for image in listed} == {"mast", "belly"}
        for image in listed:
            for link in (
                image["url"],
                image["stream"],
                f"stream/rover-image?camera={image['camera']}",
            ):
                assert (await client.get(f"/{link}")).text == image["camera"]
        tags = {(await client.get(f"/{image['url']}")).headers["etag"] for image in listed}
        assert len(tags) == 2
        only = (await get(client, "/images?camera=belly"))["images"]
        assert [image["camera"] for image in only] == ["belly"]
        assert (await client.get("/images/a.png?camera=none")).status_code == 400
