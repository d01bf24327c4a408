"""What the README says is true: its settings, its paths, its example."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from starlette.routing import Route, WebSocketRoute

import rover
from rover.mission import MissionControl
from rover.settings import PREFIX, Settings, settings_table
from sources.registry import open_source

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_settings_table_is_the_one_of_the_code() -> None:
    table = re.search(r"--settings` -->\n(.*?)\n<!-- /settings -->", README, re.DOTALL)
    assert table
    assert table[1] == settings_table()


@pytest.mark.parametrize("setting", [about.name for about in fields(Settings)])
def test_every_setting_is_documented(setting: str) -> None:
    assert f"`{PREFIX}{setting.upper()}`" in settings_table()


def test_every_path_is_documented() -> None:
    served = {
        route.path.replace(":path", "")
        for route in MissionControl(Settings()).routes_for()
        if isinstance(route, Route | WebSocketRoute)
    }
    files = {path for path in served if "." in path or path.startswith("/assets/")}
    undocumented = {path for path in served - files if f"`{path}`" not in paths_of(README)}
    assert not undocumented


def paths_of(text: str) -> str:
    """The table of paths, each path in quotes of its own."""
    table = text[text.index("## Paths") : text.index("## What it promises")]
    return re.sub(r"`(?:GET|POST|WS) ", "`", table)


async def test_the_example_source_runs_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = re.search(r"```python\n(# lab\.py\n.*?)```", README, re.DOTALL)
    assert example
    assert len([line for line in example[1].splitlines() if line.strip()]) <= 15
    (tmp_path / "lab.py").write_text(example[1])
    monkeypatch.syspath_prepend(tmp_path)
    source = open_source("telemetry", "lab:Machine?rate_hz=5")
    sample = await anext(source.samples())
    assert sample.values.keys() == {"load"}


def test_the_changelog_knows_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in changelog or f"## [{rover.__version__}]" in changelog


def test_every_link_into_the_project_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
