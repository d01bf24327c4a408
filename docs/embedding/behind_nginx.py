"""A mission behind a proxy that keeps the prefix: `uvicorn behind_nginx:app`."""

from starlette.applications import Starlette

from rover.mission import MissionControl

app = Starlette()
MissionControl().mount(app, "/kept")
