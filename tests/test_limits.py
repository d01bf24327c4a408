"""Limits: a level begins at its threshold, and ends when the value is back inside by a margin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover.telemetry.limits import Level, LimitWatch
from sources.base import Limits, Parameter, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rover.telemetry.limits import LimitChange
    from sources.base import Value

BATTERY = Parameter("battery", "%", limits=Limits(yellow=(30, None), red=(20, None)))
MOTOR = Parameter("motor", "°C", limits=Limits(yellow=(-40, 60), red=(-55, 80)))


T = 1_790_000_000.0


def changes(parameter: Parameter, values: Iterable[Value]) -> list[tuple[str, str, float]]:
    """The level before, the level after and the threshold of each change; one value a second."""
    watch = LimitWatch([parameter])
    samples = (Sample(T + n, {parameter.name: value}) for n, value in enumerate(values))
    return facts(change for sample in samples for change in watch.check(sample))


def facts(found: Iterable[LimitChange]) -> list[tuple[str, str, float]]:
    return [(change.was, change.level, change.bound.threshold) for change in found]


def test_each_change_of_level_is_reported_once_with_its_threshold() -> None:
    assert changes(BATTERY, [50, 29, 28, 27, 19, 18, 25, 50]) == [
        ("nominal", "yellow", 30),
        ("yellow", "red", 20),
        ("red", "yellow", 30),
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


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, 10**400, "12", {"x": 1.0}])
def test_a_missing_value_does_not_change_the_level(missing: Value) -> None:
    assert changes(BATTERY, [10, missing, 10]) == [("nominal", "red", 20)]


def test_a_parameter_without_limits_has_no_levels() -> None:
    assert changes(Parameter("speed"), [1e9, -1e9]) == []


@given(st.lists(st.floats(-200, 200)))
def test_the_level_is_at_least_that_of_the_limits(values: list[float]) -> None:
    watch = LimitWatch([MOTOR])
    level = Level.NOMINAL
    for value in values:
        for change in watch.check(Sample(T, {"motor": value})):
            assert change.was is level
            level = change.level
        if not -55 <= value <= 80:
            assert level is Level.RED
        elif not -40 <= value <= 60:
            assert level is not Level.NOMINAL
        elif -30 <= value <= 50:
            assert level is Level.NOMINAL


def with_limits(**limits: Any) -> Parameter:
    return Parameter("motor", "°C", limits=Limits((-40, 60), (-55, 80), **limits))


def test_the_hysteresis_is_in_the_unit_of_the_parameter() -> None:
    entered = ("nominal", "yellow", 60)
    assert changes(with_limits(hysteresis=5), [61, 56]) == [entered]
    assert changes(with_limits(hysteresis=5), [61, 55]) == [entered, ("yellow", "nominal", 60)]
    assert changes(with_limits(hysteresis=0), [61, 60]) == [entered, ("yellow", "nominal", 60)]


def test_a_level_ends_between_its_limits_whatever_the_hysteresis() -> None:
    assert changes(with_limits(hysteresis=1e9), [61, 10])[-1] == ("yellow", "nominal", 60)


def test_a_level_begins_after_the_minimum_duration_by_the_times_of_the_values() -> None:
    parameter = with_limits(min_duration_s=3)
    assert changes(parameter, [61, 62, 63]) == []
    assert changes(parameter, [61, 62, 63, 64]) == [("nominal", "yellow", 60)]
    assert changes(parameter, [61, 62, 60, 61, 62, 63]) == []
    assert changes(parameter, [61, None, 62, 61]) == [("nominal", "yellow", 60)]


def test_each_level_has_a_minimum_duration_of_its_own() -> None:
    parameter = with_limits(min_duration_s=2)
    assert changes(parameter, [61, 61, 81, 81, 81]) == [
        ("nominal", "yellow", 60),
        ("yellow", "red", 80),
    ]
    assert changes(parameter, [81, 81, 81]) == [("nominal", "red", 80)]
    assert changes(parameter, [81, 81, 61, 61]) == [("nominal", "yellow", 60)]


def test_a_clock_that_is_set_back_begins_the_minimum_duration_again() -> None:
    watch = LimitWatch([with_limits(min_duration_s=3)])
    for t in (T, T - 3600, T - 3599):
        assert not watch.check(Sample(t, {"motor": 61}))
    assert facts(watch.check(Sample(T - 3597, {"motor": 61}))) == [("nominal", "yellow", 60)]


def test_new_limits_apply_to_the_newest_value_at_once() -> None:
    watch = LimitWatch([MOTOR, BATTERY])
    watch.check(Sample(T, {"motor": 61, "battery": 50}))
    newest = {"motor": (T, 61), "battery": (T, 50)}

    def limited(**limits: Any) -> Sequence[LimitChange]:
        return watch.set_parameters(
            [Parameter("motor", limits=Limits(**limits))], newest.__getitem__
        )

    assert facts(limited(yellow=(None, 60.5))) == [("yellow", "yellow", 60.5)]
    assert facts(limited(yellow=(None, 60.5))) == []
    assert facts(limited(yellow=(None, 60.5), red=(None, 60.8))) == [("yellow", "red", 60.8)]
    assert facts(limited(yellow=(None, 100))) == [("red", "nominal", 60.8)]
    assert facts(limited(yellow=(None, 50))) == [("nominal", "yellow", 50)]


@pytest.mark.parametrize("after", [[], [Parameter("motor")], [Parameter("motor", kind="text")]])
@pytest.mark.parametrize("newest", [90.0, None])
def test_a_level_ends_if_its_parameter_loses_its_limits(
    after: list[Parameter], newest: float | None
) -> None:
    watch = LimitWatch([MOTOR])
    watch.check(Sample(T, {"motor": 90}))
    [change] = watch.set_parameters(after, lambda _: (T, newest))
    assert (change.level, change.value, change.t, change.unit) == ("nominal", 90, T, "°C")
    assert not watch.check(Sample(T + 1, {"motor": 90}))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([50, 61, None])), max_size=40),
    st.integers(0, 5),
)
def test_a_value_is_outside_the_limits_for_the_minimum_duration_and_not_longer(
    steps: list[tuple[int, float | None]], min_duration_s: int
) -> None:
    limits = Limits(red=(None, 60), hysteresis=0, min_duration_s=min_duration_s)
    watch = LimitWatch([Parameter("motor", limits=limits)])
    t, level = T, Level.NOMINAL
    outside_since: float | None = None
    for pause_s, value in steps:
        t += pause_s
        for change in watch.check(Sample(t, {"motor": value})):
            assert (change.was, change.t) == (level, t)
            level = change.level
        if value is not None:
            outside_since = (t if outside_since is None else outside_since) if value > 60 else None
            is_red = outside_since is not None and t - outside_since >= min_duration_s
            assert level is (Level.RED if is_red else Level.NOMINAL)
