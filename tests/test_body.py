"""The time that a client may take for the body of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anyio import sleep

from rover.asgi.body import Bodies
from rover.errors import UploadStalled, UploadTimedOut, UploadTooSlow

if TYPE_CHECKING:
    from starlette.types import Message, Receive

pytestmark = pytest.mark.anyio


def client(period_s: float, chunk: bytes, count: int) -> Receive:
    """A client that sends a chunk in each period, and has sent all after `count` of them."""
    left = count

    async def receive() -> Message:
        nonlocal left
        left -= 1
        await sleep(period_s)
        return {"type": "http.request", "body": chunk, "more_body": left > 0}

    return receive


async def test_a_client_below_the_minimum_rate_is_refused_though_it_is_never_silent() -> None:
    body = Bodies(timeout_s=5, min_rate=1000, grace_s=0.1).read(client(0.01, b"x", 10**6))
    with pytest.raises(UploadTooSlow) as refused:
        async for _ in body:
            pass
    assert 0.1 <= refused.value.waited_s < 1
    assert 0 < refused.value.received < 100


async def test_the_rate_is_an_average_so_a_pause_after_fast_data_is_allowed() -> None:
    fast_then_slow = client(0.02, bytes(2**16), 5)
    body = Bodies(timeout_s=5, min_rate=1000, grace_s=0.09).read(fast_then_slow)
    assert sum([len(chunk) async for chunk in body]) == 5 * 2**16


async def test_time_that_the_server_takes_for_a_chunk_does_not_count() -> None:
    body = Bodies(timeout_s=5, min_rate=10**6, grace_s=0.1).read(client(0, b"x", 3))
    async for _ in body:
        await sleep(0.15)
    assert body.received == 3


async def test_a_silent_client_times_out_before_the_rate_counts() -> None:
    body = Bodies(timeout_s=0.05, min_rate=1, grace_s=60).read(client(60, b"x", 1))
    with pytest.raises(UploadStalled):
        await anext(body)


async def test_a_body_that_takes_longer_than_the_total_time_is_refused_at_any_rate() -> None:
    fast = client(0.01, bytes(2**16), 10**6)
    body = Bodies(timeout_s=5, min_rate=1000, grace_s=60, total_s=0.1).read(fast)
    with pytest.raises(UploadTimedOut) as refused:
        async for _ in body:
            pass
    assert refused.value.received > 2**16


async def test_the_total_time_is_not_longer_than_the_slowest_client_may_take() -> None:
    body = Bodies(timeout_s=5, min_rate=1000, grace_s=0.05, total_s=60).read(client(60, b"x", 1))
    with pytest.raises(UploadTooSlow):
        await anext(body)
