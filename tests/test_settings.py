from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rover.cli.settings_table import settings_table
from rover.errors import SettingError
from rover.setting_fields import PREFIX
from rover.settings import CLIENT_VARIABLES, CONFIG_VARIABLE, Settings

FIELDS = dataclasses.fields(Settings)

NUMBERS = [info for info in FIELDS if isinstance(info.default, int | float)]


def name_of(info: dataclasses.Field[Any]) -> str:
    return PREFIX + info.name.upper()


def test_settings_have_defaults_without_variables() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings.from_env({"PATH": "/bin", "SHELL": "sh"}) == Settings()


def test_each_setting_is_read_from_its_variable() -> None:
    environ = {name_of(info): str(info.default) for info in FIELDS if not info.metadata["unset"]}
    assert Settings.from_env(environ) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("telemetry", "replay:/data/drive.csv?speed=10", "replay:/data/drive.csv?speed=10"),
        ("data_dir", "/var/lib/rover", Path("/var/lib/rover")),
        ("heartbeat_s", "2.5", 2.5),
        ("heartbeat_s", "5", 5.0),
        ("max_members", "12", 12),
        ("max_upload_bytes", "1_000_000", 1_000_000),
        ("tokens", "", ""),
        ("allowed_origins", "https://a.example,https://b.example", None),
    ],
)
def test_a_variable_is_converted_to_the_type_of_its_setting(
    name: str, text: str, value: object
) -> None:
    read = getattr(Settings.from_env({PREFIX + name.upper(): text}), name)
    assert read == (text if value is None else value)
    assert type(read) is type(getattr(Settings(), name)) or isinstance(read, Path)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("ROVER_MAX_MEMBERS", "many", "must be a whole number of at least 1"),
        ("ROVER_MAX_MEMBERS", "2.5", "must be a whole number of at least 1"),
        ("ROVER_MAX_MEMBERS", "", "must be a whole number of at least 1"),
        ("ROVER_HEARTBEAT_S", "soon", "must be a number of at least 0.05 and at most 300 s"),
        ("ROVER_HEARTBEAT_S", "nan", "must be a number of at least 0.05 and at most 300 s"),
        ("ROVER_SEND_TIMEOUT_S", "inf", "must be a number of at least 0.1 s"),
        ("ROVER_MAX_MEMBERS", "0", "must be a number of at least 1"),
        ("ROVER_DRAIN_S", "-1", "must be a number of at least 0 and at most 60 s"),
        ("ROVER_TELEMETRY", "", "must not be empty"),
        ("ROVER_TOKENS", " , ,", "must not have empty entries"),
        ("ROVER_TOKENS", " ", "must not have empty entries"),
        ("ROVER_TOKENS", "open-sesame-4f1c,", "must not have empty entries"),
        ("ROVER_TOKENS", "open-sesame-4f1c,,open-sesame-4f1d", "must not have empty entries"),
        ("ROVER_TOKENS", "open-sesame-4f1c,open-sesame", "at least 16 characters"),
        ("ROVER_HOSTS", "lab.example:80", "must be a host name"),
        ("ROVER_HOSTS", "http://lab.example", "must be a host name"),
        ("ROVER_HOSTS", "*", "must be a host name"),
        ("ROVER_TRUSTED_PROXIES", "10.0.0.0/99", "must be an address"),
        ("ROVER_TRUSTED_PROXIES", "nginx", "must be an address"),
        ("ROVER_DATA_DIR", "", "must not be empty"),  # Path("") is the current folder
    ],
)
def test_the_error_for_an_invalid_value_has_its_name_and_range(
    name: str, text: str, reason: str
) -> None:
    with pytest.raises(SettingError) as refused:
        Settings.from_env({name: text})
    assert refused.value.name == name
    assert str(refused.value).startswith(f"{name}=")
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ROVER_TELEMETRIE", "ROVER_TELEMETRY"),
        ("ROVER_MAX_MEMBER", "ROVER_MAX_MEMBERS"),
        ("ROVER_HEARTBEAT", "ROVER_HEARTBEAT_S"),
        ("ROVER_HEARTBAET_S", "ROVER_HEARTBEAT_S"),
        ("ROVER_CONFG", "ROVER_CONFIG"),
    ],
)
def test_a_misspelled_variable_is_refused_with_the_closest_name(name: str, meant: str) -> None:
    with pytest.raises(SettingError, match=rf"\b{meant}\b") as refused:
        Settings.from_env({name: "1"})
    assert refused.value.name == name


@pytest.mark.parametrize("name", sorted(CLIENT_VARIABLES))
def test_a_variable_of_client_commands_is_no_setting(name: str) -> None:
    assert Settings.from_env({name: "http://lab.example"}) == Settings()


def test_the_error_for_a_misspelled_variable_hides_its_value() -> None:
    with pytest.raises(SettingError) as refused:
        Settings.from_env({"ROVER_TOKNS": "hunter2"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "ROVER_SHARED_DATA",
        "ROVER_NONSENSE",
        "ROVER_DATABASE_URL",
        "ROVER_DOMAIN_ID",
        "ROVER_SERVICE_HOST",  # this and the next: Kubernetes sets them for a Service named "rover"
        "ROVER_PORT_8000_TCP_ADDR",
        "ROVER_PORT",
    ],
)
def test_a_foreign_variable_is_ignored_with_a_warning(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert Settings.from_env({name: "hunter2", "ROVER_MAX_MEMBERS": "7"}).max_members == 7
    [record] = caplog.records
    assert (record.levelname, name in record.getMessage()) == ("WARNING", True)
    assert "hunter2" not in caplog.text


def test_several_foreign_variables_are_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    Settings.from_env({"ROVER_DOMAIN_ID": "1", "ROVER_NONSENSE": "1"})
    assert len(caplog.records) == 1


def test_settings_are_read_from_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROVER_MAX_MEMBERS", "7")
    assert Settings.from_env().max_members == 7


@pytest.mark.parametrize("info", NUMBERS, ids=lambda info: info.name)
def test_settings_check_the_range_of_each_number(
    info: dataclasses.Field[Any],
) -> None:
    low, high = info.metadata["at_least"], info.metadata["at_most"]
    assert getattr(Settings(**{info.name: low}), info.name) == low
    with pytest.raises(SettingError, match=name_of(info)):
        Settings(**{info.name: low - 1})
    if high is not None:
        assert getattr(Settings(**{info.name: high}), info.name) == high
        with pytest.raises(SettingError, match=name_of(info)):
            Settings(**{info.name: high + 1})


@pytest.mark.parametrize("name", ["ROVER_LOG", "ROVER_LOG_FORMAT", "ROVER_NOTIFY_LEVEL"])
def test_settings_check_the_choices_of_a_text(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name}=quietly: must be one of"):
        Settings.from_env({name: "quietly"})


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().max_members = 1  # type: ignore[misc] # the test is that it is frozen


def test_repr_hides_tokens() -> None:
    assert "hunter2" not in repr(Settings(tokens="hunter2-hunter2-hunter2"))
    assert "max_members=1500" in repr(Settings(tokens="hunter2-hunter2-hunter2"))


def test_each_setting_has_a_help_text() -> None:
    for info in FIELDS:
        assert info.metadata["help"], info.name


def test_the_table_has_a_row_for_each_setting() -> None:
    rows = settings_table().splitlines()[2:]
    names = [CONFIG_VARIABLE, *map(name_of, FIELDS)]
    assert [row.split("`")[1] for row in rows] == names
    assert all(row.count("|") == 4 for row in rows)
    assert "| `ROVER_HEARTBEAT_S` | `15.0` s | " in settings_table()
