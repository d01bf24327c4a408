"""One sentence for a number out of its range, wherever it was written."""

from __future__ import annotations

import math

import pytest

from rover.errors import SettingError
from rover.settings import Settings
from sources.registry import SourceSettingError, open_source
from sources.values.ranges import OptionError, Range


def test_options_and_settings_out_of_range_are_refused_in_the_same_words() -> None:
    with pytest.raises(SettingError) as setting:
        Settings.from_env({"ROVER_HEARTBEAT_S": "900"})
    assert str(setting.value) == (
        "ROVER_HEARTBEAT_S=900: must be a number of at least 0.05 and at most 300 s"
    )
    with pytest.raises(SourceSettingError) as host:
        open_source("telemetry", "host:?rate_hz=999")
    assert str(host.value) == (
        "ROVER_TELEMETRY=host:?rate_hz=999: "
        "rate_hz=999: must be a number of at least 0.001 and at most 20 Hz"
    )
    with pytest.raises(SourceSettingError) as simulated:
        open_source("commands", "sim:?pace_s=999")
    assert str(simulated.value) == (
        "ROVER_COMMANDS=sim:?pace_s=999: "
        "pace_s=999: must be a number of at least 0 and at most 60 s"
    )


@pytest.mark.parametrize(
    ("allowed", "sentence"),
    [
        (Range(), "must be a number"),
        (Range(unit="s"), "must be a number"),
        (Range(at_least=1), "must be a number of at least 1"),
        (Range(at_most=16_384, unit="bytes"), "must be a number of at most 16,384 bytes"),
        (
            Range(more_than=0, at_most=5, unit="Hz"),
            "must be a number of more than 0 and at most 5 Hz",
        ),
    ],
)
def test_the_sentence_names_bounds_and_unit(allowed: Range, sentence: str) -> None:
    assert allowed.must_be() == sentence


@pytest.mark.parametrize(
    ("allowed", "inside", "outside"),
    [
        (Range(0.5, 2), [0.5, 1, 2.0], [0.4, 2.1, -1, math.nan, math.inf, -math.inf, 10**400]),
        (Range(more_than=0), [5e-324, 10**400], [0, -0.0, -1, math.nan, math.inf]),
    ],
)
def test_a_range_holds_finite_numbers_between_its_bounds(
    allowed: Range, inside: list[float], outside: list[float]
) -> None:
    assert [allowed.number("x", number) for number in inside] == inside
    for number in outside:
        with pytest.raises(OptionError):
            allowed.number("x", number)


@pytest.mark.parametrize("value", [True, "2", None, 2j])
def test_a_value_that_is_not_a_number_is_refused(value: object) -> None:
    with pytest.raises(OptionError) as caught:
        Range(0, 5).number("x", value)
    assert (caught.value.name, caught.value.value) == ("x", value)


@pytest.mark.parametrize("value", [True, 2.0, "2"])
def test_a_value_that_is_not_a_whole_number_is_refused(value: object) -> None:
    assert Range(0, 5).whole("x", 2) == 2
    with pytest.raises(OptionError, match="whole number"):
        Range(0, 5).whole("x", value)
    with pytest.raises(OptionError, match="x=6: must be a number of at least 0 and at most 5"):
        Range(0, 5).whole("x", 6)
