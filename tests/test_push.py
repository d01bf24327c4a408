"""The push source bare: what is taken is yielded in order, and what has no room is refused."""

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


def batch(*numbers: int) -> list[Sample]:
    return [Sample(float(n), {"n": n}) for n in numbers]


async def some(samples: AsyncIterator[Sample], count: int) -> list[float]:
    with fail_after(5):
        return [(await anext(samples)).t for _ in range(count)]


async def test_what_is_taken_comes_out_in_order() -> None:
    source = PushTelemetry()
    source.take(batch(1, 2))
    source.take(batch(3))
    assert await some(source.samples(), 3) == [1, 2, 3]
    assert source.waiting == 0


async def test_a_reader_that_waits_is_woken() -> None:
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


async def test_a_batch_without_room_is_refused_whole() -> None:
    source = PushTelemetry(max_queue=3)
    source.take(batch(1, 2))
    with pytest.raises(InboxFull, match="none of the 2 samples was taken: 2 wait already, and 3"):
        source.take(batch(3, 4))
    source.take(batch(3))
    samples = source.samples()
    assert await some(samples, 3) == [1, 2, 3]
    source.take(batch(4, 5, 6))
    assert await some(samples, 3) == [4, 5, 6]


async def test_what_waits_survives_a_restart_of_the_reader() -> None:
    source = PushTelemetry()
    source.take(batch(1, 2))
    assert await some(source.samples(), 1) == [1]
    assert await some(source.samples(), 1) == [2]


def test_it_is_paced_only_if_somebody_says_how(tmp_path: Path) -> None:
    file = tmp_path / "dictionary.json"
    file.write_text(json.dumps([{"name": "speed", "unit": "m/s"}]))
    source = open_source("telemetry", f"push:?period_s=2.5&parameters={file}&max_queue=10")
    assert isinstance(source, Paced)
    assert source.period_s == 2.5
    assert [p.unit for p in source.parameters] == ["m/s"]
    assert not isinstance(open_source("telemetry", "push:"), Paced)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("max_queue=0", "max_queue=0: "),
        ("period_s=0", "period_s=0: "),
        ("period_s=nan", "period_s=nan: "),
        ("parameters=/no/where.json", "/no/where.json cannot be read"),
    ],
)
def test_a_mistake_is_told(query: str, told: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source("telemetry", f"push:?{query}")
    assert told in str(caught.value)
