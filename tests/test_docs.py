"""The documents agree with the code: settings, paths, examples, links and the changelog."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from starlette.routing import Route, WebSocketRoute

import rover
from rover.cli.settings_table import settings_table
from rover.config import Config
from rover.config.report import report_on
from rover.mission import MissionControl
from rover.setting_fields import PREFIX
from rover.settings import Settings
from sources.registry import open_source
from tests.samples import next_sample

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def section(text: str, title: str) -> str:
    """The text of a section of a page."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_settings_table_is_up_to_date() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    table = re.search(r"--settings` -->\n(.*?)\n<!-- /settings -->", text, re.DOTALL)
    assert table
    assert table[1] == settings_table()


def test_the_settings_in_the_readme_are_rows_of_that_table() -> None:
    rows = [line for line in section(README, "Settings").splitlines() if line.startswith("| `")]
    assert rows
    assert set(rows) <= set(settings_table().splitlines())


@pytest.mark.parametrize("setting", [field.name for field in fields(Settings)])
def test_every_setting_is_documented(setting: str) -> None:
    assert f"`{PREFIX}{setting.upper()}`" in settings_table()


def test_every_path_is_documented() -> None:
    served = {
        route.path.replace(":path", "")
        for route in MissionControl(Settings()).routes_for()
        if isinstance(route, Route | WebSocketRoute)
    }
    files = {path for path in served if "." in path or path.startswith("/assets/")}
    text = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(?:GET |POST |WS )?(/[^`]*)`", section(text, "Paths")))
    assert served - files <= documented


async def test_the_example_source_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = re.search(r"```python\n(# lab\.py\n.*?)```", README, re.DOTALL)
    assert example
    code = [line for line in example[1].splitlines() if line.strip() and line[0] != "#"]
    assert len(code) <= 12
    (tmp_path / "lab.py").write_text(example[1])
    monkeypatch.syspath_prepend(tmp_path)
    source = open_source("telemetry", "lab:Machine?rate_hz=5")
    sample = await next_sample(source.samples())
    assert sample.values.keys() == {parameter.name for parameter in source.parameters}


def test_the_example_configuration_has_no_mistakes(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    example = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert example
    (tmp_path / "rover.toml").write_text(example[1], encoding="utf-8")
    (tmp_path / "images").mkdir()
    for name, columns in re.findall(r"`(\w+\.csv)` has the columns (.*?) of a", text, re.DOTALL):
        header = re.findall(r"`(\w+)`", columns)
        rows = [header, *([f"{i}.5" for _ in header] for i in range(3))]
        (tmp_path / name).write_text("".join(f"{','.join(row)}\n" for row in rows))
    report = report_on(Config.load(tmp_path / "rover.toml", {}))
    assert (report.problems, report.notes) == ([], [])


def test_the_newest_version_in_the_changelog_is_this_one() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d[^]]*)\]", changelog, re.MULTILINE)
    assert versions[0] == rover.__version__


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_in_the_project_has_a_target(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        target = page.parent / link if link else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{link}#{anchor}"


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
