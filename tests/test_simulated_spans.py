"""Recorded data of simulated sources is labelled wherever it is shown."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from time import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from rover.cli.server import open_mission
from rover.logs import MemoryLog
from rover.logs.gaps import KEY as GAPS
from rover.logs.rows import INSERT_ITEM, item_row
from rover.mission import MissionControl
from rover.missions import RecordedMission, Snapshot, record
from rover.missions.mission_camera import MissionCamera
from rover.missions.mission_telemetry import MissionTelemetry
from rover.settings import Settings
from rover.simulated_spans import KEY, MAX_SPANS, record_simulated, saved_spans, was_simulated
from rover.wire import dumps, iso
from sources.base import Sample
from tests.fake_camera import FakeCamera
from tests.test_kept_images import take
from tests.test_restart import Device, publish, running

if TYPE_CHECKING:
    from pathlib import Path

T = 1_790_000_000.0


async def fill(folder: Path, *, simulated: bool) -> None:
    device: Any = Device()
    camera: Any = FakeCamera()
    arm = FakeCamera()
    device.simulated = camera.simulated = simulated
    settings = Settings(data_dir=folder, log="sqlite:")
    mission = MissionControl(
        settings, telemetry=device, camera={"mast": camera, "arm": arm}, commands="none:"
    )
    async with mission:
        await publish(mission, device, Sample(T, {"speed": 1.0}))
        for name, one in (("mast", camera), ("arm", arm)):
            await take(mission.cameras.images[name], one, f"{name}{simulated}", b"image")


@pytest.mark.anyio
async def test_the_span_has_simulated_times_stops_and_alarms(tmp_path: Path) -> None:
    async with running(tmp_path) as (mission, device):
        await publish(mission, device, Sample(time(), {"temperature": 90.0}))
    with closing(sqlite3.connect(tmp_path / "mission.db", isolation_level=None)) as db:
        db.execute(INSERT_ITEM, item_row(GAPS, dumps([(T, T + 60, "it was stopped")])))
        db.execute(INSERT_ITEM, item_row(KEY, dumps({"telemetry": [[T, T + 1]]})))
    async with running(tmp_path) as (mission, _):
        transport = httpx.ASGITransport(mission.app, client=("127.0.0.1", 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            span = (await client.get("/telemetry/span")).json()
    (gap,) = span["gaps"]
    since, until = (datetime.fromisoformat(gap[name]) for name in ("since", "until"))
    assert (until - since).total_seconds() == 60
    assert [(one["parameter"], one["level"]) for one in span["alarms"]] == [("temperature", "red")]
    assert span["simulated"] == {"telemetry": [[iso(T), iso(T + 1)]]}


@pytest.mark.anyio
@pytest.mark.parametrize("simulated", [True, False])
async def test_a_recorded_mission_is_labelled_as_it_was(tmp_path: Path, simulated: bool) -> None:
    data, file = tmp_path / "data", tmp_path / "drive.rover"
    await fill(data, simulated=simulated)
    with Snapshot(data) as mission:
        record(mission, file)
    for path in (data, file):
        # the samples are older than the run, the images are not
        assert MissionCamera(path, name="mast").simulated is simulated
        assert MissionCamera(path, name="arm").simulated is False
        assert MissionTelemetry(path).simulated is simulated
    opened = open_mission(RecordedMission(file), Settings(data_dir=tmp_path / "open"))
    async with opened:
        labels = {name: one["simulated"] for name, one in opened.sources().items()}
    assert labels == {
        "telemetry": simulated,
        "camera.mast": simulated,
        "camera.arm": False,
        "commands": False,
        "uplink": False,
    }


@pytest.mark.anyio
async def test_data_from_after_a_change_of_sources_is_not_labelled(tmp_path: Path) -> None:
    await fill(tmp_path, simulated=True)
    await fill(tmp_path, simulated=False)
    with Snapshot(tmp_path) as mission:
        [(_, until)] = saved_spans(mission.contents.index.values)["camera.mast"]
        assert until is not None
        record(mission, tmp_path / "before.rover", until=until)
        record(mission, tmp_path / "after.rover", since=until)
    assert was_simulated(RecordedMission(tmp_path / "before.rover").simulated, "camera", "mast")
    assert not RecordedMission(tmp_path / "after.rover").simulated
    assert MissionCamera(tmp_path, name="mast").simulated
    assert not MissionCamera(tmp_path, name="mast", since=str(until)).simulated


def test_a_span_lasts_from_the_first_simulated_run_to_the_next_other_one() -> None:
    log = MemoryLog()
    for t, simulated in ((0, ["telemetry"]), (1, ["telemetry", "commands"]), (2, ["commands"])):
        record_simulated(log, simulated, T + t)
    spans = saved_spans(log.values(KEY))
    assert spans == {"telemetry": [(T, T + 2)], "commands": [(T + 1, None)]}
    assert was_simulated(spans, "telemetry", end=T)
    assert not was_simulated(spans, "telemetry", begin=T + 2)


def test_the_number_of_spans_is_limited() -> None:
    log = MemoryLog()
    for n in range(MAX_SPANS + 5):
        record_simulated(log, ["telemetry"], T + 2 * n)
        record_simulated(log, [], T + 2 * n + 1)
    [spans] = saved_spans(log.values(KEY)).values()
    assert len(spans) == MAX_SPANS
    assert spans[0][0] == T


def test_spans_that_cannot_be_read_are_none() -> None:
    assert [saved_spans({KEY: text}) for text in ("[1]", "{", '{"a": [1]}')] == [{}, {}, {}]


def test_a_span_from_before_the_clock_was_set_back_counts_from_the_beginning() -> None:
    spans = [[T, T + 10], [T + 7200, T + 60], [T + 7200, None]]
    values = {KEY: dumps({"telemetry": spans})}
    assert saved_spans(values, T + 120) == {
        "telemetry": [(T, T + 10), (0.0, T + 7200), (0.0, None)]
    }
    assert saved_spans(values, T + 9000)["telemetry"][2] == (T + 7200, None)
    simulated = saved_spans({KEY: dumps({"camera": spans[2:]})}, T + 120)
    assert was_simulated(simulated, "camera", begin=T, end=T + 60)
