"""The command line: mistakes are reported in one line, before the server starts."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from logging import getLogger
from typing import TYPE_CHECKING

import pytest

from rover.cli import main
from rover.cli.settings_table import settings_table
from rover.settings import Settings
from tests.serving import killed_at_exit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIELDS = dataclasses.fields(Settings)


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Undo the configuration of logging, which the command does for its process."""
    names = ("", "rover", "sources", "uvicorn", "uvicorn.access")
    before = [(one, one.handlers[:], one.propagate, one.level) for one in map(getLogger, names)]
    yield
    for one, handlers, propagate, level in before:
        for handler in set(one.handlers).difference(handlers):
            one.removeHandler(handler)
        one.propagate = propagate
        one.setLevel(level)


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROVER_DATA_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ROVER_TELEMETRY", "reply:drive.csv", "replay:"),
        ("ROVER_TELEMETRY", "replay:/nowhere.csv", "/nowhere.csv"),
        ("ROVER_TELEMETRY", "nowhere.at_all:make", "nowhere"),
        ("ROVER_CAMERA", "dir:/nowhere", "/nowhere"),
        ("ROVER_COMMANDS", "sim:?speed=3", "speed"),
        ("ROVER_MAX_UPLOADS", "many", "number"),
        ("ROVER_HEARTBEAT_S", "-1", "at least"),
        ("ROVER_HEARTBAET_S", "10", "ROVER_HEARTBEAT_S"),
    ],
)
def test_a_wrong_setting_is_reported_in_one_line_that_names_it(
    name: str,
    value: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["--port", "0"]) == 2
    reported = capsys.readouterr().err
    assert reported.startswith(f"cosmic-rover: {name}=")
    assert expected in reported
    assert len(reported.splitlines()) == 1


def test_an_option_overrides_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROVER_TELEMETRY", "sim:")
    assert main(["--telemetry", "nonsense:"]) == 2
    assert "ROVER_TELEMETRY=nonsense:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["[settings\n", "[settings]\nmax_members = 0\n", '[telemetry]\nsource = "reply:x"\n']
)
def test_a_wrong_configuration_file_is_reported_in_one_line_that_names_it(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lab.toml"
    file.write_text(text)
    assert main(["--config", str(file)]) == 2
    reported = capsys.readouterr().err
    assert reported.startswith(f"cosmic-rover: {file}: ")
    assert len(reported.splitlines()) == 1


def test_a_data_folder_that_is_a_file_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    monkeypatch.setenv("ROVER_DATA_DIR", str(file))
    assert main(["--port", "0"]) == 2
    reported = capsys.readouterr().err
    assert reported.startswith(f"cosmic-rover: ROVER_DATA_DIR={file}: ")
    assert len(reported.splitlines()) == 1


def test_a_port_out_of_range_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "99999"]) == 2
    assert "65,535" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "tokens", "warns"),
    [
        ("0.0.0.0", "", True),  # what the warning is about
        ("0.0.0.0", "open-sesame-4f1c", False),
        ("127.0.0.1", "", False),
    ],
)
def test_an_open_address_without_tokens_is_reported(host: str, tokens: str, *, warns: bool) -> None:
    command = [sys.executable, "-m", "rover", "--host", host, "--port", "0"]
    environ = {**os.environ, "ROVER_CAMERA": "none:"}
    environ |= {"ROVER_TOKENS": tokens} if tokens else {}
    with killed_at_exit(command, env=environ, stderr=subprocess.PIPE) as process:
        assert process.stderr
        lines = []
        for line in process.stderr:
            lines.append(line)
            if b"running on" in line.lower():
                break
    assert any(b"/sign-in?code=" in line for line in lines) == warns


@pytest.mark.parametrize("name", [info.name for info in FIELDS if info.repr])
def test_each_setting_that_is_not_secret_has_an_option(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    option = f"--{name.replace('_', '-')}"
    assert main(["serve", option]) == 2  # the value is missing
    assert "requires an argument" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", [info.name for info in dataclasses.fields(Settings) if not info.repr]
)
def test_a_secret_setting_has_no_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", f"--{name.replace('_', '-')}", "open-sesame-4f1c"]) == 2
    assert "No such option" in capsys.readouterr().err


def test_an_unknown_command_is_refused_with_the_closest_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sreve"]) == 2
    assert "serve" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--settings"], ["settings"]])
def test_the_settings_are_listed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr().out == settings_table() + "\n"
