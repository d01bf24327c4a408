"""The modes of a data folder that exists already."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import httpx
import pytest

from rover.mission import MissionControl
from rover.private_folder import make_private
from rover.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

OPEN_FOLDER, OPEN_FILE = 0o755, 0o644


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with modes that give everybody access."""
    folder = tmp_path / "data"
    for name in ("mission.db", "tokens.json", "images/mast/1.png", "audit.jsonl.1", "rover.toml"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        path.chmod(OPEN_FILE)
    for path in (folder, folder / "images", folder / "images/mast"):
        path.chmod(OPEN_FOLDER)
    return folder


def test_an_existing_data_folder_becomes_private(folder: Path) -> None:
    link = folder.with_name("link")
    link.symlink_to(folder)
    assert make_private(link) == ""
    own = [path for path in (folder, *folder.rglob("*")) if path.name != "rover.toml"]
    assert len(own) == 7
    for path in own:
        assert mode(path) == (0o700 if path.is_dir() else 0o600)
    assert mode(folder / "rover.toml") == OPEN_FILE


def test_a_folder_with_files_of_others_keeps_its_mode(folder: Path) -> None:
    (folder / "thesis.tex").write_bytes(b"")
    (folder / "thesis.tex").chmod(OPEN_FILE)
    assert "thesis.tex" in make_private(folder)
    assert mode(folder) == OPEN_FOLDER
    assert mode(folder / "thesis.tex") == OPEN_FILE
    assert mode(folder / "tokens.json") == 0o600


def test_a_folder_of_another_user_is_reported(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "belongs to the user" in make_private(folder)
    assert mode(folder) == OPEN_FOLDER


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.chmod(OPEN_FOLDER)
    (folder / "spool").symlink_to(outside)
    (folder / "images" / "link").symlink_to(outside)
    (folder / "mission.gone").symlink_to(tmp_path / "nowhere")
    assert make_private(folder) == ""
    assert mode(outside) == OPEN_FOLDER


def test_a_missing_folder_is_created_later(tmp_path: Path) -> None:
    assert make_private(tmp_path / "none") == ""


@pytest.mark.anyio
@pytest.mark.parametrize("log", ["memory:", "sqlite:"])
@pytest.mark.parametrize("is_shared", [False, True])
async def test_the_server_makes_its_folder_private_or_says_why_not(
    folder: Path, log: str, is_shared: bool
) -> None:
    (folder / "mission.db").unlink()
    (folder / "tokens.json").unlink()
    if is_shared:
        (folder / "thesis.tex").write_bytes(b"")
    mission = MissionControl(Settings(data_dir=folder, log=log), telemetry="none:", camera="none:")
    transport = httpx.ASGITransport(mission.app, client=("127.0.0.1", 4000))
    client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
    async with mission, client:
        shown = (await client.get("/readyz")).json()["data_folder"]
    assert shown["private"] is not is_shared
    assert bool(shown["detail"]) is is_shared
    assert mode(folder) == (OPEN_FOLDER if is_shared else 0o700)
