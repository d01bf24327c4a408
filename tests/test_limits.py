"""Limits: a level begins at its threshold, and ends when the value is back inside by a margin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover.telemetry.limits import Level, LimitWatch
from sources.base import Limits, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable

BATTERY = Parameter("battery", "%", limits=Limits(yellow=(30, None), red=(20, None)))
MOTOR = Parameter("motor", "°C", limits=Limits(yellow=(-40, 60), red=(-55, 80)))


def changes(parameter: Parameter, values: Iterable[float | None]) -> list[tuple[str, str, float]]:
    """The level before, the level after and the threshold of each change."""
    watch = LimitWatch([parameter])
    found = [change for value in values for change in watch.check({parameter.name: value})]
    return [(change.was, change.level, change.bound.threshold) for change in found]


def test_each_change_of_level_is_reported_once_with_its_threshold() -> None:
    assert changes(BATTERY, [50, 29, 28, 27, 19, 18, 25, 50]) == [
        ("nominal", "yellow", 30),
        ("yellow", "red", 20),
        ("red", "yellow", 20),
        ("yellow", "nominal", 30),
    ]


def test_the_threshold_itself_is_inside() -> None:
    assert changes(MOTOR, [60, -40]) == []


def test_a_value_that_oscillates_around_the_threshold_changes_the_level_once() -> None:
    assert changes(MOTOR, [60.1, 59.9, 60.1, 59.9, 60.1]) == [("nominal", "yellow", 60)]


def test_both_sides_have_levels() -> None:
    there_and_back = [("nominal", "red", -55), ("red", "nominal", -55), ("nominal", "red", 80)]
    assert changes(MOTOR, [-60, 0, 90]) == there_and_back


@pytest.mark.parametrize(
    ("values", "entered", "left", "entered_then"),
    [
        ([-60, 90], ("red", -55), -55, ("red", 80)),
        ([90, -60], ("red", 80), 80, ("red", -55)),
        ([-50, 70], ("yellow", -40), -40, ("yellow", 60)),
        ([-60, 70], ("red", -55), -55, ("yellow", 60)),
        ([70, -60], ("yellow", 60), 60, ("red", -55)),
    ],
)
def test_a_jump_from_one_side_to_the_other_ends_one_level_and_begins_the_other(
    values: list[float], entered: tuple[str, float], left: float, entered_then: tuple[str, float]
) -> None:
    assert changes(MOTOR, values) == [
        ("nominal", *entered),
        (entered[0], "nominal", left),
        ("nominal", *entered_then),
    ]


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, 10**400])
def test_a_missing_value_does_not_change_the_level(missing: float | None) -> None:
    assert changes(BATTERY, [10, missing, 10]) == [("nominal", "red", 20)]


def test_a_parameter_without_limits_has_no_levels() -> None:
    assert changes(Parameter("speed"), [1e9, -1e9]) == []


@given(st.lists(st.floats(-200, 200)))
def test_the_level_is_at_least_that_of_the_limits(values: list[float]) -> None:
    watch = LimitWatch([MOTOR])
    level = Level.NOMINAL
    for value in values:
        for change in watch.check({"motor": value}):
            assert change.was is level
            level = change.level
        if not -55 <= value <= 80:
            assert level is Level.RED
        elif not -40 <= value <= 60:
            assert level is not Level.NOMINAL
        elif -30 <= value <= 50:
            assert level is Level.NOMINAL
