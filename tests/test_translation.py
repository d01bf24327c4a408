"""From the names of one source to those of the mission."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from rover.telemetry.calibration import Polynomial
from rover.telemetry.translation import MAX_NAMES, NameCollision, ParameterChange, Translation
from sources.base import Limits, Parameter, Sample

T = 1_790_000_000.0
HALVED = ParameterChange(calibration=Polynomial((0.0, 0.5)))


def translated(translation: Translation, **values: Any) -> dict[str, Any]:
    return dict(translation.sample(Sample(T, values))[0].values)


def names(translation: Translation, *raw: str) -> list[str]:
    return [parameter.name for parameter in translation.parameters(map(Parameter, raw))]


def test_without_configuration_nothing_changes() -> None:
    assert Translation().is_identity
    assert not Translation(include=("battery.*",)).is_identity
    assert translated(Translation(), a=1, b=None) == {"a": 1, "b": None}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, ["pose.x", "pose.covariance.0", "speed"]),
        ({"include": ["pose.*"]}, ["pose.x", "pose.covariance.0"]),
        ({"exclude": ["*.covariance.*"]}, ["pose.x", "speed"]),
        ({"include": ["pose.*"], "exclude": ["pose.?"]}, ["pose.covariance.0"]),
        ({"include": ["POSE.*"]}, []),
        ({"include": []}, []),
        ({"prefix": "drive"}, ["drive.pose.x", "drive.pose.covariance.0", "drive.speed"]),
        (
            {"prefix": "drive", "rename": {"speed": "v"}},
            ["drive.pose.x", "drive.pose.covariance.0", "drive.v"],
        ),
        ({"rename": {"speed": "pose.v"}, "exclude": ["pose.*"]}, ["pose.v"]),
    ],
)
def test_names_are_filtered_renamed_and_prefixed(given: dict[str, Any], kept: list[str]) -> None:
    raw = ("pose.x", "pose.covariance.0", "speed")
    assert names(Translation(**given), *raw) == kept
    sample, refused = Translation(**given).sample(Sample(T, dict.fromkeys(raw, 1.0)))
    assert (sample.t, list(sample.values), list(refused)) == (T, kept, [])


def test_a_declared_name_that_two_parameters_get_is_an_error() -> None:
    translation = Translation(rename={"pitch": "roll"})
    with pytest.raises(NameCollision) as refused:
        translation.check([Parameter("roll"), Parameter("pitch")])
    assert refused.value.parameter == "pitch"


def test_a_learned_name_that_another_parameter_has_is_refused_each_time_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    translation = Translation(rename={"pitch": "roll"})
    for _ in range(2):
        sample, refused = translation.sample(Sample(T, {"roll": 1, "pitch": 2}))
        assert sample.values == {"roll": 1}
        assert [one.parameter for one in refused] == ["pitch"]
    assert len(caplog.records) == 1


def test_a_name_of_a_derived_parameter_is_refused() -> None:
    translation = Translation(taken={"power"})
    with pytest.raises(NameCollision):
        translation.check([Parameter("power")])
    sample, refused = translation.sample(Sample(T, {"power": 3.0}))
    assert (sample.values, len(refused)) == ({}, 1)


def test_a_published_name_of_a_derived_parameter_is_refused() -> None:
    translation = Translation(publish_as=lambda name: f"b.{name}", taken={"b.power"})
    assert translated(translation, power=1, speed=2) == {"b.speed": 2}


def test_the_published_name_selects_the_changes() -> None:
    translation = Translation(
        prefix="b", publish_as=lambda name: f"x.{name}", changes={"x.b.raw": HALVED}
    )
    assert translated(translation, raw=3) == {"x.b.raw": 1.5}


def test_the_configuration_overrides_what_the_source_declares() -> None:
    change = ParameterChange({"unit": "V", "group": "power"}, {"red": (10.0, None)})
    declared = Parameter("bus", "mV", description="Bus", limits=Limits(yellow=(12, 16)))
    [parameter] = Translation(changes={"bus": change}).parameters([declared])
    assert parameter == Parameter(
        "bus", "V", description="Bus", limits=Limits((12, 16), (10.0, None)), group="power"
    )


def test_a_parameter_that_only_the_configuration_describes_is_learned_from_its_value() -> None:
    translation = Translation(changes={"mode": ParameterChange({"description": "Mode"})})
    assert translation.parameters([]) == []
    translated(translation, mode="DRIVE", other=1)
    assert translation.parameters([]) == [Parameter("mode", kind="text", description="Mode")]
    declared = Parameter("mode", "u", kind="text")
    assert translation.parameters([declared]) == [
        Parameter("mode", "u", kind="text", description="Mode")
    ]


@pytest.mark.parametrize(
    ("raw", "value"), [(3, 1.5), (3.0, 1.5), (np.int16(3), 1.5), (np.float32(3), 1.5), (None, None)]
)
def test_numbers_are_calibrated(raw: Any, value: Any) -> None:
    assert translated(Translation(changes={"a": HALVED}), a=raw) == {"a": value}


def test_a_value_that_was_not_measured_stays_so() -> None:
    assert math.isnan(translated(Translation(changes={"a": HALVED}), a=math.nan)["a"])


@pytest.mark.parametrize("raw", ["n/a", True, {"x": 1.0}, 10**400, [1]])
def test_a_value_that_cannot_be_calibrated_is_refused(raw: Any) -> None:
    sample, refused = Translation(changes={"a": HALVED}).sample(Sample(T, {"a": raw, "b": 1}))
    assert sample.values == {"b": 1}
    assert [one.parameter for one in refused] == ["a"]


def test_a_calibrated_value_that_is_not_finite_is_refused() -> None:
    change = ParameterChange(calibration=Polynomial((0.0, 1e300)))
    _, refused = Translation(changes={"a": change}).sample(Sample(T, {"a": 1e300}))
    assert len(refused) == 1


def test_a_calibrated_integer_is_a_number() -> None:
    [parameter] = Translation(changes={"a": HALVED}).parameters([Parameter("a", kind="integer")])
    assert parameter.kind == "number"


def test_a_source_with_countless_names_does_not_grow_the_memory() -> None:
    translation = Translation(prefix="a")
    for number in range(MAX_NAMES):
        assert not translation.sample(Sample(T, {f"n{number}": 1}))[1]
    assert len(translation.sample(Sample(T, {"one_more": 1}))[1]) == 1
    assert translated(translation, n0=1) == {"a.n0": 1}


def test_a_name_that_is_not_text_is_kept_for_the_check_of_values() -> None:
    values: dict[Any, Any] = {7: 1}
    assert Translation(prefix="a").sample(Sample(T, values))[0].values == values
