"""FastAPI's `EventSourceResponse`, as in its documentation: the path operation yields events."""

from collections.abc import AsyncIterable

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.types import ASGIApp

from bench.samples import sample, schedule
from bench.servers import Workload


def create_app(workload: Workload) -> ASGIApp:
    app = FastAPI()

    @app.get("/stream", response_class=EventSourceResponse)
    async def stream() -> AsyncIterable[ServerSentEvent]:
        async for seq, due_ns in schedule(workload.rate_hz):
            yield ServerSentEvent(data=sample(seq, due_ns), id=str(seq))

    return app
