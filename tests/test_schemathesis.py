"""Requests that schemathesis makes from `/openapi.json`: each answer is one that it describes."""

from __future__ import annotations

import atexit
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import schemathesis
from hypothesis import HealthCheck, settings
from PIL import Image
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from rover.api import Operation, openapi_document
from rover.mission import MissionControl
from rover.sessions.failures import Failures
from rover.settings import Settings

if TYPE_CHECKING:
    from schemathesis import Case, SerializationContext
    from schemathesis.checks import CheckFunction
    from schemathesis.schemas import BaseSchema

TOKEN = "a-token-of-the-lab"  # noqa: S105
HEADERS = {"Authorization": f"Bearer {TOKEN}"}

CONFIG = {
    "max-stream-events": 1,
    "generation": {
        "allow-extra-parameters": False,  # the server ignores unknown query parameters
        "codec": "ascii",  # the schemas do not exclude unassigned characters, as the server does
        "with-security-parameters": False,
    },
}

NOT_IN_A_SCHEMA = {
    "/stream/rover-image": "a range must begin within the image",
    "/images/{image_id}": "a range must begin within the image",
    "/stream/rover-telemetry": "`fields` are known names; `last` and `since` exclude each other",
    "/telemetry/latest": "`fields` are known names",
    "/telemetry/export": "`fields` are known names",
    "/telemetry/history": "`fields` are known names",
    "/ingest/telemetry": "line protocol, and the names in a sample",
    "/api/v2/write": "line protocol",
    "/uploads": "the headers of two protocols, which exclude each other",
    "/uploads/{upload_id}": "the headers of two protocols, which exclude each other",
}
"""Paths that may refuse a request that conforms to the document, and why."""


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
    config = schemathesis.Config.from_dict(CONFIG)
    loaded = schemathesis.openapi.from_dict(document, config=config)
    loaded.app = mission.app
    return loaded


schema = schema_of(mission_in(Path(FOLDER.name)))


def as_text(_: SerializationContext, value: object) -> bytes:
    return str(value).encode()


for media_type in (
    "application/offset+octet-stream",
    "application/partial-upload",
    "application/x-ndjson",
):
    schemathesis.serializer(media_type)(as_text)


@schema.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_described(case: Case[Any]) -> None:
    excluded: list[CheckFunction] = (
        [positive_data_acceptance] if case.path in NOT_IN_A_SCHEMA else []
    )
    if case.media_type not in (None, "application/json"):
        excluded.append(negative_data_rejection)  # text, or a file in a form: any value is valid
    case.call_and_validate(headers=HEADERS, excluded_checks=excluded)
