"""Missions in a data folder: they are exported while a server uses it."""

from __future__ import annotations

import json
import os
from errno import EPERM
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import to_thread

from rover.cli import main
from rover.cli.connection import FAILED, WRONG_USE
from rover.cli.saving import file_that_appears
from rover.exports import FORMATS
from rover.missions import Snapshot
from sources.base import Sample
from tests.test_restart import Device, publish, running

if TYPE_CHECKING:
    from pathlib import Path

    from rover.mission import MissionControl

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0


async def run(*arguments: str | Path) -> int:
    """Run the command in a thread; returns its exit status."""
    return await to_thread.run_sync(main, [str(one) for one in arguments])


def values(n: int) -> dict[str, Any]:
    """Values of all types; `n` varies them."""
    found: dict[str, Any] = {
        "speed": [n / 7, -0.0, 1.7e308, 5e-324][n % 4],
        "big": 2**62 + n,
        "mode": ["", "drive", 'a "quote", and\nline', "ütf"][n % 4],
        "on": n % 2 == 0,
        "mixed": [1, 2.5, "1", True][n % 4],
        "location": {"lat": n / 1000, "lon": -n / 1000},
    }
    if n % 5 == 0:
        del found["speed"]
    return found


async def drive(mission: MissionControl, device: Device) -> None:
    """Publish 1,200 samples, some of them late, and archive those before the last 200."""
    samples = [Sample(T + n / 8 - 20 * (n % 100 == 50), values(n)) for n in range(1200)]
    await publish(mission, device, *samples[:1000])
    await to_thread.run_sync(mission.telemetry.history.archive)
    await publish(mission, device, *samples[1000:])


async def exported(mission: MissionControl, **params: str) -> bytes:
    transport = httpx.ASGITransport(mission.app, client=("127.0.0.1", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        response = await client.get("/telemetry/export", params=params)
        assert response.status_code == 200, response.text
        return response.content


@pytest.mark.parametrize("file_format", FORMATS)
async def test_the_export_of_a_folder_in_use_is_that_of_its_server(
    file_format: str, tmp_path: Path
) -> None:
    async with running(tmp_path / "data") as (mission, device):
        await drive(mission, device)
        file = tmp_path / f"drive.{file_format}"
        assert await run("export", "--from", tmp_path / "data", "-o", file) == 0
        assert file.read_bytes() == await exported(mission, format=file_format)
    assert await run("export", "--from", tmp_path / "data", "-o", file, "--force") == 0
    assert file.read_bytes().count(b"\n") > 0


async def test_columns_have_one_order_and_only_parameters_with_values(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "drive.rover"
    extra: dict[str, Any] = {"zulu": 1, "alpha": "a", "speed": 2.5, "never": None}
    samples = [
        Sample(T, {"temperature": None, **extra}),
        Sample(T + 1, {"echo": None, "location": {"lat": 18.0, "lon": 77.0}}),
        Sample(T + 60, {"echo": True, "temperature": 20.5}),
    ]
    async with running(data) as (mission, device):
        await publish(mission, device, *samples[1:2])
    async with running(data) as (mission, device):
        await publish(mission, device, samples[0], samples[2])
        whole = await exported(mission)
        part = await exported(mission, until=f"{T + 60}")
    header = whole.decode().splitlines()[0]
    assert header == "t,temperature,speed,location.lat,location.lon,zulu,alpha,echo,late"
    assert part.decode().splitlines()[0] == "t,speed,location.lat,location.lon,zulu,alpha,late"
    assert await run("record", "--from", data, file) == 0
    for path in (data, file):
        assert await run("export", "--from", path, "-o", tmp_path / "a.csv", "--force") == 0
        assert (tmp_path / "a.csv").read_bytes() == whole
        until = "--until", f"{T + 60}"
        assert await run("export", "--from", path, "-o", tmp_path / "b.csv", "--force", *until) == 0
        assert (tmp_path / "b.csv").read_bytes() == part


async def test_an_export_has_the_chosen_rows(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as (mission, device):
        await drive(mission, device)
        file = tmp_path / "drive.jsonl"
        chosen = "--since", f"{T + 10}", "--until", f"{T + 20}", "--fields", "big", "--align", "1"
        assert await run("export", "--from", tmp_path / "data", "-o", file, *chosen) == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["big"] for row in rows] == [2**62 + 80 + 8 * n for n in range(10)]


async def test_an_export_that_fails_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, taken = tmp_path / "drive.csv", tmp_path / "taken.csv"
    taken.write_text("mine")
    assert await run("export", "--from", tmp_path / "nowhere", "-o", file) == WRONG_USE
    (tmp_path / "mission.db").write_text("not a database, but as long as the header of one " * 9)
    assert await run("export", "--from", tmp_path, "-o", file) == WRONG_USE
    assert await run("export", "--url", "http://127.0.0.1:9", "-o", file) == FAILED
    assert await run("export", "--from", tmp_path, "-o", taken) == 2
    assert len(capsys.readouterr().err.splitlines()) == 4
    assert taken.read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["mission.db", "taken.csv"]  # noqa: PTH208 # quick


async def test_a_snapshot_does_not_change_while_the_server_writes(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as (mission, device):
        await drive(mission, device)
        with Snapshot(tmp_path / "data") as snapshot:
            await publish(mission, device, *(Sample(T + n, {"speed": n}) for n in range(200, 3000)))
            await to_thread.run_sync(mission.telemetry.history.archive)
            rows = [len(table.t) for table in snapshot.history().tables()]
    assert sum(rows) == 1200


def test_a_file_appears_on_file_systems_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "drive.csv"
    with file_that_appears(path, force=False) as part:
        part.write_text("mine")
    with pytest.raises(FileExistsError), file_that_appears(path, force=False) as part:
        part.write_text("other")
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]
