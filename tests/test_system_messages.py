"""Messages of the mission in channels: chosen per channel, bounded, and not repeated."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from anyio import fail_after, sleep_forever

from rover.comms.events import MessageEvent
from rover.comms.history import Query
from rover.comms.kinds import content_of
from rover.comms.rules import ChannelRules, PinnedChannel
from rover.comms.system import BURST, MAX_SUBJECTS, SUBJECT_BURST, SystemEvent, SystemQueue
from rover.config import Config
from rover.errors import ChannelRefused, ConfigError, MessageRefused
from rover.logs import MemoryLog
from rover.mission import MissionControl
from rover.settings import Settings
from rover.supervise import State
from rover.system_events import SourceWatch
from rover.topic import Batch
from sources.base import Limits, Parameter, Sample
from tests.test_pinned_channels import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0


def event(subject: str = "speed high", text: str = "Alarm: speed is red") -> SystemEvent:
    return SystemEvent("alarms", subject, text)


def taken(queue: SystemQueue) -> list[str]:
    """The texts that are due."""
    found = []
    while queue.due_in_s() == 0:
        found.append(queue.take()[1])
    return found


def test_an_alarm_that_flaps_is_one_message_a_minute() -> None:
    now = 0.0
    queue, sent = SystemQueue(lambda: now), []
    for n in range(3_600):  # twice a second
        now = n / 2
        queue.add(event(text=f"change {n}"))
        sent += taken(queue)
    assert len(sent) <= SUBJECT_BURST + now / 60 + 1
    now += 60
    assert taken(queue)[0].startswith(f"change {n} (")  # always with the newest state


def test_many_events_at_once_are_bounded_and_counted() -> None:
    now = 0.0
    queue = SystemQueue(lambda: now)
    for n in range(MAX_SUBJECTS + 50):
        queue.add(event(f"alarm {n}", f"alarm {n}"))
    burst = taken(queue)
    assert len(burst) == BURST
    assert "50" in burst[0]
    sent = 0
    while sent < MAX_SUBJECTS - BURST:
        now += queue.due_in_s()
        sent += len(taken(queue))
    assert now >= 600
    assert taken(queue) == []


def test_a_client_cannot_send_a_system_message() -> None:
    with pytest.raises(MessageRefused):
        content_of({"kind": "system", "data": {"category": "alarms"}})


def test_a_file_chooses_the_messages_of_a_channel(tmp_path: Path) -> None:
    text = '[comms.channel.flight]\nsystem = ["alarms", "sources"]'
    pinned = load(tmp_path, text).channels.pinned
    assert pinned["flight"].system == {"alarms", "sources"}
    for wrong in ('["alarm"]', '"alarms"', "[1]", "[[]]"):
        with pytest.raises(ConfigError):
            load(tmp_path, f"[comms.channel.flight]\nsystem = {wrong}")


class Thermometer:
    """A source that sends some values."""

    parameters: Sequence[Parameter] = (
        Parameter("temperature", "C", "number", "", limits=Limits(red=(None, 80.0))),
    )

    def __init__(self, *values: float) -> None:
        self.values = values

    async def samples(self) -> AsyncIterator[Sample]:
        for n, value in enumerate(self.values):
            yield Sample(T + n, {"temperature": value})
        await sleep_forever()


@asynccontextmanager
async def running(data_dir: Path, *values: float) -> AsyncIterator[MissionControl]:
    pinned = {
        "flight": PinnedChannel(system=frozenset({"alarms", "commands"})),
        "ops": PinnedChannel(system=frozenset({"alarms"})),
        "science": PinnedChannel(),
    }
    settings = Settings(data_dir=data_dir, camera="none:", commands="sim:?pace_s=0", log="sqlite:")
    config = replace(Config.of(settings), channels=ChannelRules(pinned=pinned))
    async with MissionControl(config=config, telemetry=Thermometer(*values)) as mission:
        yield mission


async def messages(mission: MissionControl, channel: str, count: int) -> list[MessageEvent]:
    """The first messages of a channel, when they have been sent."""
    found: list[MessageEvent] = []
    topic = (await mission.comms.open(channel)).topic
    with fail_after(10), topic.subscribe(last=100) as events:
        while len(found) < count:
            news = await anext(events)
            items = news.items if isinstance(news, Batch) else []
            found += [one for one in items if isinstance(one, MessageEvent)]
    return found


async def test_an_alarm_is_reported_once_in_each_chosen_channel(tmp_path: Path) -> None:
    async with running(tmp_path, 20.0, 95.0) as mission:
        [raised] = await messages(mission, "flight", 1)
        [copy] = await messages(mission, "ops", 1)
        [alarm] = mission.telemetry.alarms.latched
        assert (await mission.comms.messages("science", Query())).messages == []
        with pytest.raises(ChannelRefused), mission.comms.join("flight", "System"):
            pass
    assert raised.content.as_json() == {
        "kind": "system",
        "data": {"category": "alarms", "alarm": alarm.id},
    }
    assert raised.name == copy.name == "system"
    assert "95" in raised.text
    async with running(tmp_path, 95.0, 95.0, 20.0) as mission:
        again, ended = await messages(mission, "flight", 2)
    assert again.text == raised.text
    assert ended.content == raised.content
    assert ended.text != raised.text


async def test_the_verdict_of_a_command_file_is_reported_with_a_link(tmp_path: Path) -> None:
    async with running(tmp_path) as mission:
        transport = httpx.ASGITransport(mission.app, client=("127.0.0.1", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            file = {"file": ("drive\n.rcs", b"NONSENSE\n")}
            await client.post("/upload/rover-commands?id=upload-of-a-drive-1", files=file)
        [verdict] = await messages(mission, "flight", 1)
    assert verdict.content.data == {"category": "commands", "upload": "upload-of-a-drive-1"}


def test_a_source_is_reported_when_it_goes_down_and_when_it_is_up_again() -> None:
    log = MemoryLog()

    def run(*states: State) -> list[str]:
        """The events of a run of the server."""
        found: list[str] = []
        for state in states:
            about = {"state": state, "detail": "no route to host", "since": "2026-11-28T21:52:00Z"}
            watch = SourceWatch(lambda about=about: {"telemetry": about}, log, lambda _: None)  # type: ignore[misc]
            found += [one.text for one in watch.changes()]
        return found

    assert run(State.STARTING, State.LIVE) == []
    assert len(run(State.DOWN, State.DOWN, State.STARTING)) == 1
    assert run(State.STARTING, State.STALE) == []  # after a restart
    assert len(run(State.LIVE, State.LIVE)) == 1
    assert run(State.STARTING, State.LIVE) == []
    assert run(State.OFF) == []
