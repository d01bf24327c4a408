"""A mission below `/rover` of a FastAPI app: `uvicorn in_fastapi:app`."""

from fastapi import FastAPI

from rover.mission import MissionControl

app = FastAPI()
MissionControl().mount(app, "/rover")


@app.get("/own")
async def own() -> str:
    """A page of the app itself."""
    return "the app's own page"
