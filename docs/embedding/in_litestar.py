"""A mission below `/rover` of a Litestar app: `uvicorn in_litestar:app`."""

from litestar import Litestar, get

from rover.mission import MissionControl


@get("/own")
async def own() -> str:
    """A page of the app itself."""
    return "the app's own page"


app = MissionControl().beside(Litestar([own]), "/rover")
