"""A thousand parameters of ten topics, from two devices whose clocks differ by 50 ms, at 10 Hz."""

from __future__ import annotations

import json
import random
from collections import Counter
from time import process_time
from typing import TYPE_CHECKING

import pytest
from anyio import Event, create_task_group, fail_after, sleep_forever

from rover.flush import Flusher
from rover.settings import Settings
from rover.telemetry import Telemetry
from sources.base import Limits, Parameter, Sample

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0
TOPICS = [[f"topic{n}.p{i:02}" for i in range(100)] for n in range(10)]
CLOCK_ERRORS_S = (0.0, -0.05)
DURATION_S = 10
RATE_HZ = 10


class TwoDevices:
    """Each topic belongs to one of two devices. Each parameter is red once, for one sample."""

    parameters = tuple(
        Parameter(name, "V", limits=Limits(yellow=(3.5, None), red=(3.2, None)))
        for topic in TOPICS
        for name in topic
    )

    def __init__(self) -> None:
        self.finished = Event()
        dice = random.Random(8)
        self.red_at = {p.name: dice.randrange(DURATION_S * RATE_HZ) for p in self.parameters}

    async def samples(self) -> AsyncIterator[Sample]:
        for tick in range(DURATION_S * RATE_HZ):
            for number, topic in enumerate(TOPICS):
                t = T + tick / RATE_HZ + CLOCK_ERRORS_S[number % 2]
                red = {name: 3.1999999 if self.red_at[name] == tick else 3.9 for name in topic}
                yield Sample(t, red)
        self.finished.set()
        await sleep_forever()


async def test_every_red_value_raises_an_alarm_and_none_is_late_on_one_core() -> None:
    source = TwoDevices()
    settings = Settings(telemetry_bytes=2**30)
    flusher = Flusher(settings.heartbeat_s)
    telemetry = Telemetry(source, settings, flusher, clock=lambda: T + DURATION_S)
    began_s = process_time()
    async with create_task_group() as tasks:
        tasks.start_soon(flusher.run)
        tasks.start_soon(telemetry.run)
        with fail_after(50):
            await source.finished.wait()
        tasks.cancel_scope.cancel()
    assert process_time() - began_s < DURATION_S
    raised: Counter[str] = Counter()
    for frame in telemetry.topic.retained():
        if b"event: alarm\n" in frame:
            alarm = json.loads(frame.split(b"data: ", 1)[1])
            raised[alarm["parameter"]] += alarm["action"] == "raised" and alarm["level"] == "red"
        assert b'"late":' not in frame
    assert raised == dict.fromkeys(source.red_at, 1)
    assert {alarm.parameter for alarm in telemetry.alarms.latched} == source.red_at.keys()
