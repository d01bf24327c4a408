"""Only the telemetry of a mission, below `/rover` of a FastAPI app: `uvicorn one_stream:app`."""

from fastapi import FastAPI

from rover.mission import MissionControl

app = FastAPI()
MissionControl().mount(app, "/rover", "telemetry")
