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
from rover.telemetry.alarms import MAX_ENDED, MAX_LATCHED_EVENTS, MAX_UNACKNOWLEDGED, AlarmLog
from rover.telemetry.limits import LimitWatch
from sources.base import Limits, Parameter, Sample
from tests.one_stream import OneStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rover.telemetry.alarm import Alarm
    from rover.telemetry.limits import Level
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
        self.changes: list[tuple[Alarm, str]] = []
        super().__init__(clock=lambda: self.now, on_change=self._note)
        self.watch = LimitWatch(PARAMETERS)

    def _note(self, alarm: Alarm, action: str, _: Level) -> None:
        self.changes.append((alarm, action))

    def measure(self, name: str, value: float) -> list[str]:
        """What the value did."""
        self.now += 1
        before = len(self.changes)
        for change in self.watch.check(Sample(self.now, {name: value})):
            self.apply(change)
        return [action for _, action in self.changes[before:]]

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


def test_an_alarm_that_is_red_again_needs_a_new_acknowledgement() -> None:
    log = Log()
    log.measure("speed", 90)
    log.measure("speed", 60)
    [alarm] = log.latched
    log.acknowledge(alarm.id, "ada", "")
    assert log.measure("speed", 90) == ["changed"]
    assert alarm.acknowledged is None


def test_a_less_severe_level_keeps_the_acknowledgement() -> None:
    log = Log()
    log.measure("speed", 90)
    [alarm] = log.latched
    log.acknowledge(alarm.id, "ada", "")
    assert log.measure("speed", 60) == ["changed"]
    assert alarm.acknowledged is not None
    assert alarm.worst == "red"


def test_the_threshold_is_that_of_the_level_and_the_text_is_true() -> None:
    log = Log()
    log.measure("speed", 90)
    [alarm] = log.latched
    assert (alarm.threshold, str(alarm)) == (80, "speed is red: 90 m/s, above 80 m/s")
    log.measure("speed", 60)
    assert (alarm.threshold, str(alarm)) == (50, "speed is yellow: 60 m/s, above 50 m/s")
    log.measure("speed", 20)
    assert (alarm.threshold, str(alarm)) == (50, "speed is nominal: 20 m/s, not above 50 m/s")


def test_new_limits_change_or_end_an_active_alarm() -> None:
    log = Log()
    log.measure("speed", 90)
    [alarm] = log.latched
    for limits, action, level in (
        (Limits(red=(None, 85)), "changed", "red"),
        (Limits(yellow=(None, 85)), "changed", "yellow"),
        (Limits(), "ended", "nominal"),
    ):
        [change] = log.watch.set_parameters([Parameter("speed", limits=limits)])
        log.apply(change)
        assert log.changes[-1] == (alarm, action)
        assert (alarm.level, alarm.threshold, alarm.value) == (level, 85, 90)


def test_ids_differ_after_a_restart() -> None:
    logs = [Log(), Log()]
    for log in logs:
        log.measure("speed", 90)
    assert logs[0].latched[0].id != logs[1].latched[0].id
    with pytest.raises(UnknownAlarm):
        logs[1].find(logs[0].latched[0].id)


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


def test_an_expired_shelf_is_reported_once() -> None:
    log = Log()
    log.measure("speed", 90)
    [alarm] = log.latched
    log.shelve(alarm.id, "bo", "", 5)
    log.now += 299
    log.expire_shelves()
    assert log.changes == [(alarm, "raised"), (alarm, "shelved")]
    log.now += 1
    log.expire_shelves()
    log.expire_shelves()
    assert log.changes[2:] == [(alarm, "unshelved")]
    log.shelve(alarm.id, "bo", "", 0)
    assert log.changes[3:] == [(alarm, "unshelved")]


def test_a_shelf_outlasts_the_end_of_the_alarm() -> None:
    log = Log()
    log.measure("speed", 90)
    [alarm] = log.latched
    log.shelve(alarm.id, "bo", "noisy sensor", 5)
    log.acknowledge(alarm.id, "bo", "")
    log.measure("speed", 20)
    assert log.measure("speed", 90) == ["raised"]
    assert log.as_json(alarm)["shelved"]["comment"] == "noisy sensor"
    assert alarm.acknowledged is None
    log.acknowledge(alarm.id, "bo", "")
    log.measure("speed", 20)
    log.now += 300
    log.expire_shelves()
    assert (log.latched, list(log.ended)) == ([], [alarm])


def test_the_oldest_unacknowledged_alarms_are_dropped_and_counted_but_no_active_one() -> None:
    log = AlarmLog(clock=lambda: T)
    names = [f"cell_{n:05}" for n in range(MAX_UNACKNOWLEDGED + 2)]
    watch = LimitWatch(Parameter(name, limits=Limits(red=(3, None))) for name in names)
    low, fine = dict.fromkeys(names, 2.5), dict.fromkeys(names[1:], 4.0)
    for change in watch.check(Sample(T, low)):
        log.apply(change)
    assert (len(log.latched), log.dropped) == (MAX_UNACKNOWLEDGED + 2, 0)
    for change in watch.check(Sample(T + 1, fine)):
        log.apply(change)
    assert (len(log.latched), log.dropped) == (MAX_UNACKNOWLEDGED + 1, 1)
    assert log.latched[0].parameter == names[0]
    assert log.latched_events().count(b"event: alarm\n") == 1 + MAX_LATCHED_EVENTS
    assert names[1] not in {alarm.parameter for alarm in log.latched}


def test_memory_is_bounded() -> None:
    log = Log()
    for _ in range(MAX_ENDED + 10):
        log.measure("speed", 90)
        log.acknowledge(log.latched[0].id, "ada", "")
        log.measure("speed", 20)
    assert len(log.ended) == MAX_ENDED
    assert log.latched == []
    with pytest.raises(UnknownAlarm):
        log.find(log.ended[0].id)


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
    assert b'"acknowledged":{"by":"Ada"' in telemetry.alarms.latched_events()


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
        ("acknowledge", b'{"by": "a\\nb"}', 400),
        ("acknowledge", b'{"by": "a\\u202eb"}', 400),
        ("acknowledge", b'{"by": "a\\ud800b"}', 400),
        ("acknowledge", b'{"by": "a", "comment": "\\u001b[2J"}', 400),
        ("acknowledge", b'{"by": "' + b"x" * 101 + b'"}', 400),
        ("acknowledge", b'{"by": "a", "comment": ["b"]}', 400),
        ("acknowledge", b'{"by": "a", "comment": "' + b"x" * 2_000 + b'"}', 400),
        ("acknowledge", b" " * 20_000, 400),
        ("acknowledge", b" " * 1_000_000, 400),
        ("shelve", b'{"by": "ada"}', 400),
        ("shelve", b'{"by": "ada", "minutes": true}', 400),
        ("shelve", b'{"by": "ada", "minutes": -1}', 400),
        ("shelve", b'{"by": "ada", "minutes": 100000}', 400),
        ("shelve", b'{"by": "ada", "minutes": 1.5}', 400),
        ("shelve", b'{"by": "ada", "minutes": NaN}', 400),
    ],
)
async def test_a_bad_request_changes_nothing(
    station: tuple[httpx.AsyncClient, Telemetry], action: str, body: bytes, status: int
) -> None:
    client, telemetry = station
    [alarm] = (await client.get("/alarms")).json()["alarms"]
    answer = await client.post(f"/alarms/{alarm['id']}/{action}", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert len(published(telemetry)) == 1


@pytest.mark.parametrize("alarm_id", ["99", "%00", "a" * 5_000, "..%2F", "%F0%9F%9A%80"])
@pytest.mark.parametrize("action", ["acknowledge", "shelve"])
async def test_an_unknown_id_is_not_found(
    station: tuple[httpx.AsyncClient, Telemetry], alarm_id: str, action: str
) -> None:
    client, _ = station
    answer = await client.post(f"/alarms/{alarm_id}/{action}", json={"by": "a", "minutes": 1})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_the_list_is_limited_and_counts_all(
    station: tuple[httpx.AsyncClient, Telemetry],
) -> None:
    client, _ = station
    answer = (await client.get("/alarms?limit=0")).json()
    assert answer == {"active": 1, "latched": 1, "dropped": 0, "alarms": [], "ended": []}
    assert (await client.get("/alarms?limit=-1")).status_code == 400
