"""Request ids: in the header, the problem document and the records of a request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.asyncio.client import connect

from rover.mission import MissionControl
from rover.settings import Settings
from sources.base import Step, Verdict
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

PATHS = ["/healthz", "/images/none", "/nothing", "/upload/rover-commands", "/telemetry/latest"]


class Strict:
    """Rejects every file."""

    steps = (Step("check", "Check"),)

    async def validate(self, _: Path) -> AsyncIterator[Verdict]:
        yield Verdict(accepted=False, errors=1, warnings=0, detail="rejected")


async def test_each_response_has_an_id_and_problems_have_the_same(
    serve: Serve, tmp_path: Path
) -> None:
    mission = MissionControl(Settings(data_dir=tmp_path), camera="none:")
    async with serve(mission.app) as url, httpx.AsyncClient(base_url=url) as client:
        seen = set()
        for path in PATHS * 2:
            response = await client.get(path, headers={"X-Request-Id": "chosen"})
            [request_id] = response.headers.get_list("x-request-id")
            seen.add(request_id)
            if response.is_error:
                assert response.json()["request_id"] == request_id
        assert len(seen) == 2 * len(PATHS)
        assert "chosen" not in seen
        async with connect(f"ws{url[4:]}/ws/comms/eva") as websocket:
            assert websocket.response is not None
            assert websocket.response.headers["x-request-id"] not in seen


@pytest.mark.parametrize(
    ("given", "is_used"),
    [
        (["a-Z_0.9"], True),
        (["x" * 64], True),
        (["x" * 65], False),
        (["two words"], False),
        (["a/b"], False),
        ([""], False),
        (["a", "a"], False),
    ],
)
async def test_a_trusted_proxy_chooses_well_formed_ids_only(
    serve: Serve, tmp_path: Path, given: list[str], *, is_used: bool
) -> None:
    settings = Settings(data_dir=tmp_path, trusted_proxies="127.0.0.0/8", camera="none:")
    mission = MissionControl(settings)
    async with serve(mission.app) as url, httpx.AsyncClient(base_url=url) as client:
        for path in ("/healthz", "/nothing"):
            headers = [("X-Request-Id", value) for value in given]
            request_id = (await client.get(path, headers=headers)).headers["x-request-id"]
            assert (request_id == given[0]) is is_used


async def test_refused_requests_and_uploads_are_in_the_audit_log(
    serve: Serve, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, trusted_proxies="127.0.0.1")
    mission = MissionControl(settings, camera="none:", commands=Strict())
    async with serve(mission.app) as url, httpx.AsyncClient(base_url=url) as client:
        behind_proxy = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
        assert (await client.get("/images", headers=behind_proxy)).status_code == 403
        body = {"file": ("../drive\n.txt", b"not a sequence")}
        upload = await client.post("/upload/rover-commands", files=body)
        audit = (await client.get("/readyz")).json()["audit"]
        assert audit == {"state": "live", "dropped": 0}
        await until(lambda: mission.audit.written > 0)
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    uploaded, refused = map(json.loads, lines)
    assert uploaded["action"] == "upload.rejected"
    assert (uploaded["size"], len(uploaded["sha256"])) == (14, 64)
    assert uploaded["by"]["address"] == "127.0.0.1"
    assert uploaded["request_id"] == upload.headers["x-request-id"]
    assert (refused["reason"], refused["addresses"]) == ("AccessRefused", {"203.0.113.9": 1})


async def test_readyz_says_since_when_the_audit_log_cannot_be_written(
    serve: Serve, tmp_path: Path
) -> None:
    mission = MissionControl(Settings(data_dir=tmp_path / "data", log="memory:"), camera="none:")
    async with serve(mission.app) as url, httpx.AsyncClient(base_url=url) as client:
        (tmp_path / "data").rename(tmp_path / "elsewhere")
        for _ in range(3):
            refused = await client.get("/images", headers={"Host": "evil.example"})
            assert refused.status_code == 403
        mission.audit.summarize_refusals()
        await until(lambda: (mission.audit.as_json() or {})["state"] == "down")
        response = await client.get("/readyz")
        audit = response.json()["audit"]
        assert (response.status_code, audit["state"]) == (200, "down")
        assert {"since", "detail"} < audit.keys()
        (tmp_path / "elsewhere").rename(tmp_path / "data")
        await until(lambda: (mission.audit.as_json() or {})["state"] == "live")
