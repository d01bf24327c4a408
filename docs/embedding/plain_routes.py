"""Telemetry and comms as plain routes among your own: `uvicorn plain_routes:app`."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from rover.mission import MissionControl

mission = MissionControl()


async def own(_: Request) -> JSONResponse:
    """A page that uses the mission."""
    return JSONResponse({"members": mission.comms.members})


app = Starlette(
    routes=[Route("/own", own), *mission.routes_for("telemetry", "comms")],
    lifespan=mission.lifespan,
)
