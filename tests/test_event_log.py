"""Events of sources are kept, listed and published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import sleep_forever

from rover.routes import events as event_routes
from rover.telemetry import Telemetry
from rover.telemetry.event_log import (
    MAX_EVENTS,
    MAX_MESSAGE_CHARACTERS,
    MAX_NAME_CHARACTERS,
    EventLog,
)
from rover.wire import iso
from sources.base import Event, Sample, Severity
from tests.feeds import feed_of
from tests.one_stream import OneStream
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0
EVENTS = [
    Event(T, Severity.INFO, "mode", "drive"),
    Event(T + 2, Severity.ERROR, "battery.fault", "cell 3 is open"),
    Event(T + 1, Severity.WARNING, "mode"),
]


def test_events_are_listed_by_time_and_filtered() -> None:
    log = EventLog()
    for source, event in zip(("rover", "rover", "base"), EVENTS, strict=True):
        log.add(event, source)

    def times(**filters: Any) -> list[float]:
        return [event.t - T for event in log.select(**{"limit": 10, **filters})]

    assert times() == [2, 1, 0]
    assert times(limit=1) == [2]
    assert times(since=T + 1, until=T + 2) == [1]
    assert times(severities=("error", "warning")) == [2, 1]
    assert times(name="mode") == [1, 0]
    assert times(name="mode", source="rover") == [0]


def test_the_log_keeps_the_newest_events_and_counts_the_others() -> None:
    log = EventLog()
    for n in range(MAX_EVENTS + 3):
        log.add(Event(T - n, Severity.INFO, "tick"), "rover")
    assert (len(log), log.dropped) == (MAX_EVENTS, 3)
    assert log.select(limit=1)[0].t == T - 3


def test_texts_are_bounded_and_on_one_line() -> None:
    event = Event(T, Severity.INFO, "n" * 10_000, "a\r\nevent: gap\0" + "m" * 10**7)
    logged = EventLog().add(event, "rover")
    assert len(logged.name) <= MAX_NAME_CHARACTERS
    assert len(logged.message) <= MAX_MESSAGE_CHARACTERS
    assert logged.message.isprintable()


def test_ids_differ_after_a_restart() -> None:
    assert EventLog().add(EVENTS[0], "rover").id != EventLog().add(EVENTS[0], "rover").id


class Eventful:
    """A source that yields given samples and events, and then nothing."""

    parameters = ()

    def __init__(self, *items: Any) -> None:
        self._items = items

    async def samples(self) -> AsyncIterator[Sample | Event]:
        for item in self._items:
            yield item
        await sleep_forever()


async def test_events_are_published_and_listed(serve: Serve) -> None:
    mission = OneStream()
    source = Eventful(*EVENTS, Sample(T, {"speed": 1}))
    telemetry = Telemetry(source, mission.settings, mission.serving.flusher)
    mission.telemetry = telemetry
    app = mission.app(event_routes.routes(mission), telemetry.run)
    async with serve(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        await until(lambda: telemetry.latest.known(None))
        answer = (await client.get("/events?severity=error,info&limit=5")).json()
        assert (answer["kept"], answer["dropped"]) == (3, 0)
        assert [event["t"] for event in answer["events"]] == [iso(T + 2), iso(T)]
        for query in ("severity=fatal", "limit=-1", "since=never", "until=", "severity="):
            response = await client.get(f"/events?{query}")
            assert response.status_code == 400
            assert response.headers["content-type"] == "application/problem+json"
        assert (await client.get("/events?name=%00&source=nobody")).json()["events"] == []
    published = events_of(telemetry)
    assert [event["name"] for event in published] == ["mode", "battery.fault", "mode"]
    assert published[1] == answer["events"][0]
    assert published[1] | {"id": ""} == {
        "id": "",
        "t": iso(T + 2),
        "severity": "error",
        "name": "battery.fault",
        "message": "cell 3 is open",
        "source": "telemetry",
    }


def events_of(telemetry: Telemetry) -> Sequence[dict[str, Any]]:
    frames = [frame.decode() for frame in telemetry.topic.retained()]
    return [json.loads(f.split("data: ", 1)[1]) for f in frames if "event: event\n" in f]


async def test_an_unusable_event_is_counted_and_ends_nothing(serve: Serve) -> None:
    wrong: list[Any] = [
        Event("now", Severity.INFO, "a"),  # type: ignore[arg-type] # wrong on purpose
        Event(float("nan"), Severity.INFO, "a"),
        Event(1e15, Severity.INFO, "a"),
        Event(T, "fatal", "a"),  # type: ignore[arg-type] # wrong on purpose
        Event(T, Severity.INFO, ""),
        Event(T, Severity.INFO, "\ud800"),
        Event(T, Severity.INFO, "a", b"bytes"),  # type: ignore[arg-type] # wrong on purpose
        Event(T, Severity.INFO, {"a": 1}),  # type: ignore[arg-type] # wrong on purpose
    ]
    mission = OneStream()
    source = Eventful(*wrong, Event(T, Severity.INFO, "fine"))
    telemetry = Telemetry(source, mission.settings, mission.serving.flusher)
    mission.telemetry = telemetry
    async with serve(mission.app(event_routes.routes(mission), telemetry.run)):
        await until(lambda: len(telemetry.events) == 1)
    assert feed_of(telemetry).unusable == len(wrong)
    assert feed_of(telemetry).last_unusable is not None
    assert [event["name"] for event in events_of(telemetry)] == ["fine"]
    assert telemetry.health.state == "live"
