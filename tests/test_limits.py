"""Limits: entering is told at once, leaving only when a value is well inside again."""

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
    """Each alarm that the values ring: from, to, threshold."""
    watch = LimitWatch([parameter])
    alarms = [alarm for value in values for alarm in watch.check({parameter.name: value})]
    return [(alarm.was, alarm.level, alarm.bound.threshold) for alarm in alarms]


def test_entering_and_leaving_are_told_once_with_the_threshold() -> None:
    assert changes(BATTERY, [50, 29, 28, 27, 19, 18, 25, 50]) == [
        ("nominal", "yellow", 30),
        ("yellow", "red", 20),
        ("red", "yellow", 20),
        ("yellow", "nominal", 30),
    ]


def test_the_threshold_itself_is_inside() -> None:
    assert changes(MOTOR, [60, -40]) == []


def test_a_value_that_wavers_at_the_threshold_rings_once() -> None:
    assert changes(MOTOR, [60.1, 59.9, 60.1, 59.9, 60.1]) == [("nominal", "yellow", 60)]


def test_both_sides_have_their_own_alarm() -> None:
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
def test_a_jump_from_one_side_to_the_other_leaves_one_alarm_and_enters_the_other(
    values: list[float], entered: tuple[str, float], left: float, entered_then: tuple[str, float]
) -> None:
    assert changes(MOTOR, values) == [
        ("nominal", *entered),
        (entered[0], "nominal", left),
        ("nominal", *entered_then),
    ]


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, 10**400])
def test_what_was_not_measured_changes_nothing(nothing: float | None) -> None:
    assert changes(BATTERY, [10, nothing, 10]) == [("nominal", "red", 20)]


def test_a_parameter_without_limits_never_rings() -> None:
    assert changes(Parameter("speed"), [1e9, -1e9]) == []


@given(st.lists(st.floats(-200, 200)))
def test_the_level_is_never_milder_than_the_bounds_say(values: list[float]) -> None:
    watch = LimitWatch([MOTOR])
    level = Level.NOMINAL
    for value in values:
        for alarm in watch.check({"motor": value}):
            assert alarm.was is level
            level = alarm.level
        if not -55 <= value <= 80:
            assert level is Level.RED
        elif not -40 <= value <= 60:
            assert level is not Level.NOMINAL
        elif -30 <= value <= 50:
            assert level is Level.NOMINAL
