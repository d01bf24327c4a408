"""An app that drains its mission on `GET /drain`, while its server keeps running."""

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from rover.mission import MissionControl

mission = MissionControl()


async def drain(_: Request) -> PlainTextResponse:
    return PlainTextResponse("draining", background=BackgroundTask(mission.drain))


app = Starlette(routes=[Route("/drain", drain)])
mission.mount(app, "/rover")
