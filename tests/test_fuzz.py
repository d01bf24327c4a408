"""Raw ASGI requests of any content: the app answers each, and none with status 500."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from anyio import run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rover.api import Operation
from rover.mission import MissionControl
from rover.settings import Settings
from tests.raw_requests import PATHS, TOKEN, RawRequest, requests, status_of

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "800"))
"""Number of requests. `make siege` sends 20,000."""

BATCH = 100
"""Requests that one mission answers: starting it takes longer than a request."""

answered: Counter[int] = Counter()
"""How many requests had each status."""


def mission_in(folder: str, tokens: str = TOKEN.decode()) -> MissionControl:
    return MissionControl(
        Settings(
            data_dir=Path(folder),
            telemetry="push:",
            camera="none:",
            commands="sim:?pace_s=0",
            tokens=tokens,
            allowed_origins="https://lab.example",
        )
    )


async def statuses(batch: list[RawRequest]) -> list[int]:
    with tempfile.TemporaryDirectory() as folder:
        mission = mission_in(folder)
        async with mission:
            return [await status_of(mission.app, request) for request in batch]


@settings(max_examples=REQUESTS // BATCH, suppress_health_check=list(HealthCheck))
@given(st.lists(requests(), min_size=BATCH, max_size=BATCH))
def answer_requests(batch: list[RawRequest]) -> None:
    found = run(statuses, batch)
    answered.update(found)
    assert 500 not in found, batch[found.index(500)]
    assert max(found) < 600


@pytest.mark.timeout(60 + REQUESTS / 20)
def test_no_request_has_status_500() -> None:
    answered.clear()
    answer_requests()
    counts = ", ".join(
        f"{count:,} of status {status}" for status, count in sorted(answered.items())
    )
    print(f"{answered.total():,} requests: {counts}")
    assert answered.total() >= REQUESTS // BATCH * BATCH
    assert {200, 101, 401, 404, 405} <= answered.keys()


def test_requests_are_sent_to_every_operation() -> None:
    with tempfile.TemporaryDirectory() as folder:
        routes = mission_in(folder).routes_for()
    for operation in (route for route in routes if isinstance(route, Operation)):
        sent = [path for path in PATHS if operation.path_regex.match(path)]
        assert sent, f"add an address of {operation.path} to PATHS in tests/raw_requests.py"
