"""The configuration: a file, overridden by environment variables."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rover.config import Config
from rover.config.file import MAX_FILE_BYTES
from rover.errors import ConfigError, SettingError
from rover.settings import Settings
from rover.telemetry.calibration import Points, Polynomial
from sources.base import Limits, Parameter

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes `rover.toml` and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "rover.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems(path: Path, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        Config.load(path, environ or {})
    assert refused.value.path == path
    assert "\n" not in str(refused.value)
    return list(refused.value.problems)


WORKED = """
[settings]
heartbeat_s = 10
data_dir = "data"
tokens = ["one-16-characters", "two-16-characters"]

[telemetry.drive]
source = "replay:drive.csv?speed=1"
prefix = "drive"
include = ["*"]
exclude = ["*.covariance.*"]
rename = { "pitch" = "attitude.pitch" }

[telemetry.weather]
source = "replay:weather.csv"

[camera.mast]
source = "dir:images"

[commands]
source = "sim:"

[parameters."battery.voltage"]
unit = "V"
description = "Main bus"
group = "Power"
period_s = 0.5
yellow = [11.5, inf]
red = [10.5, 17]
hysteresis = 0.1
min_duration_s = 2
calibration = { polynomial = [0, 0.01] }

[parameters.raw]
calibration = { points = [[1023, 5.0], [0, 0.0]] }

[derived."battery.power"]
expression = "battery.voltage * battery.current"
unit = "W"
red = [-inf, 100]
"""


def test_a_file_configures_everything(write: Write, tmp_path: Path) -> None:
    config = Config.load(write(WORKED), {})
    assert config.settings == Settings(
        heartbeat_s=10.0, data_dir=tmp_path / "data", tokens="one-16-characters,two-16-characters"
    )
    drive, weather = config.telemetry["drive"], config.telemetry["weather"]
    assert (drive.url, drive.folder) == ("replay:drive.csv?speed=1", tmp_path)
    assert (drive.prefix, drive.include, drive.exclude) == ("drive", ("*",), ("*.covariance.*",))
    assert drive.rename == {"pitch": "attitude.pitch"}
    assert (weather.url, weather.prefix, weather.rename) == ("replay:weather.csv", "", {})
    assert {name: camera.url for name, camera in config.camera.items()} == {"mast": "dir:images"}
    assert config.commands
    assert config.commands.url == "sim:"
    voltage = config.parameters["battery.voltage"]
    assert voltage.apply(Parameter("battery.voltage", "mV", limits=Limits((1, 2)))) == Parameter(
        "battery.voltage",
        "V",
        description="Main bus",
        limits=Limits((11.5, None), (10.5, 17), 0.1, 2),
        period_s=0.5,
        group="Power",
    )
    assert voltage.calibration == Polynomial((0.0, 0.01))
    assert config.parameters["raw"].calibration == Points((0.0, 1023.0), (0.0, 5.0))
    [power] = config.derived
    assert power.parameter == Parameter("battery.power", "W", limits=Limits(red=(None, 100)))
    assert power.expression.names == ("battery.voltage", "battery.current")


def test_one_source_of_a_kind_needs_no_name(write: Write) -> None:
    path = write('[telemetry]\nsource = "push:"\nexclude = ["debug.*"]\n[camera]\nsource = "none:"')
    config = Config.load(path, {})
    assert list(config.telemetry) == ["telemetry"]
    assert config.telemetry["telemetry"].exclude == ("debug.*",)
    assert list(config.camera) == ["camera"]


def test_an_environment_variable_overrides_the_file(write: Write) -> None:
    environ = {
        "ROVER_HEARTBEAT_S": "2",
        "ROVER_TELEMETRY": "replay:here.csv",
        "ROVER_COMMANDS": "none:",
    }
    config = Config.load(write(WORKED), environ)
    assert config.settings.heartbeat_s == 2
    assert config.settings.tokens == "one-16-characters,two-16-characters"
    [(name, source)] = config.telemetry.items()  # replaces all of the file
    assert (name, source.url, source.folder, source.prefix) == (
        "telemetry",
        "replay:here.csv",
        None,
        "",
    )
    assert list(config.camera) == ["mast"]
    assert config.commands
    assert config.commands.url == "none:"


def test_a_variable_replaces_only_the_url_of_a_single_source(write: Write) -> None:
    path = write('[telemetry]\nsource = "push:"\nprefix = "drive"')
    config = Config.load(path, {"ROVER_TELEMETRY": "sim:"})
    [source] = config.telemetry.values()
    assert (source.url, source.prefix) == ("sim:", "drive")


def test_without_a_file_the_environment_is_the_configuration() -> None:
    config = Config.load(None, {"ROVER_CAMERA": "dir:x", "ROVER_MAX_MEMBERS": "7"})
    assert (config.path, config.telemetry, config.settings.max_members) == (None, {}, 7)
    assert config.camera["camera"].url == "dir:x"
    assert Config.load(None, {}) == Config.of(Settings()) == Config()


def test_the_path_comes_from_the_argument_or_the_variable_or_the_current_folder(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = write("[settings]\nmax_members = 1")
    (tmp_path / "other.toml").write_text("[settings]\nmax_members = 2")
    (tmp_path / "third.toml").write_text("[settings]\nmax_members = 3")
    monkeypatch.chdir(tmp_path)
    environ = {"ROVER_CONFIG": "other.toml"}
    assert Config.load(None, {}).settings.max_members == 1
    assert Config.load(None, environ).settings.max_members == 2
    assert Config.load("third.toml", environ).settings.max_members == 3
    here.unlink()
    assert Config.load(None, {}) == Config()


def test_an_empty_variable_names_no_file() -> None:
    with pytest.raises(SettingError) as refused:
        Config.load(None, {"ROVER_CONFIG": ""})
    assert refused.value.name == "ROVER_CONFIG"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("colour = 1", "colour: "),
        ("settings = 1", "settings=1: "),
        ("[settings]\nheartbeet_s = 1", "settings.heartbeet_s: "),
        ("[settings]\nheartbeat_s = 900", "settings.heartbeat_s=900: "),
        ('[settings]\nheartbeat_s = "10"', 'settings.heartbeat_s="10": '),
        ("[settings]\nheartbeat_s = true", "settings.heartbeat_s=true: "),
        ("[settings]\nheartbeat_s = nan", "settings.heartbeat_s=NaN: "),
        ("[settings]\nheartbeat_s = 1979-05-27", 'settings.heartbeat_s="1979-05-27": '),
        ("[settings]\nmax_members = 2.0", "settings.max_members=2.0: "),
        ("[settings]\nmax_members = 0", "settings.max_members=0: "),
        ("[settings]\ndata_dir = 7", "settings.data_dir=7: "),
        ('[settings]\ndata_dir = ""', 'settings.data_dir="": '),
        ('[settings]\nallowed_origins = ["a.example"]', "settings.allowed_origins="),
        ('[settings]\ntelemetry = "sim:"', "settings.telemetry: "),
        ('telemetry = "sim:"', 'telemetry="sim:": '),
        ('[telemetry]\nsource_ = "sim:"', "telemetry.source_: "),
        ("[telemetry]\nsource = 7", "telemetry.source=7: "),
        ('[telemetry]\nsource = ""', 'telemetry.source="": '),
        ('[telemetry]\nsource = "sim:\\n"', 'telemetry.source="sim:\\n": '),
        ("[telemetry.drive]", "telemetry.drive.source: "),
        ('[telemetry.drive]\nsource = "sim:"\nexclud = []', "telemetry.drive.exclud: "),
        ('[telemetry.drive]\nsource = "sim:"\nexclude = "a"', 'telemetry.drive.exclude="a": '),
        ('[telemetry.drive]\nsource = "sim:"\ninclude = [7]', "telemetry.drive.include=[7]: "),
        ('[telemetry.drive]\nsource = "sim:"\nprefix = "a,b"', 'telemetry.drive.prefix="a,b": '),
        ('[telemetry.drive]\nsource = "sim:"\nrename = 7', "telemetry.drive.rename=7: "),
        ('[telemetry.d]\nsource = "sim:"\nrename = {a = "t"}', 'telemetry.d.rename.a="t": '),
        ('[telemetry.d]\nsource = "sim:"\nrename = {"a b" = 7}', 'telemetry.d.rename."a b"=7: '),
        ('[telemetry."a/b"]\nsource = "sim:"', 'telemetry."a/b": '),
        ('[telemetry]\nsource = "sim:"\n[telemetry.drive]\nsource = "sim:"', "telemetry.drive: "),
        ('[camera]\nsource = "none:"\nprefix = "a"', "camera.prefix: "),
        ('[commands.a]\nsource = "sim:"', "commands.a: "),
        ("[parameters]\na = 7", "parameters.a=7: "),
        ("[parameters.a]\nyelow = [1, 2]", "parameters.a.yelow: "),
        ("[parameters.a]\nyellow = [2, 1]", "parameters.a.yellow=[2, 1]: "),
        ("[parameters.a]\nyellow = [0, 9]\nred = [1, 8]", "parameters.a.red=[1, 8]: "),
        ("[parameters.a]\nunit = 7", "parameters.a.unit=7: "),
        ('[parameters.a]\nkind = "float"', "parameters.a.kind=float: "),
        ('[parameters.a]\nkind = "text"\nred = [0, 1]', "parameters.a.kind=text: "),
        ("[parameters.a]\nperiod_s = 0", "parameters.a.period_s=0: "),
        ("[parameters.a]\nhysteresis = -1", "parameters.a.hysteresis=-1: "),
        ('[parameters."a,b"]', 'parameters."a,b".name=a,b: '),
        ("[parameters.a]\ncalibration = 7", "parameters.a.calibration=7: "),
        ("[parameters.a]\ncalibration = {}", "parameters.a.calibration={}: "),
        ("[parameters.a]\ncalibration = {polynomial = []}", "parameters.a.calibration="),
        ("[parameters.a]\ncalibration = {polynomial = [nan]}", "parameters.a.calibration="),
        ("[parameters.a]\ncalibration = {polynomial = [true]}", "parameters.a.calibration="),
        ("[parameters.a]\ncalibration = {polynomial = [1], x = 1}", "parameters.a.calibration="),
        ("[parameters.a]\ncalibration = {points = [[0, 1]]}", "parameters.a.calibration="),
        ("[parameters.a]\ncalibration = {points = [[0, 1], [0, 2]]}", "parameters.a.calibration="),
        ("[parameters.a]\ncalibration = {points = [[0, 1], [1]]}", "parameters.a.calibration="),
        ('[derived.a]\nunit = "V"', "derived.a.expression: "),
        ("[derived.a]\nexpression = 7", "derived.a.expression"),
        ('[derived.a]\nexpression = "b +"', 'derived.a.expression="b +": '),
        ('[derived.a]\nexpression = "b"\ncalibration = {}', "derived.a.calibration: "),
        ('[derived."a,b"]\nexpression = "b"', 'derived."a,b".name=a,b: '),
        ('[derived.a]\nexpression = "a + 1"', "derived.a: "),
        ('[derived.a]\nexpression = "b"\n[parameters.a]', "parameters.a: "),
    ],
)
def test_a_problem_has_its_place_and_value(write: Write, text: str, place: str) -> None:
    [problem] = problems(write(text))
    assert problem.startswith(place), problem


def test_an_unknown_key_is_reported_with_the_closest_one(write: Write) -> None:
    [problem] = problems(write('[telemetry]\nsource = "sim:"\nexclud = []'))
    assert "exclude" in problem


def test_all_problems_are_reported(write: Write) -> None:
    text = '[settings]\nmax_members = 0\nnope = 1\n[derived.a]\nexpression = "^"'
    assert len(problems(write(text))) == 3


def test_a_problem_shows_no_secret_and_no_long_value(write: Write) -> None:
    [problem] = problems(write("[settings]\ntokens = [7, 'hunter2']"))
    assert "hunter2" not in problem
    [problem] = problems(write(f"[settings]\nmax_members = {'9' * 4000}.5"))
    assert len(problem) < 300


@pytest.mark.parametrize("name", ["tokens", "hosts", "allowed_origins"])
def test_an_empty_entry_of_a_list_is_refused(write: Write, name: str) -> None:
    [problem] = problems(write(f"[settings]\n{name} = ['hunter2-hunter2-hunter2', '']"))
    assert name in problem
    assert "empty" in problem
    assert ("hunter2" in problem) is (name != "tokens")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "rover.toml"
    path.write_bytes(b"\xef\xbb\xbf[settings]\r\nmax_members = 7\r\n")
    assert Config.load(path, {}).settings.max_members == 7


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"[settings\n", "line 1"),
        (b"[settings]\nmax_members = \n", "line 2"),
        (b"[settings]\nmax_members = 1\nmax_members = 2\n", "line 3"),
        (b"[settings]\n# \xff\n", "line 2"),
        (b"a = " + b"[" * 5000, "TOML"),
        (b"a = " + b"9" * 5000, "TOML"),
        (b"\0" * 100, "TOML"),
        (b"#" * (MAX_FILE_BYTES + 1), f"{MAX_FILE_BYTES:,}"),
    ],
)
def test_a_file_that_is_not_toml_is_one_sentence(tmp_path: Path, content: bytes, fact: str) -> None:
    path = tmp_path / "rover.toml"
    path.write_bytes(content)
    [problem] = problems(path)
    assert fact in problem


def test_a_path_without_a_regular_file_is_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("nowhere.toml", "fifo", "loop", "", "a\0b"):
        problems(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_one_sentence(write: Write) -> None:
    path = write("")
    path.chmod(0)
    problems(path)
