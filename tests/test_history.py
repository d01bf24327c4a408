"""History: samples stand in the order of their time, and decimation loses no spike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rover.telemetry.history import History
from sources.base import Parameter, Sample

PARAMETERS = [
    Parameter("speed", "m/s"),
    Parameter("sol", kind="integer"),
    Parameter("mode", kind="text"),
    Parameter("location", kind="vector"),
]


def filled(count: int, max_samples: int = 10_000) -> History:
    history = History(PARAMETERS, max_samples)
    for n in range(count):
        history.add(Sample(float(n), {"speed": float(n), "sol": n, "mode": f"m{n}"}))
    return history


def ask(history: History, fields: list[str] | None = None, **limits: Any) -> dict[str, list[Any]]:
    span = history.between(limits.get("since"), limits.get("until"), fields)
    return span.thinned(limits.get("max_points", 10**9)).told()


def test_columns_have_one_length_and_the_kinds_of_their_parameters() -> None:
    history = History(PARAMETERS, 100)
    history.add(Sample(1.0, {"speed": 2.5, "sol": 3, "location": {"lat": 18.4, "lon": 77.5}}))
    history.add(Sample(2.0, {"mode": "drive", "speed": math.nan}))
    assert ask(history) == {
        "t": [1.0, 2.0],
        "speed": [2.5, None],
        "sol": [3, None],
        "mode": [None, "drive"],
        "location": [{"lat": 18.4, "lon": 77.5}, None],
        "late": [False, False],
    }


def test_since_is_inclusive_and_until_is_not() -> None:
    assert ask(filled(10), ["speed"], since=3, until=6)["t"] == [3, 4, 5]


def test_an_empty_span_is_empty_columns() -> None:
    assert ask(filled(10), ["speed"], since=6, until=3) == {"t": [], "speed": [], "late": []}


def test_a_late_sample_takes_its_place_and_is_flagged() -> None:
    history = filled(5)
    history.add(Sample(2.5, {"speed": 99.0}), late=True)
    columns = ask(history, ["speed"])
    assert columns["t"] == [0, 1, 2, 2.5, 3, 4]
    assert columns["speed"] == [0, 1, 2, 99, 3, 4]
    assert columns["late"] == [False, False, False, True, False, False]


def test_the_oldest_are_dropped_beyond_the_bound() -> None:
    history = filled(5000, max_samples=100)
    assert len(history) == 100
    assert ask(history, ["sol"])["sol"] == list(range(4900, 5000))


def test_what_is_not_in_the_dictionary_is_kept_too() -> None:
    history = filled(3)
    history.add(Sample(9.0, {"surprise": 4, "wind": {"north": 1.0}}))
    columns = ask(history)
    assert columns["surprise"] == [None, None, None, 4]
    assert columns["wind"] == [None, None, None, {"north": 1.0}]


def test_a_single_sample_spike_survives_decimation() -> None:
    history = History([Parameter("current", "A"), Parameter("volts", "V")], 200_000)
    spikes = {7_777: 50.0, 60_001: -50.0}
    for n in range(100_000):
        current = spikes.get(n, math.sin(n / 500))
        history.add(Sample(float(n), {"current": current, "volts": 28 + (n == 31_313)}))
    columns = ask(history, max_points=500)
    assert len(columns["t"]) <= 500
    assert max(columns["current"]) == 50.0
    assert min(columns["current"]) == -50.0
    assert max(columns["volts"]) == 29
    assert (columns["t"][0], columns["t"][-1]) == (0, 99_999)


@settings(deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.floats(allow_infinity=False)), max_size=300),
    max_points=st.integers(1, 50),
)
def test_decimation_keeps_every_minimum_and_maximum_and_its_bound(
    values: list[float | None], max_points: int
) -> None:
    history = History([Parameter("x")], 1000)
    for n, value in enumerate(values):
        history.add(Sample(float(n), {"x": value}))
    found = ask(history, max_points=max_points)
    assert len(found["t"]) <= max_points
    numbers = [v for v in values if v is not None and not math.isnan(v)]
    if numbers and max_points >= 4:
        kept = [v for v in found["x"] if v is not None]
        assert min(kept) == min(numbers)
        assert max(kept) == max(numbers)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), max_size=200), st.integers(1, 50))
def test_times_are_in_order_whatever_order_they_came_in(times: list[float], bound: int) -> None:
    history = History([Parameter("x")], bound)
    for t in times:
        history.add(Sample(t, {"x": t}))
    found = ask(history)
    assert found["t"] == sorted(found["t"])
    assert found["x"] == found["t"]
    assert len(found["t"]) == min(len(times), bound)


@pytest.mark.parametrize("fields", [["mode"], ["location"]])
def test_columns_without_numbers_are_thinned_evenly(fields: list[str]) -> None:
    columns = ask(filled(1000), fields, max_points=10)
    steps = np.diff(columns["t"])
    assert len(columns["t"]) == 10
    assert steps.max() - steps.min() <= 1


def test_spikes_of_parameters_that_are_learned_survive_too() -> None:
    history = History([], 10_000)
    for n in range(3000):
        history.add(Sample(float(n), {"learned": 99 if n == 1234 else 0}))
    assert max(ask(history, max_points=100)["learned"]) == 99


def test_a_learned_parameter_may_turn_out_to_be_text() -> None:
    history = History([], 100)
    for t, value in enumerate([1, None, "drive"]):
        history.add(Sample(float(t), {"mode": value}))
    assert ask(history, ["mode"])["mode"] == [1.0, None, "drive"]
