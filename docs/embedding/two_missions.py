"""Two missions in one app, each with sources of its own: `uvicorn two_missions:app`."""

from dataclasses import replace
from pathlib import Path

from starlette.applications import Starlette

from rover.mission import MissionControl
from rover.settings import Settings

settings = Settings.from_env()
app = Starlette()
for name in ("spirit", "opportunity"):
    mine = replace(
        settings, telemetry=f"sim:?seed={len(name)}", data_dir=Path(settings.data_dir, name)
    )
    MissionControl(mine).mount(app, f"/{name}")
