from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rover.errors import SettingError
from rover.settings import PREFIX, Settings, settings_table

FIELDS = dataclasses.fields(Settings)

BOUNDED = [about for about in FIELDS if about.metadata["at_least"] is not None]


def name_of(about: dataclasses.Field[Any]) -> str:
    return PREFIX + about.name.upper()


# ------------------------------------------------------------------------ the environment


def test_without_any_variable_everything_is_by_default() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings.from_env({"PATH": "/bin", "SHELL": "sh"}) == Settings()


def test_every_setting_can_be_set_by_its_variable() -> None:
    environ = {name_of(about): str(about.default) for about in FIELDS}
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
def test_a_variable_is_read_as_what_the_setting_is(name: str, text: str, value: object) -> None:
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
        ("ROVER_DATA_DIR", "", "must not be empty"),  # else it would be the current folder
    ],
)
def test_a_value_that_makes_no_sense_is_named_with_its_range(
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
    ],
)
def test_a_misspelt_variable_is_no_silent_default(name: str, meant: str) -> None:
    with pytest.raises(SettingError, match=f"did you mean {meant}"):
        Settings.from_env({name: "1"})


def test_a_misspelt_variable_does_not_show_what_may_be_a_secret() -> None:
    with pytest.raises(SettingError) as refused:
        Settings.from_env({"ROVER_TOKEN": "hunter2"})
    assert "hunter2" not in str(refused.value)


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROVER_MAX_MEMBERS", "7")
    assert Settings.from_env().max_members == 7


# ----------------------------------------------------------------------------- the values


@pytest.mark.parametrize("about", BOUNDED, ids=lambda about: about.name)
def test_a_number_is_checked_against_its_range_when_settings_are_made(
    about: dataclasses.Field[Any],
) -> None:
    low, high = about.metadata["at_least"], about.metadata["at_most"]
    assert getattr(Settings(**{about.name: low}), about.name) == low
    with pytest.raises(SettingError, match=name_of(about)):
        Settings(**{about.name: low - 1})
    if high is not None:
        assert getattr(Settings(**{about.name: high}), about.name) == high
        with pytest.raises(SettingError, match=name_of(about)):
            Settings(**{about.name: high + 1})


def test_every_number_has_a_range() -> None:
    numbers = {about.name for about in FIELDS if isinstance(about.default, int | float)}
    assert numbers == {about.name for about in BOUNDED}


def test_settings_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().max_members = 1  # type: ignore[misc] # that is the point


def test_a_secret_is_not_shown() -> None:
    assert "hunter2" not in repr(Settings(tokens="hunter2"))
    assert "max_members=500" in repr(Settings(tokens="hunter2"))


# ---------------------------------------------------------------------------- the table


def test_every_setting_is_explained() -> None:
    for about in FIELDS:
        assert about.metadata["help"], about.name


def test_a_bare_number_says_its_unit_in_its_name() -> None:
    endings = {"s": "_s", "ms": "_ms", "bytes": "_bytes"}
    for about in FIELDS:
        unit = about.metadata["unit"]
        assert about.name.endswith(endings[unit]) if unit else True, about.name


def test_the_table_has_a_row_for_every_setting() -> None:
    rows = settings_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [name_of(about) for about in FIELDS]
    assert all(row.count("|") == 4 for row in rows)
    assert "| `ROVER_HEARTBEAT_S` | `15.0` s | a silent stream gets" in settings_table()
