"""All of it under `/rover` of a Litestar app: `uvicorn in_litestar:app`."""

from litestar import Litestar, get

from rover.mission import MissionControl


@get("/own")
async def own() -> str:
    """A page of the app that was there before."""
    return "the app's own page"


app = MissionControl().beside(Litestar([own]), "/rover")
