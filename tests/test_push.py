"""The push source: accepted samples are yielded in order; a batch without room is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from anyio import create_task_group, fail_after, wait_all_tasks_blocked

from sources.base import Paced, Sample, SourceError
from sources.push import InboxFull, PushTelemetry
from sources.registry import open_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

T = 1_790_000_000.5


def batch(*numbers: int) -> list[Sample]:
    return [Sample(T + n, {"n": n}) for n in numbers]


async def some(samples: AsyncIterator[Sample], count: int) -> list[float]:
    with fail_after(5):
        return [(await anext(samples)).t - T for _ in range(count)]


async def test_accepted_samples_are_yielded_in_order() -> None:
    source = PushTelemetry()
    source.take(batch(1, 2))
    source.take(batch(3))
    assert await some(source.samples(), 3) == [1, 2, 3]
    assert source.waiting == 0


async def test_a_waiting_reader_wakes_up() -> None:
    source = PushTelemetry()
    found: list[float] = []

    async def read() -> None:
        found.extend(await some(source.samples(), 2))

    async with create_task_group() as tasks:
        tasks.start_soon(read)
        await wait_all_tasks_blocked()
        source.take(batch(1))
        await wait_all_tasks_blocked()
        source.take(batch(2))
    assert found == [1, 2]


async def test_a_batch_without_room_is_refused_as_a_whole() -> None:
    source = PushTelemetry(max_queue=3)
    source.take(batch(1, 2))
    with pytest.raises(InboxFull) as caught:
        source.take(batch(3, 4))
    full = caught.value
    assert (full.samples, full.waiting, full.max_queue, full.retry_after_s) == (2, 2, 3, 1)
    source.take(batch(3))
    samples = source.samples()
    assert await some(samples, 3) == [1, 2, 3]
    source.take(batch(4, 5, 6))
    assert await some(samples, 3) == [4, 5, 6]


async def test_waiting_samples_survive_a_restart_of_the_reader() -> None:
    source = PushTelemetry()
    source.take(batch(1, 2))
    assert await some(source.samples(), 1) == [1]
    assert await some(source.samples(), 1) == [2]


def test_it_is_paced_only_with_a_period(tmp_path: Path) -> None:
    file = tmp_path / "dictionary.json"
    file.write_text(json.dumps([{"name": "speed", "unit": "m/s"}]))
    source = open_source("telemetry", f"push:?period_s=2.5&parameters={file}&max_queue=10")
    assert isinstance(source, Paced)
    assert source.period_s == 2.5
    assert [p.unit for p in source.parameters] == ["m/s"]
    assert not isinstance(open_source("telemetry", "push:"), Paced)


@pytest.mark.parametrize(
    ("query", "fact"),
    [
        ("max_queue=0", "max_queue=0: "),
        ("period_s=0", "period_s=0: "),
        ("period_s=nan", "period_s=nan: "),
        ("parameters=/no/where.json", "/no/where.json cannot be read: "),
    ],
)
def test_an_invalid_option_is_refused_with_its_name_and_value(query: str, fact: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source("telemetry", f"push:?{query}")
    assert fact in str(caught.value)
