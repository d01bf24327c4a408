"""An app with its own sse-starlette stream and a mission. It imports sse-starlette last."""

from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from rover.mission import MissionControl

from sse_starlette import EventSourceResponse  # isort: skip


async def ticks() -> AsyncIterator[str]:
    from anyio import sleep

    while True:
        yield "tick"
        await sleep(0.1)


async def own(_: Request) -> EventSourceResponse:
    return EventSourceResponse(ticks())


app = Starlette(routes=[Route("/own", own)])
MissionControl().mount(app, "/rover")
