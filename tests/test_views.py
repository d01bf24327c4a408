"""Views: a client receives the fields and the rate that it selects, and can resume in any view."""

from __future__ import annotations

import gc
import json
from contextlib import asynccontextmanager
from math import inf
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest
from anyio import create_task_group, fail_after

from rover.errors import PoolFull
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

START = 1_790_000_000.0

Received = list[tuple[int, str | None, dict[str, Any]]]
"""Offset, name and data of each event."""


class Feed:
    """A telemetry topic with views of it."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.flusher = Flusher(15)
        self.topic = telemetry_topic(self.settings, self.flusher)
        self.skipped_s = 0.0
        self.views = Views(self.topic, self.settings, self.flusher, self.clock)

    def clock(self) -> float:
        """Monotonic seconds, plus those that the test skips."""
        return monotonic() + self.skipped_s

    def sample(self, offset_s: float, *, late: bool = False, **values: Any) -> EventId:
        """Publish a sample of the time `START + offset_s`."""
        sample = Sample(START + offset_s, values)
        event = SampleEvent(sample_json(sample, late=late), sample, late)
        return self.topic.publish(event, at=-inf if late else sample.t)

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


async def events_of(feed: Feed, selection: Selection, after: EventId | None = None) -> Received:
    """All events of a view, to its end."""
    topic = await feed.views.topic(selection)
    seen: Received = []
    with topic.subscribe(after, last=10**6) as subscriber, fail_after(5):
        feed.topic.close()
        async for news in subscriber:
            if isinstance(news, Batch):
                for offset, event in zip(news.offsets, news.items, strict=True):
                    name = event.name if isinstance(event, NamedEvent) else None
                    seen.append((offset, name, json_of(event)))
    return seen


async def test_a_view_of_fields_keeps_the_offsets() -> None:
    async with running() as feed:
        feed.sample(1, speed=1, volts=28, late=True)
        feed.sample(2, volts=29)
        feed.sample(3, speed=3, volts=30)
        seen = await events_of(feed, Selection(fields=("speed",)))
    assert seen == [
        (1, None, {"speed": 1, "t": iso(START + 1), "late": True}),
        (3, None, {"speed": 3, "t": iso(START + 3)}),
    ]


async def test_a_view_with_a_rate_has_the_newest_sample_of_each_period() -> None:
    async with running() as feed:
        for n in range(20):
            feed.sample(n / 10, n=n)
        seen = await events_of(feed, Selection(hz=2))
    assert [(data["n"], data["folded"]) for _, _, data in seen] == [
        (4, 4),
        (9, 4),
        (14, 4),
        (19, 4),
    ]


async def test_named_events_are_not_folded_and_stay_in_order() -> None:
    async with running() as feed:
        feed.sample(1.0, n=0)
        feed.sample(1.1, n=1)
        feed.named("alarm")
        feed.sample(1.2, n=2)
        seen = await events_of(feed, Selection(hz=1))
    assert [(offset, name or data["n"]) for offset, name, data in seen] == [
        (2, 1),
        (3, "alarm"),
        (4, 2),
    ]


async def test_live_samples_are_limited_to_the_rate_and_the_last_one_is_sent() -> None:
    async with running() as feed:
        topic = await feed.views.topic(Selection(hz=20))
        received: list[dict[str, Any]] = []
        with topic.subscribe() as subscriber, fail_after(5):
            for n in range(30):
                feed.sample(n, n=n)
            while not received or received[-1]["n"] < 29:
                news = await anext(subscriber)
                if isinstance(news, Batch):
                    received += map(json_of, news.items)
    assert len(received) < 10
    assert sum(data["folded"] + 1 for data in received) == 30


async def test_an_id_of_one_view_resumes_in_another() -> None:
    async with running() as feed:
        ids = [feed.sample(n, speed=n) for n in range(10)]
        seen = await events_of(feed, Selection(fields=("speed",)), after=ids[6])
    assert [data["speed"] for _, _, data in seen] == [7, 8, 9]


async def test_a_view_reports_the_gap_of_the_telemetry_topic() -> None:
    async with running(telemetry_events=5) as feed:
        ids = [feed.sample(n, speed=n) for n in range(20)]
        topic = await feed.views.topic(Selection(fields=("speed",)))
        with topic.subscribe(ids[3]) as subscriber:
            gap = await anext(subscriber)
    assert isinstance(gap, Gap)
    assert (gap.lost, str(gap.resumed)) == (11, str(ids[15]))


async def test_clients_with_the_same_selection_share_one_view() -> None:
    async with running() as feed:
        first, second = [await feed.views.topic(Selection(fields=("a", "b"))) for _ in range(2)]
        assert first is second
        assert len(feed.views) == 1


async def test_the_number_of_views_is_bounded_and_unused_ones_are_closed_first() -> None:
    async with running(max_views=2) as feed:
        kept = [await feed.views.topic(Selection(hz=hz)) for hz in (1, 2)]
        with kept[0].subscribe():
            feed.skipped_s += BUSY_UNUSED_TIMEOUT_S + 1
            third = await feed.views.topic(Selection(hz=3))  # replaces the unused one
            with third.subscribe(), pytest.raises(PoolFull, match="ROVER_MAX_VIEWS"):
                await feed.views.topic(Selection(hz=4))
        assert kept[1].closed


async def test_a_selection_of_everything_is_the_telemetry_topic() -> None:
    async with running() as feed:
        assert await feed.views.topic(Selection()) is feed.topic


async def test_a_view_contains_everything_that_the_telemetry_topic_retains() -> None:
    async with running() as feed:
        for n in range(10_000):  # several batches
            feed.sample(n, n=n, padding="x" * 100)
        seen = await events_of(feed, Selection(hz=0.1))
    assert [data["n"] for _, _, data in seen] == list(range(9, 10_000, 10))


async def test_views_that_open_together_leave_time_for_other_tasks() -> None:
    async with running() as feed:
        for n in range(2_500):
            values: dict[str, Any] = {f"p{k}": n + k for k in range(14)}
            feed.sample(n, **values)
        opened: list[object] = []

        async def open_view(count: int) -> None:
            fields = tuple(f"p{k}" for k in range(count))
            opened.append(await feed.views.topic(Selection(fields)))

        longest_s, before = 0.0, thread_time()
        gc.disable()  # it takes longer than a slice
        try:
            async with create_task_group() as opening:
                for count in range(1, 9):
                    opening.start_soon(open_view, count)
                while len(opened) < 8:
                    await anyio.lowlevel.checkpoint()
                    longest_s = max(longest_s, thread_time() - before)
                    before = thread_time()
        finally:
            gc.enable()
    assert longest_s < 0.05  # it was 0.3 s when each view read a batch in the same turn


async def test_a_view_reports_that_the_events_since_a_time_have_expired() -> None:
    async with running(telemetry_events=5) as feed:
        for n in range(20):
            feed.sample(n, speed=n)
        topic = await feed.views.topic(Selection(fields=("speed",)))
        with topic.subscribe(since=START + 3) as subscriber:
            gap = await anext(subscriber)
    assert isinstance(gap, Gap)
    assert gap.reason == "expired"


async def test_an_alarm_at_the_start_of_a_view_does_not_hide_expired_events() -> None:
    async with running(telemetry_events=5) as feed:
        for n in range(20):
            feed.sample(n, speed=n)
        for _ in range(5):
            feed.named("alarm")
        topic = await feed.views.topic(Selection(fields=("speed",)))
        with topic.subscribe(since=START + 3) as subscriber:
            gap = await anext(subscriber)
    assert isinstance(gap, Gap)


async def test_an_id_of_the_telemetry_topic_resumes_in_a_view_without_that_event() -> None:
    async with running() as feed:
        feed.sample(1, speed=1)
        newest = feed.sample(2, volts=2)
        topic = await feed.views.topic(Selection(fields=("speed",)))
        with topic.subscribe(newest) as subscriber, fail_after(5):
            feed.sample(3, speed=3)
            news = await anext(subscriber)
    assert isinstance(news, Batch)
    assert list(news.offsets) == [3]
