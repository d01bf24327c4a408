"""`cosmic-rover config check` explains the configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from rover.cli import main

if TYPE_CHECKING:
    from pathlib import Path

Check = Callable[..., tuple[int, list[str], list[str]]]

DRIVE = """
[settings]
heartbeat_s = 5
tokens = "hunter2-hunter2-hunter2"
[telemetry.drive]
source = "replay:drive.csv?speed=1"
prefix = "drive"
exclude = ["yaw"]
rename = { pitsch = "attitude.pitch" }
[telemetry.lab]
source = "replay:drive.csv"
[parameters."drive.speed"]
unit = "m/s"
yellow = [-inf, 3]
calibration = { polynomial = [0, 0.1] }
[parameters.speed_]
unit = "m/s"
[derived.double]
expression = "2 * drive.sped"
unit = "m/s"
"""


@pytest.fixture
def check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    """A function that checks a file with that text: its exit status, output and errors."""
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "drive.csv").write_text(
        "timestamp,speed,pitch,yaw\n1790000000,1,2,3\n1790000001,2,3,4\n"
    )
    monkeypatch.chdir(tmp_path)

    def check(text: str, *options: str) -> tuple[int, list[str], list[str]]:
        (tmp_path / "lab" / "rover.toml").write_text(text)
        status = main([*options, "config", "check", "lab/rover.toml"])
        printed = capsys.readouterr()
        return status, printed.out.splitlines(), printed.err.splitlines()

    return check


def test_everything_is_explained(check: Check, tmp_path: Path) -> None:
    status, lines, errors = check(DRIVE)
    assert (status, errors) == (0, [])
    assert lines == [
        f"file: {tmp_path}/lab/rover.toml",
        "telemetry.drive: replay:drive.csv?speed=1",
        "  prefix: drive",
        "  exclude: yaw",
        "  rename: pitsch to attitude.pitch",
        "  parameters: 3 of 4",
        "telemetry.lab: replay:drive.csv",
        "  parameters: 4 of 4",
        "camera: none: (not configured)",
        "commands: none: (not configured)",
        "uplink: none: (not configured)",
        "settings.tokens: …",
        "settings.heartbeat_s: 5.0 s",
        "parameters.drive.speed: unit m/s, yellow [-inf, 3], polynomial [0.0, 0.1]",
        "parameters.speed_: unit m/s",
        "derived.double: 2 * drive.sped, unit m/s",
        "note: telemetry.drive.rename: pitsch: no such parameter; did you mean pitch?",
        "note: parameters: speed_: no such parameter; did you mean speed?",
        "note: derived.double: drive.sped: no such parameter; did you mean drive.speed?",
    ]


def test_names_that_two_sources_have_are_those_of_the_mission(check: Check) -> None:
    status, lines, _ = check(
        "".join(f'[telemetry.{name}]\nsource = "replay:drive.csv"\n' for name in "ab")
        + '[derived.difference]\nexpression = "b.speed - speed"\n'
    )
    assert status == 0
    assert not [line for line in lines if line.startswith("note")]


def test_each_problem_of_a_file_is_an_error(check: Check) -> None:
    status, _, errors = check("[settings]\nmax_members = 0\n[telemetry.a]\nsource_ = 'sim:'")
    assert status == 2
    assert [error.split(": ")[1] for error in errors] == [
        "settings.max_members=0",
        "telemetry.a.source_",
        "telemetry.a.source",
    ]


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ('[telemetry.a]\nsource = "replay:none.csv"', ["telemetry.a.source", "none.csv"]),
        ('[camera]\nsource = "dri:images"', ["camera.source", "dir:"]),
        (
            '[telemetry]\nsource = "replay:drive.csv"\nrename = { yaw = "speed" }',
            ["telemetry: yaw: ", "speed"],
        ),
    ],
)
def test_a_source_that_cannot_start_is_an_error(check: Check, text: str, facts: list[str]) -> None:
    status, _, [error] = check(text)
    assert status == 2
    for fact in facts:
        assert fact in error


def test_a_receiver_of_alarms_that_cannot_be_used_is_an_error(check: Check) -> None:
    status, lines, [error] = check('[settings]\nnotify = ["sesame"]')
    assert status == 2
    assert "ROVER_NOTIFY" in error
    assert "sesame" not in "\n".join([*lines, error])


def test_passwords_are_hidden(check: Check) -> None:
    _, lines, errors = check(
        '[telemetry.a]\nsource = "mqtt://me:hunter2@host/x"\n'
        '[telemetry.b]\nsource = "ws://me:hunter2@host/?token=hunter2&nope=1"\n'
    )
    assert "hunter2" not in "\n".join(lines + errors)
    assert "telemetry.a: mqtt://me:…@host/x" in lines


def test_options_of_the_command_line_and_variables_override_the_file(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROVER_HEARTBEAT_S", "7")
    _, lines, _ = check(DRIVE, "--telemetry", "sim:")
    assert "telemetry: sim: (simulated)" in lines
    assert "settings.heartbeat_s: 7.0 s" in lines


def test_a_wrong_variable_and_a_missing_file_are_one_error(
    check: Check, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "check", "nowhere.toml"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setenv("ROVER_HEARTBAET_S", "7")
    status, _, errors = check("")
    assert (status, len(errors)) == (2, 1)


def test_without_a_file_the_environment_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROVER_TELEMETRY", "push:")
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "file: none",
        "telemetry: push:",
        "camera: none: (not configured)",
        "commands: none: (not configured)",
        "uplink: none: (not configured)",
    ]
