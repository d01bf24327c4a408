"""The queue of a WebSocket's messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover.asgi.servers.uvicorn_queue import ReceiveQueue

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent

pytestmark = pytest.mark.anyio


def message(number: int) -> ASGIReceiveEvent:
    return {"type": "websocket.receive", "bytes": number.to_bytes(2)}


@given(earlier=st.integers(0, 3), turns=st.lists(st.sampled_from(["put", "get"])))
async def test_messages_are_received_in_their_order(earlier: int, turns: list[str]) -> None:
    replaced: asyncio.Queue[ASGIReceiveEvent] = asyncio.Queue()
    for number in range(earlier):
        replaced.put_nowait(message(number))
    queue = ReceiveQueue(replaced)
    put, got = earlier, 0
    for turn in turns:
        if turn == "put":
            queue.put_nowait(message(put))
            put += 1
        elif got < put:
            assert await queue.get() == message(got)
            got += 1
        assert queue.empty() == (got == put)


async def test_a_reader_waits_for_the_next_message() -> None:
    queue = ReceiveQueue(asyncio.Queue())
    reading = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not reading.done()
    queue.put_nowait(message(1))
    queue.put_nowait(message(2))
    assert await reading == message(1)
    assert await queue.get() == message(2)


async def test_a_cancelled_reader_takes_no_message() -> None:
    queue = ReceiveQueue(asyncio.Queue())
    reading = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait(message(1))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await queue.get() == message(1)
