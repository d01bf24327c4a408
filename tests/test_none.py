"""`none:` turns a part of the mission off: its state is `off`, and it is never in trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from rover.mission import MissionControl
from rover.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


async def test_every_part_can_be_off(serve: Serve, tmp_path: Path) -> None:
    settings = Settings(telemetry="none:", camera="none:", commands="none:", data_dir=tmp_path)
    async with (
        serve(MissionControl(settings).app) as url,
        httpx.AsyncClient(base_url=url, timeout=10) as client,
    ):
        ready = (await client.get("/readyz")).json()
        assert ready["ready"]
        assert {source["state"] for source in ready["sources"].values()} == {"off"}
        assert (await client.get("/images")).json()["images"] == []
        assert (await client.get("/stream/rover-image")).status_code == 404
        assert (await client.get("/telemetry/latest")).status_code == 404
        answer = await client.post("/upload/rover-commands", files={"file": ("a.rcs", b"GO")})
        assert answer.status_code == 409
        assert "ROVER_COMMANDS" in answer.json()["detail"]


async def test_readiness_names_each_source_and_shows_no_secret(
    serve: Serve, tmp_path: Path
) -> None:
    settings = Settings(
        telemetry="ws://operator:sesame@127.0.0.1:9/?subscribe=x",
        camera="none:",
        commands="sim:",
        data_dir=tmp_path,
    )
    async with (
        serve(MissionControl(settings).app) as url,
        httpx.AsyncClient(base_url=url, timeout=10) as client,
    ):
        answer = await client.get("/readyz")
    sources = answer.json()["sources"]
    assert answer.status_code == 200  # the far machine is silent, and the server works
    assert "sesame" not in answer.text
    assert [(name, s["source"], s["simulated"]) for name, s in sources.items()] == [
        ("telemetry", "ws:", False),
        ("camera", "none:", False),
        ("commands", "sim:", True),
        ("uplink", "none:", False),
    ]
