"""Telemetry over HTTP, as a client meets it."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import Event, create_task_group, fail_after, sleep, sleep_forever
from anyio.lowlevel import checkpoint
from httpx_sse import ServerSentEvent, aconnect_sse

from rover.routes import telemetry as telemetry_routes
from rover.telemetry import Telemetry
from rover.topic import Batch, EventId
from rover.wire import iso
from sources.base import Limits, Parameter, Sample
from tests.one_stream import OneStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

START = 1_760_000_000.0


class Told:
    """A source that says what a test tells it."""

    parameters = (
        Parameter("speed", "m/s", description="over ground"),
        Parameter("battery", "%", limits=Limits(yellow=(30, None), red=(20, None))),
        Parameter("location", kind="vector"),
    )

    def __init__(self, count: int = 0) -> None:
        self.waiting = [Sample(START + n, {"speed": n, "battery": 90}) for n in range(count)]
        self.said = Event()

    def say(self, t: float, **values: Any) -> None:
        self.waiting.append(Sample(START + t, values))
        self.said.set()

    async def samples(self) -> AsyncIterator[Sample]:
        while True:
            self.said = Event()
            while self.waiting:
                yield self.waiting.pop(0)
            await self.said.wait()


class Station:
    """Telemetry and its routes, as an app."""

    def __init__(self, source: Told, **settings: Any) -> None:
        self.source = source
        self.mission = mission = OneStream(**settings)
        self.streams = mission.serving.streams
        self.telemetry = Telemetry(source, mission.settings, mission.serving.flusher)
        mission.telemetry = self.telemetry
        self.app = mission.app(telemetry_routes.routes(mission), self.telemetry.run)

    async def heard(self, count: int) -> None:
        """Come back when so many samples have come."""
        with fail_after(5):
            while len(self.telemetry.history) < count:
                await sleep(0.005)


async def read(
    url: str, count: int, name: str | None = "message", **headers: str
) -> list[ServerSentEvent]:
    """The first events of that name, or of any, that a client gets."""
    found: list[ServerSentEvent] = []
    async with (
        httpx.AsyncClient(timeout=10) as client,
        aconnect_sse(client, "GET", url, headers=headers) as source,
    ):
        assert source.response.status_code == 200, await source.response.aread()
        async for event in source.aiter_sse():
            if name in (None, event.event):
                found.append(event)
            if len(found) == count:
                break
    return found


async def get(url: str, **query: Any) -> httpx.Response:
    async with httpx.AsyncClient(timeout=10) as client:
        return await client.get(url, params=query)


async def test_the_state_comes_first_then_samples(serve: Serve) -> None:
    station = Station(Told(3))
    async with serve(station.app) as url:
        await station.heard(3)
        [state] = await read(f"{url}/stream/rover-telemetry", 1, "state")
        assert json.loads(state.data)["state"] == "live"
        assert state.retry == 2000
        events = await read(f"{url}/stream/rover-telemetry?last=3", 3)
    assert [json.loads(event.data) for event in events] == [
        {"t": iso(START + n), "speed": n, "battery": 90} for n in range(3)
    ]


async def test_a_stream_can_start_in_the_past_by_time(serve: Serve) -> None:
    station = Station(Told(100))
    async with serve(station.app) as url:
        await station.heard(100)
        for since in (START + 42, iso(START + 42), iso(START + 41.5).replace("Z", "+00:00")):
            [event] = await read(f"{url}/stream/rover-telemetry?since={since}", 1)
            assert json.loads(event.data)["speed"] == 42


async def test_a_past_that_is_no_longer_kept_is_told(serve: Serve) -> None:
    station = Station(Told(100), telemetry_events=10)
    async with serve(station.app) as url:
        await station.heard(100)
        [gap] = await read(f"{url}/stream/rover-telemetry?since={START}", 1, "gap")
        [event] = await read(f"{url}/stream/rover-telemetry?since={START}", 1)
    assert json.loads(gap.data)["reason"] == "expired"
    assert json.loads(event.data)["speed"] == 90


async def test_fields_and_rate_are_a_view_of_their_own(serve: Serve) -> None:
    station = Station(Told(100))
    async with serve(station.app) as url:
        await station.heard(100)
        events = await read(f"{url}/stream/rover-telemetry?fields=speed&hz=0.1&last=100", 10)
    assert [json.loads(event.data) for event in events[:2]] == [
        {"t": iso(START + 9), "speed": 9, "folded": 9},
        {"t": iso(START + 19), "speed": 19, "folded": 9},
    ]


async def test_an_alarm_rings_on_the_way_out_and_on_the_way_back(serve: Serve) -> None:
    source = Told()
    station = Station(source)
    async with serve(station.app) as url:
        for t, battery in enumerate([50, 25, 24, 10, 50]):
            source.say(t, battery=battery)
        await station.heard(5)
        alarms = await read(f"{url}/stream/rover-telemetry?last=100", 4, "alarm")
    latched, *rang = [json.loads(alarm.data) for alarm in alarms]
    assert (latched["action"], latched["level"], latched["worst"]) == ("latched", "nominal", "red")
    assert [(a["t"], a["was"], a["level"], a["threshold"], a["value"]) for a in rang] == [
        (iso(START + 1), "nominal", "yellow", 30, 25),
        (iso(START + 3), "yellow", "red", 20, 10),
        (iso(START + 4), "red", "nominal", 20, 50),
    ]
    assert {a["parameter"] for a in rang} == {"battery"}


async def test_who_joins_is_told_the_state_and_the_active_alarms(serve: Serve) -> None:
    source = Told()
    station = Station(source)
    async with serve(station.app) as url:
        for t, battery in enumerate([50, 25, 10]):
            source.say(t, battery=battery)
        await station.heard(3)
        for query in ("", "?last=1", "?fields=speed&hz=5"):
            stream = f"{url}/stream/rover-telemetry{query}"
            state, alarm = await read(stream, 2, None)
            assert (state.event, alarm.event, alarm.id) == ("state", "alarm", "")
            assert json.loads(alarm.data) == {
                "id": "1",
                "t": iso(START + 2),
                "parameter": "battery",
                "unit": "%",
                "level": "red",
                "worst": "red",
                "value": 10,
                "side": "low",
                "threshold": 20,
                "since": iso(START + 1),
                "count": 1,
                "acknowledged": None,
                "shelved": None,
                "action": "latched",
                "was": "red",
            }
        source.say(3, battery=90)
        await station.heard(4)
        station.telemetry.acknowledge("1", "ada", "")
        events = await read(f"{url}/stream/rover-telemetry?last=1", 2, None)
    assert [event.event for event in events] == ["state", "alarm"]
    assert (json.loads(events[1].data)["action"], events[1].id) != ("latched", "")


async def test_who_comes_back_is_told_the_active_alarms_only_behind_a_gap(serve: Serve) -> None:
    source = Told()
    station = Station(source, telemetry_events=10)
    async with serve(station.app) as url:
        for t in range(30):
            source.say(t, battery=10)
        await station.heard(30)
        stream = f"{url}/stream/rover-telemetry"
        last = station.telemetry.topic.last_id
        resumed = await read(
            stream, 2, None, **{"Last-Event-ID": f"{last.epoch}-{last.offset - 1}"}
        )
        expired = await read(f"{stream}?after={last.epoch}-1", 3, None)
        restarted = await read(f"{stream}?after=0ld-1", 3, None)
    assert [event.event for event in resumed] == ["state", "message"]
    assert [event.event for event in expired] == ["state", "alarm", "gap"]
    assert [event.event for event in restarted] == ["state", "alarm", "gap"]


async def test_a_late_sample_is_flagged_kept_in_its_place_and_not_the_latest(serve: Serve) -> None:
    source = Told(5)
    station = Station(source)
    async with serve(station.app) as url:
        await read(f"{url}/stream/rover-telemetry?last=5", 5)
        source.say(2.5, speed=99, battery=5)
        event = (await read(f"{url}/stream/rover-telemetry?last=6", 6))[-1]
        assert json.loads(event.data) == {
            "t": iso(START + 2.5),
            "late": True,
            "speed": 99,
            "battery": 5,
        }
        latest = (await get(f"{url}/telemetry/latest")).json()
        past = (await get(f"{url}/telemetry/history", fields="speed")).json()
    assert latest["speed"] == 4
    assert past["speed"] == [0, 1, 2, 99, 3, 4]
    assert past["late"] == [False, False, False, True, False, False]
    assert not station.telemetry.alarms.latched  # a late value raises no alarm


async def test_history_gives_columns(serve: Serve) -> None:
    station = Station(Told(1000))
    async with serve(station.app) as url:
        await station.heard(1000)
        few = await get(
            f"{url}/telemetry/history", since=START + 10, until=START + 12, fields="speed,battery"
        )
        thin = await get(f"{url}/telemetry/history", max_points=50)
    assert few.json() == {
        "t": [iso(START + 10), iso(START + 11)],
        "battery": [90, 90],
        "speed": [10, 11],
        "late": [False, False],
    }
    assert len(thin.json()["t"]) <= 50
    assert (thin.json()["speed"][0], thin.json()["speed"][-1]) == (0, 999)


@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        ("/stream/rover-telemetry", {"fields": "speed,warp"}, "unknown: warp; known: battery"),
        ("/stream/rover-telemetry", {"fields": ","}, "known: battery"),
        ("/stream/rover-telemetry", {"hz": "0"}, "at least 0.01 and at most 1,000"),
        ("/stream/rover-telemetry", {"hz": "nan"}, "at least 0.01 and at most 1,000"),
        ("/stream/rover-telemetry", {"since": "yesterday"}, "2026-11-22T07:00:00Z"),
        ("/stream/rover-telemetry", {"after": "now"}, "epoch-offset"),
        ("/stream/rover-telemetry", {"since": "0", "last": "9"}, "exclude each other"),
        ("/telemetry/history", {"max_points": "0"}, "at least 1 and"),
        ("/telemetry/history", {"until": "inf"}, "2026-11-22T07:00:00Z"),
        ("/telemetry/history", {"fields": "warp"}, "unknown: warp"),
    ],
)
async def test_a_bad_question_is_answered_with_what_would_be_right(
    serve: Serve, path: str, query: dict[str, str], says: str
) -> None:
    async with serve(Station(Told()).app) as url:
        response = await get(f"{url}{path}", **query)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert says in response.json()["detail"]


async def test_there_is_no_latest_before_the_first_sample(serve: Serve) -> None:
    async with serve(Station(Told()).app) as url:
        response = await get(f"{url}/telemetry/latest")
    assert response.status_code == 404
    assert "no value has arrived yet" in response.json()["detail"]


async def test_the_dictionary_has_units_and_limits(serve: Serve) -> None:
    async with serve(Station(Told()).app) as url:
        told = (await get(f"{url}/telemetry/parameters")).json()["parameters"]
    assert told[1] == {
        "name": "battery",
        "unit": "%",
        "kind": "number",
        "description": "",
        "limits": {"yellow": [30, None], "red": [20, None]},
        "period_s": None,
    }


async def test_thousands_of_resumes_at_random_points_have_no_hole_and_no_double() -> None:
    """History joins live: readers leave and come back while the source runs."""
    source = Told()
    station = Station(source, telemetry_events=5000)
    topic = station.telemetry.topic
    dice = random.Random(7)
    resumes = 0

    async def follow() -> None:
        nonlocal resumes
        seen: list[int] = []
        after = EventId(topic.epoch, 0)
        while len(seen) < 2000:
            with topic.subscribe(after) as reader:
                for _ in range(dice.randrange(1, 4)):
                    news = await anext(reader)
                    if isinstance(news, Batch):
                        seen += news.offsets[: dice.randrange(1, 40)]
                        after = EventId(topic.epoch, seen[-1])
                        break  # mid-batch: as if the connection broke there
                resumes += 1
        assert seen == list(range(1, len(seen) + 1))
        done.append(len(seen))

    async def speak() -> None:
        for n in range(2100):
            source.say(n, speed=n)
            for _ in range(dice.randrange(3)):
                await checkpoint()
        await sleep_forever()

    done: list[int] = []
    async with create_task_group() as tasks:
        for run in (station.mission.serving.flusher.run, station.telemetry.run, speak):
            tasks.start_soon(run)
        with fail_after(30):
            async with create_task_group() as readers:
                for _ in range(20):
                    readers.start_soon(follow)
        tasks.cancel_scope.cancel()
    assert len(done) == 20
    assert resumes > 1500
