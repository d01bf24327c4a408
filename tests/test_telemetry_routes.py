"""Telemetry over HTTP: the stream, the dictionary, the latest values and the history."""

from __future__ import annotations

import json
import random
import sys
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import Event, create_task_group, fail_after
from anyio.lowlevel import checkpoint
from httpx_sse import ServerSentEvent, aconnect_sse

from rover.routes import telemetry as telemetry_routes
from rover.routes.telemetry import history_json
from rover.telemetry import Telemetry
from rover.telemetry.history import History
from rover.topic import Batch, EventId
from rover.wire import iso
from sources.base import Limits, Parameter, Sample
from tests.one_stream import OneStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

START = 1_790_000_000.0


class ManualSource:
    """Yields the samples that a test sends.

    Args:
        count: number of samples that it yields at first, one second apart.
    """

    parameters = (
        Parameter("speed", "m/s", description="over ground"),
        Parameter("battery", "%", limits=Limits(yellow=(30, None), red=(20, None))),
        Parameter("location", kind="vector"),
    )

    def __init__(self, count: int = 0) -> None:
        self._queue = deque(Sample(START + n, {"speed": n, "battery": 90}) for n in range(count))
        self._sent = Event()
        self._published = Event()

    def send(self, offset_s: float, **values: Any) -> None:
        """Send a sample of the time `START + offset_s`."""
        self._queue.append(Sample(START + offset_s, values))
        self._published = Event()
        self._sent.set()

    async def published(self) -> None:
        """Return when the telemetry has published every sample."""
        with fail_after(5):
            await self._published.wait()

    async def samples(self) -> AsyncIterator[Sample]:
        while True:
            while self._queue:
                yield self._queue.popleft()
            self._published.set()
            self._sent = Event()
            await self._sent.wait()


class TelemetryApp:
    """Telemetry and its routes, as an app."""

    def __init__(self, source: ManualSource, **settings: Any) -> None:
        self.mission = OneStream(**settings)
        self.telemetry = Telemetry(source, self.mission.settings, self.mission.serving.flusher)
        self.mission.telemetry = self.telemetry
        self.app = self.mission.app(telemetry_routes.routes(self.mission), self.telemetry.run)


@asynccontextmanager
async def serving(
    serve: Serve, source: ManualSource, **settings: Any
) -> AsyncIterator[tuple[str, Telemetry]]:
    """A server that has published the first samples; yields its URL and its telemetry."""
    app = TelemetryApp(source, **settings)
    async with serve(app.app) as url:
        await source.published()
        yield url, app.telemetry


async def read(
    url: str, count: int, name: str | None = "message", **headers: str
) -> list[ServerSentEvent]:
    """The first events with that name that a client receives; `None` for any name."""
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
    async with serving(serve, ManualSource(3)) as (url, _):
        [state] = await read(f"{url}/stream/rover-telemetry", 1, "state")
        assert json.loads(state.data)["state"] == "live"
        assert state.retry == 2000
        events = await read(f"{url}/stream/rover-telemetry?last=3", 3)
    assert [json.loads(event.data) for event in events] == [
        {"t": iso(START + n), "speed": n, "battery": 90} for n in range(3)
    ]


async def test_a_stream_can_start_at_a_time_in_the_past(serve: Serve) -> None:
    async with serving(serve, ManualSource(100)) as (url, _):
        for since in (START + 42, iso(START + 42), iso(START + 41.5).replace("Z", "+00:00")):
            [event] = await read(f"{url}/stream/rover-telemetry?since={since}", 1)
            assert json.loads(event.data)["speed"] == 42


async def test_a_start_before_the_oldest_event_is_reported_as_a_gap(serve: Serve) -> None:
    async with serving(serve, ManualSource(100), telemetry_events=10) as (url, _):
        [gap] = await read(f"{url}/stream/rover-telemetry?since={START}", 1, "gap")
        [event] = await read(f"{url}/stream/rover-telemetry?since={START}", 1)
    assert json.loads(gap.data)["reason"] == "expired"
    assert json.loads(event.data)["speed"] == 90


async def test_fields_and_rate_select_a_view(serve: Serve) -> None:
    async with serving(serve, ManualSource(100)) as (url, _):
        events = await read(f"{url}/stream/rover-telemetry?fields=speed&hz=0.1&last=100", 10)
    assert [json.loads(event.data) for event in events[:2]] == [
        {"t": iso(START + 9), "speed": 9, "folded": 9},
        {"t": iso(START + 19), "speed": 19, "folded": 9},
    ]


async def test_each_change_of_level_is_an_alarm_event(serve: Serve) -> None:
    source = ManualSource()
    async with serving(serve, source) as (url, _):
        for n, battery in enumerate([50, 25, 24, 10, 50]):
            source.send(n, battery=battery)
        await source.published()
        events = await read(f"{url}/stream/rover-telemetry?last=100", 4, "alarm")
    latched, *alarms = [json.loads(event.data) for event in events]
    assert (latched["action"], latched["level"], latched["worst"]) == ("latched", "nominal", "red")
    assert [(a["t"], a["was"], a["level"], a["threshold"], a["value"]) for a in alarms] == [
        (iso(START + 1), "nominal", "yellow", 30, 25),
        (iso(START + 3), "yellow", "red", 20, 10),
        (iso(START + 4), "red", "nominal", 20, 50),
    ]
    assert {alarm["parameter"] for alarm in alarms} == {"battery"}


async def test_a_new_client_receives_the_state_and_the_latched_alarms(serve: Serve) -> None:
    source = ManualSource()
    async with serving(serve, source) as (url, telemetry):
        for n, battery in enumerate([50, 25, 10]):
            source.send(n, battery=battery)
        await source.published()
        for query in ("", "?last=1", "?fields=speed&hz=5"):
            stream = f"{url}/stream/rover-telemetry{query}"
            state, alarm = await read(stream, 2, None)
            assert (state.event, alarm.event, alarm.id) == ("state", "alarm", "")
            assert json.loads(alarm.data) == {
                "id": telemetry.alarms.latched[0].id,
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
        source.send(3, battery=90)
        await source.published()
        telemetry.alarms.acknowledge(telemetry.alarms.latched[0].id, "ada", "")
        events = await read(f"{url}/stream/rover-telemetry?last=1", 2, None)
    assert [event.event for event in events] == ["state", "alarm"]
    assert (json.loads(events[1].data)["action"], events[1].id) != ("latched", "")


async def test_a_client_that_resumes_receives_latched_alarms_only_with_a_gap(serve: Serve) -> None:
    source = ManualSource()
    async with serving(serve, source, telemetry_events=10) as (url, telemetry):
        for n in range(30):
            source.send(n, battery=10)
        await source.published()
        stream = f"{url}/stream/rover-telemetry"
        epoch, offset = telemetry.topic.last_id
        resumed = await read(stream, 2, None, **{"Last-Event-ID": f"{epoch}-{offset - 1}"})
        expired = await read(f"{stream}?after={epoch}-1", 3, None)
        restarted = await read(f"{stream}?after=0ld-1", 3, None)
    assert [event.event for event in resumed] == ["state", "message"]
    assert [event.event for event in expired] == ["state", "alarm", "gap"]
    assert [event.event for event in restarted] == ["state", "alarm", "gap"]


async def test_a_late_sample_is_flagged_and_changes_neither_latest_nor_alarms(
    serve: Serve,
) -> None:
    source = ManualSource(5)
    async with serving(serve, source) as (url, telemetry):
        source.send(2.5, speed=99, battery=5)
        await source.published()
        [event] = await read(f"{url}/stream/rover-telemetry?last=1", 1)
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
    assert not telemetry.alarms.latched


def test_the_json_of_a_history_has_all_rows_of_each_column() -> None:
    history = History([Parameter("speed"), Parameter("mode", kind="text")])
    for n in range(1000):
        history.add(Sample(START + n, {"speed": n + 0.5, "mode": f'"{n}"'}))
    columns = json.loads(history_json(history, None, None, None, 1000))
    assert columns == {
        "t": [iso(START + n) for n in range(1000)],
        "speed": [n + 0.5 for n in range(1000)],
        "mode": [f'"{n}"' for n in range(1000)],
        "late": [False] * 1000,
        "resolution_s": 0,
    }
    assert json.loads(history_json(history, START - 1, START, None, 9))["t"] == []


@pytest.mark.parametrize(
    "values",
    [
        lambda n: {"text": "x" * 1000},
        lambda n: {f"p{i}": float(i == n) for i in range(300)},  # each row is a spike
        lambda n: {"text": "x" * 200_000},  # one row exceeds the limit
    ],
)
def test_a_history_over_the_limit_of_bytes_has_fewer_points(
    values: Callable[[int], dict[str, Any]],
) -> None:
    history = History()
    for n in range(300):
        history.add(Sample(START + n, values(n)))
    text = history_json(history, None, None, None, 300, 100_000)
    points = len(json.loads(text)["t"])
    assert 1 <= points < 300
    assert points == 1 or len(text) <= 100_000


def test_a_history_over_the_limit_of_bytes_keeps_texts_beside_numbers() -> None:
    history = History()
    for n in range(300):
        history.add(Sample(START + n, {"text": "x" * 1000} if n % 2 else {"speed": float(n)}))
    columns = json.loads(history_json(history, None, None, None, 300, 50_000))
    assert sum(text is not None for text in columns["text"]) >= 10
    assert max(speed for speed in columns["speed"] if speed is not None) == 298


async def test_history_responds_with_columns(serve: Serve) -> None:
    async with serving(serve, ManualSource(1000)) as (url, _):
        short = await get(
            f"{url}/telemetry/history", since=START + 10, until=START + 12, fields="speed,battery"
        )
        downsampled = await get(f"{url}/telemetry/history", max_points=50)
    assert short.json() == {
        "t": [iso(START + 10), iso(START + 11)],
        "battery": [90, 90],
        "speed": [10, 11],
        "late": [False, False],
        "resolution_s": 0,
    }
    columns = downsampled.json()
    assert len(columns["t"]) <= 50
    assert (columns["speed"][0], columns["speed"][-1]) == (0, 999)


@pytest.mark.parametrize(
    ("path", "query", "facts"),
    [
        ("/stream/rover-telemetry", {"fields": "speed,warp"}, ["warp", "battery, location, speed"]),
        ("/stream/rover-telemetry", {"fields": ","}, ["battery, location, speed"]),
        ("/stream/rover-telemetry", {"hz": "0"}, ["0.01", "1,000"]),
        ("/stream/rover-telemetry", {"hz": "nan"}, ["0.01", "1,000"]),
        ("/stream/rover-telemetry", {"since": "yesterday"}, ["2026-11-22T07:00:00Z"]),
        ("/stream/rover-telemetry", {"after": "now"}, ["epoch-offset"]),
        ("/stream/rover-telemetry", {"since": "0", "last": "9"}, ["`last`", "`since`"]),
        ("/telemetry/history", {"max_points": "0"}, ["1", "20,000"]),
        ("/telemetry/history", {"until": "inf"}, ["2026-11-22T07:00:00Z"]),
        ("/telemetry/history", {"fields": "warp"}, ["warp", "battery, location, speed"]),
    ],
)
async def test_an_invalid_query_is_answered_with_the_parameter_and_the_valid_values(
    serve: Serve, path: str, query: dict[str, str], facts: list[str]
) -> None:
    async with serving(serve, ManualSource()) as (url, _):
        response = await get(f"{url}{path}", **query)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    detail = response.json()["detail"]
    assert detail.startswith(f"{next(iter(query))}=")
    assert all(fact in detail for fact in facts)


async def test_latest_responds_404_before_the_first_sample(serve: Serve) -> None:
    async with serving(serve, ManualSource()) as (url, _):
        response = await get(f"{url}/telemetry/latest")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_the_dictionary_has_units_and_limits(serve: Serve) -> None:
    async with serving(serve, ManualSource()) as (url, _):
        parameters = (await get(f"{url}/telemetry/parameters")).json()["parameters"]
    assert parameters[1] == {
        "name": "battery",
        "unit": "%",
        "kind": "number",
        "description": "",
        "limits": {
            "yellow": [30, None],
            "red": [20, None],
            "hysteresis": None,
            "min_duration_s": 0,
        },
        "period_s": None,
        "group": "",
    }


async def test_resuming_at_random_positions_loses_and_repeats_no_event() -> None:
    """Subscribers disconnect and resume in the middle of batches while the source runs."""
    source = ManualSource()
    app = TelemetryApp(source, telemetry_events=5000)
    topic = app.telemetry.topic
    dice = random.Random(7)
    resumes = 0

    async def follow() -> None:
        nonlocal resumes
        seen: list[int] = []
        after = EventId(topic.epoch, 0)
        while len(seen) < 2000:
            with topic.subscribe(after) as subscriber:
                for _ in range(dice.randrange(1, 4)):
                    news = await anext(subscriber)
                    if isinstance(news, Batch):
                        seen += news.offsets[: dice.randrange(1, 40)]
                        after = EventId(topic.epoch, seen[-1])
                        break
                resumes += 1
        assert seen == list(range(1, len(seen) + 1))

    async def send() -> None:
        for n in range(2100):
            source.send(n, speed=n)
            for _ in range(dice.randrange(3)):
                await checkpoint()

    async with create_task_group() as tasks:
        for run in (app.mission.serving.flusher.run, app.telemetry.run, send):
            tasks.start_soon(run)
        with fail_after(30):
            async with create_task_group() as subscribers:
                for _ in range(20):
                    subscribers.start_soon(follow)
        tasks.cancel_scope.cancel()
    assert resumes > 1500


async def test_a_silent_stream_has_beat_events_that_a_page_can_see(serve: Serve) -> None:
    async with serve(TelemetryApp(ManualSource(), heartbeat_s=0.05).app) as url:
        events = await read(f"{url}/stream/rover-telemetry", 3, "beat")
    assert [(event.event, event.data, event.id) for event in events] == [("beat", "{}", "")] * 3


async def test_an_export_has_every_sample_of_the_time_range(serve: Serve) -> None:
    async with serving(serve, ManualSource(1000)) as (url, _):
        export = f"{url}/telemetry/export"
        csv = await get(export, since=START + 10, until=START + 12, fields="speed")
        lines = await get(export, format="jsonl")
        aligned = await get(export, align=100, fields="speed")
        parquet = await get(export, format="parquet")
        wrong = [
            await get(export, **query)
            for query in ({"format": "xls"}, {"align": 2e-309}, {"align": -1}, {"align": "nan"})
        ]
    assert csv.text.splitlines() == [
        "t,speed,late",
        f"{iso(START + 10)},10,false",
        f"{iso(START + 11)},11,false",
    ]
    assert csv.headers["content-disposition"] == 'attachment; filename="telemetry.csv"'
    assert len(lines.text.splitlines()) == 1000
    assert len(aligned.text.splitlines()) == 11
    assert parquet.content[:4] == parquet.content[-4:] == b"PAR1"
    assert [one.status_code for one in wrong] == [400] * 4


async def test_an_export_in_a_format_without_its_library_names_the_extra(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rover.exports.mcap", None)
    async with serving(serve, ManualSource(1)) as (url, _):
        answer = await get(f"{url}/telemetry/export", format="mcap")
    assert answer.status_code == 501
    assert "cosmic-rover[mcap]" in answer.json()["detail"]
