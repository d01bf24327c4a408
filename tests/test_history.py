"""History: samples stand in the order of their time, and decimation loses no spike."""

from __future__ import annotations

import math
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rover.telemetry.history import History
from sources.base import Parameter, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    return span.downsampled(limits.get("max_points", 10**9)).as_columns()


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


def test_new_samples_of_a_clock_that_was_set_back_are_kept_and_the_first_to_come_dropped() -> None:
    history = filled(100, max_samples=100)
    for n in range(10):
        history.add(Sample(n - 1000.0, {"sol": n}))
    assert ask(history, ["sol"])["sol"] == [*range(10), *range(10, 100)]
    assert ask(history, ["sol"], until=0)["sol"] == list(range(10))


def huge_texts() -> Iterator[Sample]:
    for n in range(200):
        yield Sample(0.0, {"mode": str(n % 10) * 60_000})


def ever_more_columns() -> Iterator[Sample]:
    for n in range(20):
        yield Sample(0.0, {f"{n}.{k}": n for k in range(100)})


def numbers_that_turn_out_to_be_texts() -> Iterator[Sample]:
    for _ in range(9000):
        yield Sample(0.0, {str(k): 1.5 for k in range(20)})
    yield Sample(0.0, {str(k): "off" for k in range(20)})


@pytest.mark.parametrize(
    "samples", [huge_texts, ever_more_columns, numbers_that_turn_out_to_be_texts]
)
def test_the_memory_is_bounded_whatever_comes(samples: Callable[[], Iterator[Sample]]) -> None:
    max_bytes = 2 * 2**20
    history = History(PARAMETERS, 100_000, max_bytes)
    for n in range(50_000):
        history.add(Sample(float(n), {"speed": n}))
    tracemalloc.start()
    for sample in samples():
        history.add(sample)
    more_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert more_bytes < 2.5 * max_bytes
    assert len(history) < 50_000
    assert ask(history)["t"][0] == 0.0  # the newest is there


def test_the_newest_sample_is_kept_whatever_its_size() -> None:
    history = History(PARAMETERS, 100, 1024)
    for n in range(3):
        history.add(Sample(float(n), {"mode": f"{n}" * 10_000}))
    assert ask(history, ["mode"])["mode"] == ["2" * 10_000]


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
    assert len(found["t"]) <= max(max_points, 2)  # a minimum and a maximum there must be
    numbers = [v for v in values if v is not None and not math.isnan(v)]
    if numbers:
        kept = [v for v in found["x"] if v is not None]
        assert min(kept) == min(numbers)
        assert max(kept) == max(numbers)


def test_spikes_survive_also_where_there_are_more_numbers_than_points() -> None:
    names = [f"n{k}" for k in range(60)]
    history = History([Parameter(name) for name in [*names, "never"]], 10_000)
    for n in range(5000):
        spiky = {f"n{k}": 9 if n == 70 * k + 3 else 0 for k in range(60)}
        history.add(Sample(float(n), spiky))
    columns = ask(history, max_points=100)
    assert [max(columns[name]) for name in names] == [9] * 60
    assert [min(columns[name]) for name in names] == [0] * 60
    assert len(columns["t"]) <= 2 * 60
    assert len(ask(history, ["never"], max_points=100)["t"]) == 100


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
