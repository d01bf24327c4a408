"""Views: a reader gets the fields and the rate it asked for, and can resume in any view."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest
from anyio import create_task_group, fail_after

from rover.errors import TooManyViews
from rover.flush import Flusher
from rover.settings import Settings
from rover.telemetry.events import (
    NamedEvent,
    SampleEvent,
    TelemetryEvent,
    sample_json,
    telemetry_topic,
)
from rover.telemetry.views import BUSY_UNUSED_TIMEOUT_S, Selection, Views
from rover.topic import Batch, EventId, Gap
from rover.wire import iso
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

Seen = list[tuple[int, str | None, dict[str, Any]]]


class Feed:
    """A telemetry topic with views of it."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.flusher = Flusher(15)
        self.topic = telemetry_topic(self.settings, self.flusher)
        self.ahead_s = 0.0
        clock = lambda: monotonic() + self.ahead_s  # noqa: E731
        self.views = Views(self.topic, self.settings, self.flusher, clock)

    def sample(self, t: float, *, late: bool = False, **values: Any) -> EventId:
        sample = Sample(t, values)
        event = SampleEvent(sample_json(sample, late=late), sample, late)
        return self.topic.publish(event, at=-inf if late else t)

    def named(self, name: str) -> EventId:
        return self.topic.publish(NamedEvent(name, "{}"))


def json_of(event: TelemetryEvent) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(event.data)
    return data


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Feed]:
    feed = Feed(**settings)
    async with create_task_group() as tasks:
        tasks.start_soon(feed.flusher.run)
        tasks.start_soon(feed.views.run)
        await anyio.lowlevel.checkpoint()
        yield feed
        tasks.cancel_scope.cancel()


async def everything(feed: Feed, look: Selection, after: EventId | None = None) -> Seen:
    """What a reader of the view gets of what was published so far, once the feed has ended."""
    topic = await feed.views.topic(look)
    seen: Seen = []
    with topic.subscribe(after, last=10**6) as reader, fail_after(5):
        feed.topic.close()
        async for news in reader:
            if isinstance(news, Batch):
                for offset, event in zip(news.offsets, news.items, strict=True):
                    name = event.name if isinstance(event, NamedEvent) else None
                    seen.append((offset, name, json_of(event)))
    return seen


async def test_fields_are_picked_and_offsets_stay() -> None:
    async with running() as feed:
        feed.sample(1, speed=1, volts=28, late=True)
        feed.sample(2, volts=29)
        feed.sample(3, speed=3, volts=30)
        seen = await everything(feed, Selection(fields=("speed",)))
    assert seen == [
        (1, None, {"speed": 1, "t": iso(1), "late": True}),
        (3, None, {"speed": 3, "t": iso(3)}),
    ]


async def test_a_rate_folds_to_the_newest_of_each_period_and_says_how_many() -> None:
    async with running() as feed:
        for n in range(20):
            feed.sample(100 + n / 10, n=n)
        seen = await everything(feed, Selection(hz=2))
    assert [(data["n"], data["folded"]) for _, _, data in seen] == [
        (4, 4),
        (9, 4),
        (14, 4),
        (19, 4),
    ]


async def test_named_events_are_never_folded_and_keep_their_place() -> None:
    async with running() as feed:
        feed.sample(1.0, n=0)
        feed.sample(1.1, n=1)
        feed.named("alarm")
        feed.sample(1.2, n=2)
        seen = await everything(feed, Selection(hz=1))
    assert [(offset, name or data["n"]) for offset, name, data in seen] == [
        (2, 1),
        (3, "alarm"),
        (4, 2),
    ]


async def test_live_samples_come_no_faster_than_asked_and_the_last_one_comes() -> None:
    async with running() as feed:
        topic = await feed.views.topic(Selection(hz=20))
        shown: list[dict[str, Any]] = []
        with topic.subscribe() as reader, fail_after(5):
            for n in range(30):
                feed.sample(n, n=n)
            while not shown or shown[-1]["n"] < 29:
                news = await anext(reader)
                if isinstance(news, Batch):
                    shown += map(json_of, news.items)
    assert len(shown) < 10
    assert sum(data["folded"] + 1 for data in shown) == 30


async def test_an_id_of_one_view_resumes_in_another() -> None:
    async with running() as feed:
        ids = [feed.sample(n, speed=n) for n in range(10)]
        seen = await everything(feed, Selection(fields=("speed",)), after=ids[6])
    assert [data["speed"] for _, _, data in seen] == [7, 8, 9]


async def test_a_view_tells_the_gap_that_the_telemetry_has() -> None:
    async with running(telemetry_events=5) as feed:
        ids = [feed.sample(n, speed=n) for n in range(20)]
        topic = await feed.views.topic(Selection(fields=("speed",)))
        with topic.subscribe(ids[3]) as reader:
            gap = await anext(reader)
    assert isinstance(gap, Gap)
    assert (gap.lost, str(gap.resumed)) == (11, str(ids[15]))


async def test_the_same_look_is_encoded_once_for_all_its_readers() -> None:
    async with running() as feed:
        first, second = [await feed.views.topic(Selection(fields=("a", "b"))) for _ in range(2)]
        assert first is second
        assert len(feed.views) == 1


async def test_the_number_of_views_is_bounded_and_unused_ones_are_closed_first() -> None:
    async with running(max_views=2) as feed:
        kept = [await feed.views.topic(Selection(hz=hz)) for hz in (1, 2)]
        with kept[0].subscribe():
            feed.ahead_s += BUSY_UNUSED_TIMEOUT_S + 1
            third = await feed.views.topic(Selection(hz=3))  # replaces the unused one
            with third.subscribe(), pytest.raises(TooManyViews, match="ROVER_MAX_VIEWS"):
                await feed.views.topic(Selection(hz=4))
        assert kept[1].closed


async def test_the_whole_telemetry_is_no_view_of_its_own() -> None:
    async with running() as feed:
        assert await feed.views.topic(Selection()) is feed.topic


async def test_a_long_past_is_shown_whole() -> None:
    async with running() as feed:
        for n in range(10_000):  # several batches
            feed.sample(n, n=n, padding="x" * 100)
        seen = await everything(feed, Selection(hz=0.1))
    assert [data["n"] for _, _, data in seen] == list(range(9, 10_000, 10))


async def test_a_view_tells_that_the_past_asked_for_by_time_is_gone() -> None:
    async with running(telemetry_events=5) as feed:
        for n in range(20):
            feed.sample(n, speed=n)
        topic = await feed.views.topic(Selection(fields=("speed",)))
        with topic.subscribe(since=3) as reader:
            gap = await anext(reader)
    assert isinstance(gap, Gap)
    assert gap.reason == "expired"


async def test_an_alarm_first_in_a_view_does_not_hide_that_the_past_is_gone() -> None:
    async with running(telemetry_events=5) as feed:
        for n in range(20):
            feed.sample(n, speed=n)
        for _ in range(5):
            feed.named("alarm")
        topic = await feed.views.topic(Selection(fields=("speed",)))
        with topic.subscribe(since=3) as reader:
            gap = await anext(reader)
    assert isinstance(gap, Gap)


async def test_an_id_of_the_whole_stream_resumes_in_a_view_that_shows_less() -> None:
    async with running() as feed:
        feed.sample(1, speed=1)
        newest = feed.sample(2, volts=2)
        topic = await feed.views.topic(Selection(fields=("speed",)))
        with topic.subscribe(newest) as reader, fail_after(5):
            feed.sample(3, speed=3)
            news = await anext(reader)
    assert isinstance(news, Batch)
    assert list(news.offsets) == [3]
