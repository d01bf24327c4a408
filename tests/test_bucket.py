"""The rate of a sender: how fast the server reads its messages, and that it loses none."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import pytest
from anyio import fail_after

from rover.comms import Comms
from rover.comms.bucket import Bucket
from rover.errors import TooManyMessages
from rover.settings import Settings
from tests.comms_site import comms, receive, say

if TYPE_CHECKING:
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


def test_a_burst_passes_at_once_and_later_ones_at_the_rate() -> None:
    now = 1_000.0
    bucket = Bucket(10, 3, lambda: now)
    waits = []
    for _ in range(5):
        waits.append(bucket.wait_s)
        now += bucket.wait_s
        bucket.take()
    assert waits == pytest.approx([0, 0, 0, 0.1, 0.1])
    now += 0.2
    bucket.take()
    assert bucket.wait_s == 0


def test_a_bucket_that_nobody_uses_holds_only_one_burst() -> None:
    now = 1_000.0
    bucket = Bucket(10, 3, lambda: now)
    now += 3600
    for _ in range(3):
        assert bucket.wait_s == pytest.approx(0)
        bucket.take()
    assert bucket.wait_s == pytest.approx(0.1)


@pytest.mark.parametrize("protocol", ["rover.comms.v1", None])
async def test_all_messages_are_said_that_a_fast_member_sends_before_it_closes(
    serve: Serve, protocol: str | None
) -> None:
    async with (
        comms(serve, message_rate=200, message_burst=30) as server,
        server.join("eva?name=listener") as listener,
    ):
        join = server.join if protocol else server.plain
        began = monotonic()
        async with join("eva?name=script") as script:
            for number in range(100):
                text = f"step {number}"
                await (say(script, text, ref=str(number)) if protocol else script.send(text))
        texts, frame = [], await receive(listener)
        while frame["type"] != "leave":
            texts += [frame["text"]] if frame["type"] == "message" else []
            frame = await receive(listener)
        slowed_s = monotonic() - began
    assert texts == [f"step {number}" for number in range(100)]
    assert slowed_s > 70 / 200


async def test_a_flood_delays_only_the_member_that_sends_it(serve: Serve) -> None:
    async with (
        comms(serve, message_rate=10, message_burst=5) as server,
        server.join("eva") as noisy,
        server.join("eva") as calm,
    ):
        for _ in range(1_000):
            await noisy.send('{"type": "ping"}')
        await say(calm, "hello", ref="1")
        with fail_after(20):  # the server reads the flood for 100 s
            while (await receive(calm))["type"] != "ack":
                pass
        noisy.transport.abort()


async def test_requests_of_one_client_are_refused_beyond_the_burst() -> None:
    comms = Comms(Settings(message_burst=2, message_rate=0.1))
    for text in ("1", "2"):
        await comms.say("eva", text, client="192.0.2.7")
    with pytest.raises(TooManyMessages) as refused:
        await comms.say("eva", "3", client="192.0.2.7")
    assert 9 <= refused.value.retry_after_s <= 10
    await comms.say("eva", "3", client="192.0.2.8")
    await comms.say("ops", "3", client="192.0.2.7")
