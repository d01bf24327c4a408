"""A mission below `/rover` of a Quart app: `uvicorn in_quart:app`."""

from quart import Quart

from rover.mission import MissionControl

quart = Quart(__name__)


@quart.get("/own")
async def own() -> str:
    """A page of the app itself."""
    return "the app's own page"


app = MissionControl().beside(quart, "/rover")
