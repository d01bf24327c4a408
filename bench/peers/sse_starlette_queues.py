"""The usual way with sse-starlette: one publisher, and a queue per client."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.routing import Route

from bench.samples import sample, schedule

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from bench.servers import Workload

Queue = asyncio.Queue[tuple[int, str]]


def create_app(workload: Workload) -> ASGIApp:
    queues: set[Queue] = set()

    async def publish() -> None:
        async for seq, due_ns in schedule(workload.rate_hz):
            data = json.dumps(sample(seq, due_ns), separators=(",", ":"))
            for queue in queues:
                queue.put_nowait((seq, data))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        publisher = asyncio.create_task(publish())
        yield
        publisher.cancel()

    async def follow() -> AsyncIterator[ServerSentEvent]:
        queue: Queue = asyncio.Queue()
        queues.add(queue)
        try:
            while True:
                seq, data = await queue.get()
                yield ServerSentEvent(data, id=str(seq))
        finally:
            queues.discard(queue)

    async def stream(_: Request) -> EventSourceResponse:
        return EventSourceResponse(follow())

    return Starlette(routes=[Route("/stream", stream)], lifespan=lifespan)
