"""A mission whose process is killed, and the one that goes on with its data folder."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import asynccontextmanager
from time import time
from typing import TYPE_CHECKING, Any

import pytest
from anyio import fail_after, sleep

from rover.archive.table import table_of
from rover.comms.protocol import CommsV1
from rover.config import Config
from rover.mission import MissionControl
from rover.missions import Snapshot
from rover.settings import Settings
from rover.telemetry.recorder import NamedEvents
from rover.telemetry.translation import ParameterChange
from rover.topic import Batch, Gap, GapReason
from sources.base import Event, Limits, Parameter, Sample, Severity
from sources.push import PushTelemetry
from tests.command_files import FILE, Script
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from rover.topic import EventId, Subscriber

pytestmark = pytest.mark.anyio

HOT = Parameter("temperature", "°C", limits=Limits(red=(None, 80.0)))
PARAMETERS = (HOT, Parameter("speed", "m/s"), Parameter("location", kind="vector"))


class Device:
    """A telemetry source: a test pushes its samples and events."""

    parameters: tuple[Parameter, ...] = PARAMETERS

    def __init__(self) -> None:
        self.push = PushTelemetry()
        self.samples = self.push.samples


@asynccontextmanager
async def running(
    folder: Path, *verdict: Any, **settings_: Any
) -> AsyncIterator[tuple[MissionControl, Device]]:
    device = Device()
    settings = Settings(data_dir=folder, log="sqlite:", room_events=5, **settings_)
    mission = MissionControl(settings, telemetry=device, camera="none:", commands=Script(*verdict))
    async with mission:
        yield mission, device


def killed(folder: Path) -> Path:
    """The data folder as a killed process leaves it."""
    copy = folder.with_name(f"{folder.name}+")
    shutil.copytree(folder, copy)
    return copy


async def publish(mission: MissionControl, device: Device, *samples: Sample) -> None:
    topic = mission.telemetry.topic
    count = topic.last_id.offset + len(samples)
    device.push.take(list(samples))
    await until(lambda: topic.released_id.offset >= count)


async def events_of(subscriber: Subscriber[Any, Any], count: int) -> list[Any]:
    found: list[Any] = []
    with subscriber, fail_after(5):
        while len(found) < count:
            news = await anext(subscriber)
            if isinstance(news, Batch):
                found += news.frames
            elif isinstance(news, Gap):
                found.append(news)
    return found


async def stored(mission: MissionControl, after: EventId) -> list[Any]:
    topic = mission.telemetry.topic
    return await events_of(topic.subscribe(after), topic.released_id.offset - after.offset)


def sample(n: int, **values: Any) -> Sample:
    return Sample(time() - 100 + n / 3, values or {"speed": n / 7, "big": 2**53 + n})


async def test_readers_resume_with_the_same_events_and_no_gap(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as (mission, device):
        location = {"lat": 18.4, "lon": float("nan")}
        await publish(mission, device, sample(1), sample(3, location=location), sample(2))
        start = mission.telemetry.topic.epochs.id(0)
        before = await stored(mission, start)
        copy = killed(tmp_path / "a")
    async with running(copy) as (mission, device):
        after = await stored(mission, start)
        assert after[: len(before)] == before
        await publish(mission, device, sample(4))
        ids = [event.split(b"\n")[0] for event in await stored(mission, start)]
        epoch = start.epoch.encode()
        assert ids == [b"id: %s-%d" % (epoch, n) for n in range(1, len(ids) + 1)]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM records WHERE id & 0xff = 4",
        "UPDATE records SET data = '{' WHERE id & 0xff = 4",
        "UPDATE streams SET last = 100",
    ],
    ids=["a hole", "a damaged event", "no newest events"],
)
async def test_a_client_receives_a_gap_for_events_that_were_not_recorded(
    tmp_path: Path, change: str
) -> None:
    async with running(tmp_path / "a") as (mission, device):
        await publish(mission, device, *map(sample, range(1, 7)))
        epochs = mission.telemetry.topic.epochs
    with sqlite3.connect(tmp_path / "a" / "mission.db") as connection:
        connection.execute(change)
    connection.close()
    async with running(tmp_path / "a") as (mission, device):
        topic = mission.telemetry.topic
        await publish(mission, device, sample(8))
        events = await events_of(topic.subscribe(epochs.id(2)), 2)
        assert [one.reason for one in events if isinstance(one, Gap)] == [GapReason.UNRECORDED]
        after = 100 if "last" in change else 4
        (first, *_) = await events_of(topic.subscribe(epochs.id(after)), 1)
        assert first.startswith(f"id: {epochs.id(after + 1)}\n".encode())


async def test_newest_values_keep_their_times_and_ages(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as (mission, device):
        t = time() - 50
        await publish(mission, device, Sample(t, {"temperature": 20, "speed": 2**60}))
        mission.telemetry._recorder.save()  # type: ignore[union-attr]
        await publish(mission, device, Sample(t + 1, {"speed": 2**60 + 1}))
        shown = mission.telemetry.latest_values()
        copy = killed(tmp_path / "a")
    async with running(copy) as (mission, device):
        again = mission.telemetry.latest_values()
        assert (again["t"], again["temperature"]) == (shown["t"], 20)
        assert again["speed"] == 2**60 + 1
        assert again["details"]["temperature"]["t"] == shown["details"]["temperature"]["t"]
        assert again["details"]["temperature"]["age_s"] < 5
        await publish(mission, device, Sample(t + 0.5, {"speed": 1}))  # late, as before
        assert mission.telemetry.latest_values()["speed"] == 2**60 + 1
        assert len(mission.telemetry.history) == 3


async def test_alarms_keep_their_acknowledgements(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as (mission, device):
        await publish(mission, device, sample(1, temperature=90))
        (alarm,) = mission.telemetry.alarms.latched
        mission.telemetry.alarms.acknowledge(alarm.id, "Žofie", "cooling it")
        await mission.telemetry.synced()
        copy = killed(tmp_path / "a")
    async with running(copy) as (mission, device):
        (again,) = mission.telemetry.alarms.latched
        assert again == alarm
        await publish(mission, device, sample(2, temperature=91))  # still outside: no new alarm
        assert [one.count for one in mission.telemetry.alarms.latched] == [1]
        await publish(mission, device, sample(3, temperature=20))
        assert mission.telemetry.alarms.latched == []
        (ended,) = mission.telemetry.alarms.ended
        assert ended.id == alarm.id
        copy = killed(copy)
    async with running(copy) as (mission, device):
        assert [one.id for one in mission.telemetry.alarms.ended] == [alarm.id]


async def test_an_alarm_ends_if_its_limits_were_removed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "a") as (mission, device):
        await publish(mission, device, sample(1, temperature=90))
        copy = killed(tmp_path / "a")
    monkeypatch.setattr(Device, "parameters", PARAMETERS[1:])
    async with running(copy) as (mission, device):
        (alarm,) = mission.telemetry.alarms.latched
        assert not alarm.is_active


async def test_events_of_sources_are_listed_with_the_same_ids(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as (mission, _):
        topic = mission.telemetry.topic
        event = Event(time(), Severity.WARNING, "reset", "the camera was reset")
        mission.telemetry._publish_event(mission.telemetry.feeds["telemetry"], event)
        await until(lambda: topic.released_id == topic.last_id)
        before = mission.telemetry.events.select(limit=10)
        copy = killed(tmp_path / "a")
    async with running(copy) as (mission, _device):
        assert mission.telemetry.events.select(limit=10) == before


async def test_the_log_keeps_a_limited_number_of_events(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as (mission, _):
        named = NamedEvents(mission.log, max_events=20, step=5)
        for n in range(100):
            mission.telemetry.publish_named("event", f'{{"n":{n}}}')
            named.note(mission.telemetry.topic.last_id.offset)
        await mission.telemetry.synced()
        kept = await mission.log.read("telemetry", kinds=("event",))
        assert 20 <= len(kept) <= 25
        assert kept[-1].data == '{"n":99}'


def texts(frames: Iterable[Any]) -> list[str]:
    return [frame.plain for frame in frames if frame.plain is not None]


async def test_channels_keep_messages_ids_and_refs(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as (mission, _):
        with mission.comms.join("ops", "ada") as ada, mission.comms.join("ops", "ada") as second:
            first = ada.say("one", ref="r1")
            second.say("two", ref="r2")
            await mission.log.sync()
            frames = await events_of(ada.channel.topic.subscribe(first), 1)
            copy = killed(tmp_path / "a")
    async with running(copy) as (mission, _):
        assert [channel.name for channel in mission.comms.channels.listed()] == ["ops"]
        await mission.comms.channels.load("ops")
        with mission.comms.join("ops", "ada", after=first) as ada:
            assert (await events_of(ada.subscriber, 1))[0] == frames[0]
            assert ada.say("one", ref="r1") == first  # the same message, sent again
            assert texts(ada.channel.history()) == ["Message: one", "Message: two"]


async def test_joins_never_replace_messages(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as (mission, _):
        with mission.comms.join("ops", "ada") as ada:
            for n in range(4):
                ada.say(f"message {n}")
            for _ in range(1200):
                with mission.comms.join("ops", "stranger"):
                    pass
            await until(lambda: ada.channel.topic.released_id == ada.channel.topic.last_id)
            assert len(ada.channel.history()) == 4
            resumed = ada.channel.topic.subscribe(ada.joined)
            assert not isinstance((await events_of(resumed, 1))[0], Gap)
            copy = killed(tmp_path / "a")
    async with running(copy) as (mission, _):
        await mission.comms.channels.load("ops")
        with mission.comms.join("ops", "ada") as ada:
            assert len(texts(ada.channel.topic.retained())) == 4
            assert len(ada.channel.topic) < 1100


async def test_an_unfinished_upload_fails_and_a_finished_one_keeps_its_events(
    tmp_path: Path,
) -> None:
    async def chunks(*data: bytes) -> AsyncIterator[bytes]:
        for one in data:
            yield one

    async with running(tmp_path / "a") as (mission, _):
        finished = mission.commands.intake.begin("a.seq")
        await mission.commands.receive(finished, chunks(FILE))
        await until(lambda: finished.topic.ended)
        before = list(finished.topic.retained())
        open_one = mission.commands.intake.begin("b.seq")
        await until(lambda: open_one.topic.released_id == open_one.topic.last_id)
        copy = killed(tmp_path / "a")
        open_one.publish_failure("the test is over")
    async with running(copy) as (mission, _):
        again = mission.commands.find(finished.id)
        assert (again.status, again.report) == (finished.status, finished.report)
        await again.load()
        assert await events_of(again.topic.subscribe(again.topic.epochs.id(0)), 2) == before
        failed = mission.commands.find(open_one.id)
        await until(lambda: failed.topic.ended)
        assert failed.status == "FAILED"
        events = await events_of(failed.topic.subscribe(failed.topic.epochs.id(1)), 1)
        assert b"FAILED" in events[-1]


async def test_a_welcome_names_no_id_that_a_restart_would_use_again(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as (mission, _):
        with mission.comms.join("ops", "ada") as ada:
            CommsV1().welcome(ada)
            joined = await mission.comms.final_id(ada.channel, ada.joined.offset, synced=False)
            copy = killed(tmp_path / "a")
    async with running(copy) as (mission, _):
        with mission.comms.join("ops", "bo") as bo:
            assert (bo.joined.epoch, bo.joined.offset) == (joined.epoch, joined.offset + 1)


async def test_the_history_has_every_sample_once(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as (mission, device):
        await publish(mission, device, *(sample(n) for n in range(30)))
        mission.telemetry.history.archive()
        await publish(mission, device, *(sample(n) for n in range(30, 40)))
        copy = killed(tmp_path / "a")
    async with running(copy) as (mission, device):
        await publish(mission, device, sample(40))
        for _ in range(2):
            table = table_of(mission.telemetry.history.load(fields=["big"]), 1000)
            assert table.as_columns()["big"] == [2**53 + n for n in range(41)]
            mission.telemetry.history.archive()


async def test_archived_samples_are_deleted_from_the_log(tmp_path: Path) -> None:
    async with running(tmp_path / "a", telemetry_events=10) as (mission, device):
        await publish(mission, device, *(sample(n) for n in range(2000)))
        mission.telemetry.history.archive()
        with fail_after(5):  # a few are deleted at each commit
            while len(await mission.log.read("telemetry", kinds=["sample"])) > 100:
                await publish(mission, device, sample(2000))
                await sleep(0.05)
        copy = killed(tmp_path / "a")
    async with running(copy) as (mission, _):
        table = table_of(mission.telemetry.history.load(fields=["big"]), 5000)
        assert len(table.t) >= 2000


async def test_all_files_of_the_data_folder_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    async with running(folder) as (mission, device):
        await publish(mission, device, sample(1))
        await mission.log.sync()
        modes = {
            path.relative_to(folder).as_posix(): path.stat().st_mode & 0o077
            for path in [folder, *folder.rglob("*")]
        }
    assert "mission.lock" in modes
    assert not any(modes.values()), modes


async def test_the_dictionary_has_what_was_learned_before_the_restart(tmp_path: Path) -> None:
    async def dictionary(
        changes: dict[str, ParameterChange], declared: Path | None = None, **values: Any
    ) -> list[Parameter]:
        source = PushTelemetry(parameters=declared)
        settings = Settings(data_dir=tmp_path / "data", log="sqlite:")
        config = Config(settings=settings, parameters=changes)
        async with MissionControl(
            config=config, telemetry=source, camera="none:", commands="none:"
        ) as mission:
            source.take([source.reader.sample(values, time())] if values else [])
            await until(lambda: mission.telemetry.latest.newest("mode")[1] == "drive")
            found = list(mission.telemetry.parameters)
            await mission.telemetry.synced()
            with Snapshot(tmp_path / "data") as snapshot:
                assert snapshot.parameters == found
            return found

    red = Limits(red=(None, 50.0))
    speed = ParameterChange({"unit": "m/s"}, {"red": red.red})
    first = await dictionary({"speed": speed}, zulu=1.5, speed=2.5, mode="drive")
    assert first == [
        Parameter("zulu"),
        Parameter("speed", "m/s", limits=red),
        Parameter("mode", kind="text"),
    ]
    assert await dictionary({"speed": speed}) == first
    assert await dictionary({"speed": speed}, mode="drive", echo=True) == [
        *first,
        Parameter("echo", kind="boolean"),
    ]
    declared = tmp_path / "parameters.json"
    declared.write_text('[{"name": "mode", "unit": "x", "kind": "text"}]')
    later = await dictionary({"zulu": ParameterChange({"unit": "V"})}, declared)
    assert later[:2] == [Parameter("zulu", "V"), Parameter("speed", "m/s")]
    assert later[2:] == [Parameter("mode", "x", "text"), Parameter("echo", kind="boolean")]


async def test_the_dictionary_is_recorded_at_each_start_with_another_one(tmp_path: Path) -> None:
    async def recorded(*parameters: Parameter) -> list[list[str]]:
        source = Device()
        source.parameters = parameters
        settings = Settings(data_dir=tmp_path, log="sqlite:")
        async with MissionControl(
            settings, telemetry=source, camera="none:", commands="none:"
        ) as mission:
            records = await mission.log.read("telemetry", kinds=["dictionary"])
            dictionaries = [json.loads(one.data)["parameters"] for one in records]
            return [[one["unit"] for one in each] for each in dictionaries]

    assert await recorded() == []
    assert await recorded(Parameter("speed", "m/s")) == [["m/s"]]
    assert await recorded(Parameter("speed", "m/s")) == [["m/s"]]
    assert await recorded(Parameter("speed", "km/h")) == [["m/s"], ["km/h"]]
    assert await recorded() == [["m/s"], ["km/h"], []]
