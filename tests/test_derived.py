"""Parameters that are computed from others."""

from __future__ import annotations

import pytest

from rover.telemetry.derived import Cycle, Derived, DerivedParameter
from rover.telemetry.expression import Expression
from sources.base import Parameter, Sample

T = 1_790_000_000.0


def derived(**expressions: str) -> Derived:
    return Derived(
        DerivedParameter(Parameter(name), Expression(text)) for name, text in expressions.items()
    )


def test_a_derived_value_needs_all_inputs_and_has_the_newest_time_of_them() -> None:
    power = derived(power="u * i")
    assert list(power.update(Sample(T, {"u": 14.0}))[0]) == []
    assert list(power.update(Sample(T + 2, {"i": 2.0, "x": 1}))[0]) == [
        Sample(T + 2, {"power": 28.0})
    ]
    # the clock of the other device is behind
    assert list(power.update(Sample(T + 1, {"u": 10.0}))[0]) == [Sample(T + 2, {"power": 20.0})]


def test_a_sample_without_inputs_computes_nothing() -> None:
    power = derived(power="u * i")
    power.update(Sample(T, {"u": 1, "i": 1}))
    assert list(power.update(Sample(T + 1, {"x": 1}))[0]) == []
    assert list(power.update(Sample(T + 1, {"u": None}))[0]) == []


def test_derived_parameters_may_use_others_in_any_order() -> None:
    chain = derived(energy="power * 3600", power="u * i")
    [sample] = chain.update(Sample(T, {"u": 2, "i": 3}))[0]
    assert sample == Sample(T, {"power": 6, "energy": 21600})


def test_the_results_of_a_chain_stay_small() -> None:
    expressions = {"d0": "*".join(["a"] * 60), "d1": "*".join(["d0"] * 60), "d2": "d1 * d1"}
    samples, unusable = derived(**expressions).update(Sample(T, {"a": 2}))
    assert list(samples) == [Sample(T, {"d0": 2**60})]
    assert [one.parameter for one in unusable] == ["d1"]


def test_parts_of_a_vector_are_inputs() -> None:
    norm = derived(norm="hypot(accel.x, accel.y)")
    [sample] = norm.update(Sample(T, {"accel": {"x": 3.0, "y": 4.0}}))[0]
    assert sample.values == {"norm": 5.0}
    samples, unusable = norm.update(Sample(T, {"accel": {"x": 3.0}}))
    assert (list(samples), [one.parameter for one in unusable]) == ([], ["norm"])


def test_an_error_costs_only_its_own_value() -> None:
    several = derived(ratio="a / b", total="a + b", twice="ratio * 2 + a")
    several.update(Sample(T, {"a": 1, "b": 2}))
    samples, unusable = several.update(Sample(T + 1, {"a": 1, "b": 0}))
    assert list(samples) == [Sample(T + 1, {"total": 1})]
    assert [one.parameter for one in unusable] == ["ratio"]


@pytest.mark.parametrize("value", ["DRIVE", {"x": 1.0}])
def test_an_input_that_is_no_number_is_an_error(value: object) -> None:
    _, unusable = derived(twice="2 * a").update(Sample(T, {"a": value}))  # type: ignore[dict-item]
    assert [one.parameter for one in unusable] == ["twice"]


def test_nothing_is_computed_from_a_stale_input() -> None:
    stale: set[str] = set()
    power = Derived([DerivedParameter(Parameter("power"), Expression("u * i"))], stale.__contains__)
    power.update(Sample(T, {"u": 2, "i": 3}))
    stale.add("i")
    assert list(power.update(Sample(T + 60, {"u": 2}))[0]) == []
    stale.clear()
    assert list(power.update(Sample(T + 61, {"u": 4}))[0]) == [Sample(T + 61, {"power": 12})]


@pytest.mark.parametrize(
    "expressions", [{"a": "a + 1"}, {"a": "b", "b": "c", "c": "2 * a"}, {"a": "a.x"}]
)
def test_a_cycle_is_an_error_that_names_its_members(expressions: dict[str, str]) -> None:
    with pytest.raises(Cycle) as refused:
        derived(**expressions)
    assert set(refused.value.names) == expressions.keys()


def test_unknown_inputs_are_reported_with_the_closest_name() -> None:
    several = derived(power="battery.voltage * battery.curr", ok="position.x + power")
    unknown = several.unknown({"battery.voltage", "battery.current", "position"})
    assert list(unknown) == ["power"]
    assert "battery.current" in unknown["power"]
