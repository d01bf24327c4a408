"""History: samples are in order of time, and downsampling keeps every spike."""

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

T = 1_790_000_000.0

PARAMETERS = [
    Parameter("speed", "m/s"),
    Parameter("sol", kind="integer"),
    Parameter("mode", kind="text"),
    Parameter("location", kind="vector"),
]


def history_of(count: int, max_samples: int = 10_000) -> History:
    """A history with one sample a second from `T` on."""
    history = History(PARAMETERS, max_samples)
    for n in range(count):
        history.add(Sample(T + n, {"speed": float(n), "sol": n, "mode": f"m{n}"}))
    return history


def query(
    history: History,
    fields: list[str] | None = None,
    *,
    since: float | None = None,
    until: float | None = None,
    max_points: int = 10**9,
) -> dict[str, list[Any]]:
    return history.between(since, until, fields).downsampled(max_points).as_columns()


def test_columns_have_one_length_and_the_types_of_their_parameters() -> None:
    history = History(PARAMETERS, 100)
    history.add(Sample(T + 1, {"speed": 2.5, "sol": 3, "location": {"lat": 18.4, "lon": 77.5}}))
    history.add(Sample(T + 2, {"mode": "drive", "speed": math.nan}))
    assert query(history) == {
        "t": [T + 1, T + 2],
        "speed": [2.5, None],
        "sol": [3, None],
        "mode": [None, "drive"],
        "location": [{"lat": 18.4, "lon": 77.5}, None],
        "late": [False, False],
    }


def test_since_is_inclusive_and_until_is_not() -> None:
    assert query(history_of(10), ["speed"], since=T + 3, until=T + 6)["t"] == [T + 3, T + 4, T + 5]


def test_an_empty_time_range_has_empty_columns() -> None:
    columns = query(history_of(10), ["speed"], since=T + 6, until=T + 3)
    assert columns == {"t": [], "speed": [], "late": []}


def test_a_late_sample_is_in_order_of_time_and_flagged() -> None:
    history = history_of(5)
    history.add(Sample(T + 2.5, {"speed": 99.0}), late=True)
    columns = query(history, ["speed"])
    assert columns["t"] == [T, T + 1, T + 2, T + 2.5, T + 3, T + 4]
    assert columns["speed"] == [0, 1, 2, 99, 3, 4]
    assert columns["late"] == [False, False, False, True, False, False]


def test_the_oldest_samples_are_dropped_beyond_the_limit() -> None:
    history = history_of(5000, max_samples=100)
    assert len(history) == 100
    assert query(history, ["sol"])["sol"] == list(range(4900, 5000))


def test_the_first_to_arrive_is_dropped_first_when_a_clock_was_set_back() -> None:
    history = history_of(100, max_samples=100)
    for n in range(10):
        history.add(Sample(T + n - 1000, {"sol": n}))
    assert query(history, ["sol"])["sol"] == [*range(10), *range(10, 100)]
    assert query(history, ["sol"], until=T)["sol"] == list(range(10))


def large_texts() -> Iterator[Sample]:
    for n in range(200):
        yield Sample(T, {"mode": str(n % 10) * 60_000})


def many_columns() -> Iterator[Sample]:
    for n in range(20):
        yield Sample(T, {f"{n}.{k}": n for k in range(100)})


def texts_after_numbers() -> Iterator[Sample]:
    for _ in range(9000):
        yield Sample(T, {str(k): 1.5 for k in range(20)})
    yield Sample(T, {str(k): "off" for k in range(20)})


@pytest.mark.parametrize("samples", [large_texts, many_columns, texts_after_numbers])
def test_memory_is_bounded(samples: Callable[[], Iterator[Sample]]) -> None:
    max_bytes = 2 * 2**20
    history = History(PARAMETERS, 100_000, max_bytes)
    for n in range(50_000):
        history.add(Sample(T + n, {"speed": n}))
    tracemalloc.start()
    for sample in samples():
        history.add(sample)
    allocated_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert allocated_bytes < 2.5 * max_bytes
    assert len(history) < 50_000
    assert query(history)["t"][0] == T  # of the newest samples


def test_the_newest_sample_is_kept_whatever_its_size() -> None:
    history = History(PARAMETERS, 100, 1024)
    for n in range(3):
        history.add(Sample(T + n, {"mode": f"{n}" * 10_000}))
    assert query(history, ["mode"])["mode"] == ["2" * 10_000]


def test_parameters_that_the_dictionary_lacks_are_stored() -> None:
    history = history_of(3)
    history.add(Sample(T + 9, {"unlisted": 4, "wind": {"north": 1.0}}))
    columns = query(history)
    assert columns["unlisted"] == [None, None, None, 4]
    assert columns["wind"] == [None, None, None, {"north": 1.0}]


def test_downsampling_keeps_a_spike_of_one_sample() -> None:
    history = History([Parameter("current", "A"), Parameter("volts", "V")], 200_000)
    spikes = {7_777: 50.0, 60_001: -50.0}
    for n in range(100_000):
        current = spikes.get(n, math.sin(n / 500))
        history.add(Sample(T + n, {"current": current, "volts": 28 + (n == 31_313)}))
    columns = query(history, max_points=500)
    assert len(columns["t"]) <= 500
    assert max(columns["current"]) == 50.0
    assert min(columns["current"]) == -50.0
    assert max(columns["volts"]) == 29
    assert (columns["t"][0], columns["t"][-1]) == (T, T + 99_999)


@settings(deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.floats(allow_infinity=False)), max_size=300),
    max_points=st.integers(1, 50),
)
def test_downsampling_keeps_minimum_and_maximum_within_the_limit(
    values: list[float | None], max_points: int
) -> None:
    history = History([Parameter("x")], 1000)
    for n, value in enumerate(values):
        history.add(Sample(T + n, {"x": value}))
    found = query(history, max_points=max_points)
    assert len(found["t"]) <= max(max_points, 2)  # a minimum and a maximum at least
    numbers = [v for v in values if v is not None and not math.isnan(v)]
    if numbers:
        kept = [v for v in found["x"] if v is not None]
        assert min(kept) == min(numbers)
        assert max(kept) == max(numbers)


def test_downsampling_keeps_spikes_of_more_parameters_than_points() -> None:
    names = [f"n{k}" for k in range(60)]
    history = History([Parameter(name) for name in [*names, "never"]], 10_000)
    for n in range(5000):
        spiky = {f"n{k}": 9 if n == 70 * k + 3 else 0 for k in range(60)}
        history.add(Sample(T + n, spiky))
    columns = query(history, max_points=100)
    assert [max(columns[name]) for name in names] == [9] * 60
    assert [min(columns[name]) for name in names] == [0] * 60
    assert len(columns["t"]) <= 2 * 60
    assert len(query(history, ["never"], max_points=100)["t"]) == 100


@settings(deadline=None)
@given(st.lists(st.floats(T, T + 1e6), max_size=200), st.integers(1, 50))
def test_times_are_sorted_whatever_the_order_of_arrival(times: list[float], bound: int) -> None:
    history = History([Parameter("x")], bound)
    for t in times:
        history.add(Sample(t, {"x": t}))
    found = query(history)
    assert found["t"] == sorted(found["t"])
    assert found["x"] == found["t"]
    assert len(found["t"]) == min(len(times), bound)


@pytest.mark.parametrize("fields", [["mode"], ["location"]])
def test_columns_without_numbers_are_downsampled_evenly(fields: list[str]) -> None:
    columns = query(history_of(1000), fields, max_points=10)
    steps = np.diff(columns["t"])
    assert len(columns["t"]) == 10
    assert steps.max() - steps.min() <= 1


def test_downsampling_keeps_spikes_of_learned_parameters() -> None:
    history = History([], 10_000)
    for n in range(3000):
        history.add(Sample(T + n, {"learned": 99 if n == 1234 else 0}))
    assert max(query(history, max_points=100)["learned"]) == 99


def test_a_learned_parameter_may_change_from_numbers_to_text() -> None:
    history = History([], 100)
    for t, value in enumerate([1, None, "drive"]):
        history.add(Sample(T + t, {"mode": value}))
    assert query(history, ["mode"])["mode"] == [1.0, None, "drive"]
