"""`rover record` and `rover open`: a file has the same mission, and never changes."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import fields
from subprocess import DEVNULL
from time import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import to_thread

from rover.cli.connection import WRONG_USE
from rover.cli.server import open_mission
from rover.commands.records import saved_uploads
from rover.errors import MessageRefused
from rover.exports import FORMATS
from rover.missions import RecordedMission
from rover.settings import Settings
from rover.wire import iso
from sources.base import Event, Image, Sample, Severity
from tests.command_files import ACCEPTED, FILE, SHA256
from tests.serving import free_port, killed_at_exit, wait_until_up
from tests.test_missions import T, drive, exported, run, values
from tests.test_restart import publish, running
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rover.mission import MissionControl
    from tests.test_restart import Device

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(file: Path, folder: Path) -> AsyncIterator[MissionControl]:
    recorded = RecordedMission(file)
    recorded.extract(folder)
    async with open_mission(recorded, Settings(data_dir=folder)) as mission:
        yield mission


@asynccontextmanager
async def client_of(mission: MissionControl) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(mission.app, client=("127.0.0.1", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def get(mission: MissionControl, path: str) -> Any:
    async with client_of(mission) as client:
        response = await client.get(path)
        assert response.status_code == 200, response.text
        return response.json()


async def fill(mission: MissionControl, device: Device) -> None:
    """Publish samples of all types, an alarm, an event, messages, and an accepted file."""

    async def chunks() -> AsyncIterator[bytes]:
        yield FILE

    await publish(mission, device, Sample(T, {"temperature": 90}))
    await drive(mission, device)
    event = Event(T + 5, Severity.WARNING, "reset", "the camera was reset")
    mission.telemetry._publish_event(mission.telemetry.feeds["telemetry"], event)
    (alarm,) = mission.telemetry.alarms.latched
    mission.telemetry.alarms.acknowledge(alarm.id, "Žofie", "cooling it")
    with mission.comms.join("ops", "ada") as ada:
        ada.say("one")
        ada.say("two")
    upload = mission.commands.intake.begin("a.seq")
    await mission.commands.receive(upload, chunks())
    await until(lambda: upload.topic.ended)
    await mission.telemetry.synced()


async def test_a_replay_of_an_opened_file_ends_with_its_last_event(tmp_path: Path) -> None:
    file = tmp_path / "drive.rover"
    async with running(tmp_path / "data") as (mission, device):
        await publish(mission, device, *(Sample(T + n, {"speed": n}) for n in range(9)))
        assert await run("record", "--from", tmp_path / "data", file, "--until", str(T + 60)) == 0
    async with opened(file, tmp_path / "open") as mission, client_of(mission) as client:
        url = f"/stream/rover-telemetry?at={T + 6}&speed=1000"
        *_, end = (await client.get(url)).text.strip().split("\r\n\r\n")
    assert "event: end" in end
    assert iso(T + 8) in end


PATHS = ("/alarms", "/events", "/telemetry/parameters")


async def shown(mission: MissionControl) -> dict[str, Any]:
    async with client_of(mission) as client:
        found: dict[str, Any] = {path: (await client.get(path)).text for path in PATHS}
        history = f"/telemetry/history?since={T}&max_points=20000&fields=speed,big,mode"
        found["history"] = (await client.get(history)).text
        latest = (await client.get("/telemetry/latest")).json()
        found["latest"] = {k: v for k, v in latest.items() if k != "details"}
        found["times"] = {k: v["t"] for k, v in latest["details"].items()}
    await mission.comms.channels.load("ops")
    with mission.comms.join("ops", "bo") as bo:
        found["messages"] = [frame.plain for frame in bo.channel.history()]
    found["uploads"] = [
        mission.commands.find(one).report for one in await saved_uploads(mission.log)
    ]
    return found


async def test_an_opened_file_has_the_same_mission(tmp_path: Path) -> None:
    file = tmp_path / "drive.rover"
    async with running(tmp_path / "data", ACCEPTED) as (mission, device):
        await fill(mission, device)
        assert await run("record", "--from", tmp_path / "data", file) == 0
        before = await shown(mission)
        assert (len(before["messages"]), len(before["uploads"])) == (2, 1)
        exports = {name: await exported(mission, format=name) for name in FORMATS}
    content = file.read_bytes()
    async with opened(file, tmp_path / "open") as mission:
        assert await shown(mission) == before
        for name in FORMATS:
            assert await exported(mission, format=name) == exports[name]
        assert mission.sources()["telemetry"]["state"] == "recorded"
        topic = mission.telemetry.topic
        assert len(topic) >= 1000  # clients begin with the last samples
        assert (tmp_path / "open" / "commands" / SHA256).read_bytes() == FILE
    assert file.read_bytes() == content
    again = tmp_path / "again.rover"
    assert await run("record", "--from", file, again) == 0
    for name in FORMATS:
        copy = tmp_path / f"copy.{name}"
        assert await run("export", "--from", again, "-o", copy) == 0
        assert copy.read_bytes() == exports[name]


async def test_a_time_range_has_the_mission_as_it_was_at_its_end(tmp_path: Path) -> None:
    file = tmp_path / "drive.rover"
    async with running(tmp_path / "data") as (mission, device):
        await drive(mission, device)
        chosen = "--since", f"{T + 10}", "--until", f"{T + 20}"
        assert await run("record", "--from", tmp_path / "data", *chosen, file) == 0
        part = await exported(mission, since=f"{T + 10}", until=f"{T + 20}")
    async with opened(file, tmp_path / "open") as mission:
        assert await exported(mission) == part
        latest = await get(mission, "/telemetry/latest")
        assert (latest["big"], latest["mode"]) == (values(159)["big"], values(159)["mode"])
        ages = {name: one["age_s"] for name, one in latest["details"].items()}
        assert ages["big"] == pytest.approx(1 / 8, abs=0.1)  # at the end of the range
        assert max(ages.values()) <= 10
        recorded = (await get(mission, "/readyz"))["recording"]["recorded"]
        assert recorded["counts"]["messages"] == 0
        assert recorded["name"] == "drive"


async def test_an_upload_that_was_not_finished_stays_so(tmp_path: Path) -> None:
    file = tmp_path / "drive.rover"
    async with running(tmp_path / "data") as (mission, _):
        upload = mission.commands.intake.begin("a.seq")
        await until(lambda: upload.topic.released_id == upload.topic.last_id)
        await mission.log.sync()
        assert await run("record", "--from", tmp_path / "data", file) == 0
        report = upload.report
        upload.publish_failure("the test is over")
    async with opened(file, tmp_path / "open") as mission:
        assert mission.commands.find(upload.id).report == report


async def test_images_of_the_range_are_in_the_file(tmp_path: Path) -> None:
    file, folder = tmp_path / "drive.rover", tmp_path / "data"
    async with running(folder) as (mission, device):
        await publish(mission, device, Sample(T, {"speed": 1}))
        images = folder / "images" / "mast"
        images.mkdir(parents=True)
        for number, name in enumerate(("before", "inside"), 1):
            (images / name).write_bytes(name.encode())
            image = Image(name, "image/png", size=6, complete=True, taken_at=T + 10 * number)
            known = {one.name: getattr(image, one.name) for one in fields(Image)}
            del known["path"]
            mission.log.put(f"image/mast/{name}", json.dumps({"number": number, **known}))
        await mission.log.sync()
        assert await run("record", "--from", folder, "--since", f"{T + 15}", file) == 0
    async with opened(file, tmp_path / "open") as mission, client_of(mission) as client:
        (image_,) = (await get(mission, "/images"))["images"]
        assert image_["id"] == "inside"
        assert (await client.get("/images/inside")).content == b"inside"
        assert mission.sources()["camera.mast"]["state"] == "recorded"


async def test_an_alarm_is_as_it_was_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "drive.rover"
    async with running(tmp_path / "data") as (mission, device):
        await publish(mission, device, Sample(time(), {"temperature": 90}))
        await mission.telemetry.synced()
        first = await mission.log.read("telemetry", kinds=("alarm",))
        (alarm,) = mission.telemetry.alarms.latched
        mission.telemetry.alarms.acknowledge(alarm.id, "Žofie", "cooling it")
        await publish(mission, device, Sample(time(), {"temperature": 20}))
        await mission.telemetry.synced()
        until_ = f"{first[0].at + 1e-6:.7f}"
        assert await run("record", "--from", tmp_path / "data", "--until", until_, file) == 0
    async with opened(file, tmp_path / "open") as mission:
        (again,) = mission.telemetry.alarms.latched
        assert (again.id, again.level, again.acknowledged) == (alarm.id, "red", None)


async def test_an_opened_file_refuses_every_change(tmp_path: Path) -> None:
    file = tmp_path / "drive.rover"
    async with running(tmp_path / "data", ACCEPTED) as (mission, device):
        await fill(mission, device)
        assert await run("record", "--from", tmp_path / "data", file) == 0
    async with opened(file, tmp_path / "open") as mission, client_of(mission) as client:
        (alarm,) = (await get(mission, "/alarms"))["alarms"]
        note = {"by": "Ada", "comment": ""}
        for response in (
            await client.post("/upload/rover-commands", files={"file": ("a.seq", FILE)}),
            await client.post(f"/alarms/{alarm['id']}/acknowledge", json=note),
            await client.post("/ingest/telemetry", json={"speed": 1}),
        ):
            assert response.status_code == 409, response.text
            assert "recorded" in response.json()["detail"]
        assert (await client.get("/session")).status_code == 200
        with mission.comms.join("ops", "ada") as ada, pytest.raises(MessageRefused) as refused:
            ada.say("hello")
        assert refused.value.code == "recorded"


async def test_a_record_that_fails_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "drive.rover"
    assert await run("record", "--from", tmp_path / "nowhere", file) == WRONG_USE
    assert await run("record", "--since", "20", "--until", "10", file) == WRONG_USE
    assert await run("open", tmp_path) == WRONG_USE
    assert await run("open", tmp_path / "nowhere.rover") == WRONG_USE
    assert len(capsys.readouterr().err.splitlines()) == 4
    assert os.listdir(tmp_path) == []  # noqa: PTH208 # quick


async def test_the_command_serves_a_read_only_file(tmp_path: Path) -> None:
    file, port = tmp_path / "drive.rover", free_port()
    async with running(tmp_path / "data") as (mission, device):
        await drive(mission, device)
        assert await run("record", "--from", tmp_path / "data", file) == 0
    os.chmod(file, 0o400)  # noqa: PTH101 # quick

    def serve() -> tuple[bytes, int]:
        command = [sys.executable, "-m", "rover", "open", str(file), "--port", str(port)]
        with killed_at_exit(command, stderr=DEVNULL) as process:
            wait_until_up(f"http://127.0.0.1:{port}/healthz", lambda: process.poll() is None)
            rows = httpx.get(f"http://127.0.0.1:{port}/telemetry/export?format=jsonl").content
            process.send_signal(signal.SIGTERM)
            return rows, process.wait(10)

    rows, status = await to_thread.run_sync(serve)
    assert (len(rows.splitlines()), status) == (1200, 0)
    assert json.loads(rows.splitlines()[-1])["big"] == 2**62 + 1199
    assert sorted(os.listdir(tmp_path)) == ["data", "drive.rover"]  # noqa: PTH208 # quick
