"""Alarms are latched until acknowledged, can be shelved, and are published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import sleep_forever

from rover.errors import UnknownAlarm
from rover.routes import alarms as alarm_routes
from rover.telemetry import Telemetry
from rover.telemetry.alarms import MAX_ENDED, AlarmLog
from rover.telemetry.limits import LimitWatch
from sources.base import Limits, Parameter, Sample
from tests.one_stream import OneStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0
PARAMETERS = (
    Parameter("speed", "m/s", limits=Limits(yellow=(1, 50), red=(None, 80))),
    Parameter("torque", "N m", limits=Limits(red=(None, 9))),
)


class Log(AlarmLog):
    """An alarm log fed with values through the limits."""

    def __init__(self) -> None:
        self.now = T
        super().__init__(clock=lambda: self.now)
        self.watch = LimitWatch(PARAMETERS)

    def measure(self, name: str, value: float) -> list[str]:
        """What the value did."""
        self.now += 1
        return [
            self.apply(change, self.now, "m/s")[1] for change in self.watch.check({name: value})
        ]

    def listed(self) -> list[tuple[str, str, int]]:
        return [(alarm.parameter, alarm.level, alarm.count) for alarm in self.latched]


def test_an_alarm_that_ends_stays_until_it_is_acknowledged() -> None:
    log = Log()
    assert log.measure("speed", 90) == ["raised"]
    assert log.measure("speed", 20) == ["ended"]
    [alarm] = log.latched
    assert (alarm.level, alarm.worst, alarm.since) == ("nominal", "red", T + 1)
    log.acknowledge(alarm.id, "ada", "seen")
    assert log.latched == []
    assert [ended.id for ended in log.ended] == [alarm.id]


def test_an_acknowledged_alarm_stays_until_it_ends() -> None:
    log = Log()
    log.measure("speed", 90)
    [alarm] = log.latched
    log.acknowledge(alarm.id, "ada", "")
    assert log.listed() == [("speed", "red", 1)]
    log.measure("speed", 20)
    assert log.latched == []


def test_an_alarm_that_gets_worse_or_is_raised_again_needs_a_new_acknowledgement() -> None:
    log = Log()
    log.measure("speed", 60)
    [alarm] = log.latched
    log.acknowledge(alarm.id, "ada", "")
    assert log.measure("speed", 90) == ["changed"]
    assert alarm.acknowledged is None
    log.measure("speed", 20)
    assert log.measure("speed", 60) == ["raised"]
    assert (alarm.count, alarm.worst, alarm.acknowledged) == (2, "yellow", None)


def test_a_less_severe_level_keeps_the_acknowledgement() -> None:
    log = Log()
    log.measure("speed", 90)
    [alarm] = log.latched
    log.acknowledge(alarm.id, "ada", "")
    assert log.measure("speed", 60) == ["changed"]
    assert alarm.acknowledged is not None
    assert alarm.worst == "red"


def test_both_sides_of_a_parameter_have_alarms_of_their_own() -> None:
    log = Log()
    log.measure("speed", 90)
    assert log.measure("speed", 0) == ["ended", "raised"]
    assert sorted((alarm.side, alarm.is_active) for alarm in log.latched) == [
        ("high", False),
        ("low", True),
    ]


def test_the_list_has_active_alarms_first_and_the_worst_of_them_on_top() -> None:
    log = Log()
    log.measure("speed", 60)
    log.measure("torque", 20)
    assert [name for name, *_ in log.listed()] == ["torque", "speed"]
    log.measure("torque", 1)
    assert [name for name, *_ in log.listed()] == ["speed", "torque"]


def test_a_shelf_expires() -> None:
    log = Log()
    log.measure("speed", 90)
    [alarm] = log.latched
    log.shelve(alarm.id, "bo", "valve is being replaced", 5)
    assert log.as_json(alarm)["shelved"]["by"] == "bo"
    log.now += 301
    assert log.as_json(alarm)["shelved"] is None
    log.shelve(alarm.id, "bo", "", 5)
    log.shelve(alarm.id, "bo", "", 0)
    assert log.as_json(alarm)["shelved"] is None


def test_memory_is_bounded() -> None:
    log = Log()
    for _ in range(MAX_ENDED + 10):
        log.measure("speed", 90)
        log.acknowledge(log.latched[0].id, "ada", "")
        log.measure("speed", 20)
    assert len(log.ended) == MAX_ENDED
    assert log.latched == []
    with pytest.raises(UnknownAlarm):
        log.find("1")


class Hot:
    """A source whose speed is too high."""

    parameters = PARAMETERS

    async def samples(self) -> AsyncIterator[Sample]:
        yield Sample(T, {"speed": 90.0})
        await sleep_forever()


@pytest.fixture
async def station(serve: Serve) -> AsyncIterator[tuple[httpx.AsyncClient, Telemetry]]:
    mission = OneStream()
    mission.telemetry = Telemetry(Hot(), mission.settings, mission.serving.flusher)
    app = mission.app(alarm_routes.routes(mission), mission.telemetry.run)
    async with serve(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        while not (await client.get("/alarms")).json()["alarms"]:
            pass
        yield client, mission.telemetry


def published(telemetry: Telemetry) -> Sequence[dict[str, Any]]:
    frames = [frame.decode() for frame in telemetry.topic.retained()]
    return [json.loads(f.split("data: ", 1)[1]) for f in frames if "event: alarm" in f]


async def test_an_acknowledgement_has_a_name_and_reaches_every_client(
    station: tuple[httpx.AsyncClient, Telemetry],
) -> None:
    client, telemetry = station
    [alarm] = (await client.get("/alarms")).json()["alarms"]
    assert (alarm["parameter"], alarm["unit"], alarm["value"]) == ("speed", "m/s", 90)
    body = {"by": " Ada ", "comment": "brakes checked"}
    answer = await client.post(f"/alarms/{alarm['id']}/acknowledge", json=body)
    assert answer.status_code == 200
    assert answer.json()["acknowledged"]["by"] == "Ada"
    answer = await client.post(f"/alarms/{alarm['id']}/shelve", json={**body, "minutes": 30})
    assert answer.json()["shelved"]["comment"] == "brakes checked"
    actions = [(event["action"], event["level"], event["was"]) for event in published(telemetry)]
    assert actions == [
        ("raised", "red", "nominal"),
        ("acknowledged", "red", "red"),
        ("shelved", "red", "red"),
    ]
    assert b'"acknowledged":{"by":"Ada"' in telemetry.alarm_events()


@pytest.mark.parametrize(
    ("action", "body", "status"),
    [
        ("acknowledge", b"", 400),
        ("acknowledge", b"[]", 400),
        ("acknowledge", b"{", 400),
        ("acknowledge", b"[" * 9_000, 400),
        ("acknowledge", b'{"by": 3}', 400),
        ("acknowledge", b'{"by": "  "}', 400),
        ("acknowledge", b'{"by": "a\\u0000b"}', 400),
        ("acknowledge", b'{"by": "' + b"x" * 2_000 + b'"}', 400),
        ("acknowledge", b" " * 20_000, 400),
        ("shelve", b'{"by": "ada"}', 400),
        ("shelve", b'{"by": "ada", "minutes": true}', 400),
        ("shelve", b'{"by": "ada", "minutes": -1}', 400),
        ("shelve", b'{"by": "ada", "minutes": 100000}', 400),
    ],
)
async def test_a_bad_request_changes_nothing(
    station: tuple[httpx.AsyncClient, Telemetry], action: str, body: bytes, status: int
) -> None:
    client, telemetry = station
    answer = await client.post(f"/alarms/1/{action}", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert len(published(telemetry)) == 1
    assert (await client.post("/alarms/99/acknowledge", json={"by": "ada"})).status_code == 404
