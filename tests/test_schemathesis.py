"""Requests that schemathesis makes from `/openapi.json`: each answer is one that it describes."""

from __future__ import annotations

import atexit
import runpy
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import schemathesis
from hypothesis import HealthCheck, settings
from PIL import Image
from schemathesis.specs.openapi.checks import negative_data_rejection

from rover.api import Operation, openapi_document
from rover.mission import MissionControl
from rover.sessions.failures import Failures
from rover.settings import Settings
from tests.serving import FULL, ROOT

if TYPE_CHECKING:
    from schemathesis import Case
    from schemathesis.checks import CheckFunction
    from schemathesis.schemas import BaseSchema

TOKEN = "a-token-of-the-lab"  # noqa: S105
HEADERS = {"Authorization": f"Bearer {TOKEN}"}

runpy.run_path(str(ROOT / "docs" / "schemathesis_hooks.py"))

CONFIG = ROOT / "docs" / "schemathesis.toml"
"""What JSON Schema cannot state, as for the command of docs/http-api.md."""

FOLDER = tempfile.TemporaryDirectory()  # schemathesis ends the app's lifespan when Python exits
atexit.register(FOLDER.cleanup)


def mission_in(folder: Path) -> MissionControl:
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    mission = MissionControl(
        Settings(
            data_dir=folder / "data",
            telemetry="push:",
            camera=f"dir:{folder}",
            commands="sim:?pace_s=0",
            tokens=TOKEN,
        )
    )
    mission.sign_ins.failures = Failures(count(0.0, 60.0).__next__)  # each wrong token gets 401
    return mission


def schema_of(mission: MissionControl) -> BaseSchema:
    operations = [one for one in mission.routes_for() if isinstance(one, Operation)]
    document = openapi_document(operations, open_to_local=False)
    config = schemathesis.Config.from_path(CONFIG)
    loaded = schemathesis.openapi.from_dict(document, config=config)
    loaded.config.phases.coverage.enabled = FULL  # a run generates its cases once per process
    loaded.app = mission.app
    return loaded


schema = schema_of(mission_in(Path(FOLDER.name)))


@schema.parametrize()
@settings(
    max_examples=10 if FULL else 5,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_described(case: Case[Any]) -> None:
    excluded: list[CheckFunction] = []
    if case.media_type not in (None, "application/json"):
        excluded.append(negative_data_rejection)  # text, or a file in a form: any value is valid
    case.call_and_validate(headers=HEADERS, excluded_checks=excluded)
