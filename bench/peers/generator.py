"""The way of most tutorials: each connection has a generator that makes samples and sleeps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from bench.samples import sample, schedule

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from bench.servers import Workload


def create_app(workload: Workload) -> ASGIApp:
    app = FastAPI()

    async def events() -> AsyncIterator[str]:
        async for seq, due_ns in schedule(workload.rate_hz):
            data = json.dumps(sample(seq, due_ns), separators=(",", ":"))
            yield f"id: {seq}\ndata: {data}\n\n"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    return app
