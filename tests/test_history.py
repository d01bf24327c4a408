"""History: samples by time, in memory or archived, and fewer points with every spike."""

from __future__ import annotations

import math
import random
from itertools import pairwise, repeat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rover.archive.table import Table, table_of
from rover.errors import LogDamaged
from rover.telemetry.history import ARCHIVE_S, ARCHIVE_SAMPLES, MAX_TAIL_BYTES, History
from rover.telemetry.past import MAX_LOADED_TEXT
from sources.base import Parameter, Sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = 1_790_000_000.0

PARAMETERS = [
    Parameter("speed", "m/s"),
    Parameter("sol", kind="integer"),
    Parameter("mode", kind="text"),
    Parameter("location", kind="vector"),
]


def history_of(count: int) -> History:
    """A history with one sample a second from `T` on."""
    history = History(PARAMETERS)
    for n in range(count):
        history.add(Sample(T + n, {"speed": float(n), "sol": n, "mode": f"m{n}"}))
    return history


def table(
    history: History,
    fields: list[str] | None = None,
    *,
    since: float | None = None,
    until: float | None = None,
    max_points: int = 10**9,
) -> Table:
    return table_of(history.load(since, until, fields, max_points), max_points)


def query(history: History, *args: Any, **options: Any) -> dict[str, list[Any]]:
    return table(history, *args, **options).as_columns(history.integers)


@pytest.fixture(params=["memory", "archive"])
def archive(request: pytest.FixtureRequest) -> Callable[[History], None]:
    """Archives the samples of a history, or leaves them in memory."""
    return History.archive if request.param == "archive" else lambda _: None


def test_columns_have_one_length_and_the_types_of_their_parameters(
    archive: Callable[[History], None],
) -> None:
    history = History(PARAMETERS)
    history.add(Sample(T + 1, {"speed": 2.5, "sol": 3.0, "location": {"lat": 18.4, "lon": 77.5}}))
    archive(history)
    history.add(Sample(T + 2, {"mode": "drive", "speed": math.nan, "big": 2**70, "on": True}))
    archive(history)
    assert query(history) == {
        "t": [T + 1, T + 2],
        "speed": [2.5, None],
        "sol": [3, None],
        "mode": [None, "drive"],
        "location": [{"lat": 18.4, "lon": 77.5}, None],
        "big": [None, 2**70],
        "on": [None, True],
        "late": [False, False],
    }


def test_since_is_inclusive_and_until_is_not() -> None:
    assert query(history_of(10), ["speed"], since=T + 3, until=T + 6)["t"] == [T + 3, T + 4, T + 5]


def test_an_empty_time_range_has_empty_columns() -> None:
    columns = query(history_of(10), ["speed"], since=T + 6, until=T + 3)
    assert columns == {"t": [], "speed": [], "late": []}


def test_a_late_sample_is_in_order_of_time_and_flagged(
    archive: Callable[[History], None],
) -> None:
    history = history_of(5)
    archive(history)
    history.add(Sample(T + 2.5, {"speed": 99.0}), late=True)
    columns = query(history, ["speed"])
    assert columns["t"] == [T, T + 1, T + 2, T + 2.5, T + 3, T + 4]
    assert columns["speed"] == [0, 1, 2, 99, 3, 4]
    assert columns["late"] == [False, False, False, True, False, False]


def test_two_values_of_one_time_are_both_there() -> None:
    history = history_of(2)
    history.add(Sample(T, {"speed": 7.0}), late=True)
    columns = query(history, ["speed"])
    assert (columns["t"], columns["speed"]) == ([T, T, T + 1], [0, 7, 1])


def test_a_sample_that_is_added_again_after_a_restart_is_stored_once() -> None:
    history = History()
    history.add(Sample(T, {"speed": 1.0}), offset=1)
    history.archive()
    for offset in (1, 2):
        history.add(Sample(T + offset, {"speed": 2.0, "volts": 28.0}), offset=offset)
    history.archive()
    columns = query(history)
    assert columns["t"] == [T, T + 1, T + 2]  # `volts` of the first was not stored before
    assert columns["speed"] == [1.0, None, 2.0]


def test_samples_are_archived_when_there_are_many_or_after_some_minutes() -> None:
    clock = iter([T, T + 1, T + ARCHIVE_S, *repeat(T + ARCHIVE_S, 9)])
    history = History(clock=lambda: next(clock))
    history.add(Sample(T, {"speed": 1.0}))
    assert [history.is_due, history.is_due] == [False, True]
    history.archive()
    assert (len(history), history.is_due) == (0, False)
    for n in range(ARCHIVE_SAMPLES + 1):
        history.add(Sample(T + n, {"speed": 1.0}))
    assert history.is_due
    history.archive()
    assert len(history) == 1  # the archive has whole chunks


def test_the_oldest_samples_are_dropped_beyond_the_limits() -> None:
    now = T
    history = History(PARAMETERS, max_bytes=300_000, max_age_s=86_400, clock=lambda: now)
    noise = random.Random(1)
    for turn in range(40):
        for n in range(1024):
            history.add(Sample(T + turn * 1024 + n, {"speed": noise.random()}))
        now += 1024
        history.archive()
    kept = query(history, ["speed"])["t"]
    assert 15 * 1024 < len(kept) < 35 * 1024
    assert kept[-1] == T + 40 * 1024 - 1
    assert kept == sorted(kept)
    now += 2 * 86_400
    history.add(Sample(now, {"speed": 0.0}))
    history.archive()
    assert query(history, ["speed"])["t"] == [now]


def test_a_value_of_1970_is_kept_like_any_other_that_arrives_now() -> None:
    history = history_of(3000)
    history.archive()
    history.add(Sample(0.0, {"sol": 2}))  # 1970
    history.archive()
    assert query(history, ["sol"])["sol"][0] == 2


def test_memory_is_bounded_while_the_database_is_missing(tmp_path: Path) -> None:
    history = History(PARAMETERS, path=tmp_path / "mission.db")
    text = "x" * 60_000
    for n in range(2000):
        history.add(Sample(T + n, {"mode": text}), size=len(text))
        if n % 100 == 0:
            history.archive()
    assert history.dropped > 0
    assert 0 < len(history) * len(text) <= MAX_TAIL_BYTES
    (tmp_path / "mission.db").touch()
    history.archive()
    assert len(history) == 0
    assert query(history, ["mode"], max_points=10)["t"][-1] == T + 1999
    history.close()


def test_archived_samples_are_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "mission.db"
    path.touch()
    for turn in range(2):
        history = History(path=path)
        history.add(Sample(T + turn, {"speed": float(turn)}))
        history.archive()
        history.close()
    assert query(History(path=path), ["speed"])["speed"] == [0.0, 1.0]


def test_a_damaged_database_is_reported_and_a_new_one_is_used(tmp_path: Path) -> None:
    path = tmp_path / "mission.db"
    path.touch()
    history = History(PARAMETERS, path=path)
    history.add(Sample(T, {"speed": 1.0}))
    history.archive()
    path.write_bytes(b"not a database" * 1000)
    history.close()
    with pytest.raises(LogDamaged):
        history.load()
    path.rename(tmp_path / "aside.db")
    path.touch()
    history.add(Sample(T + 1, {"speed": 2.0}))
    history.archive()
    assert query(history, ["speed"])["speed"] == [2.0]
    history.close()


def test_parameters_that_the_dictionary_lacks_are_stored() -> None:
    history = history_of(3)
    history.add(Sample(T + 9, {"unlisted": 4, "wind": {"north": 1.0}}))
    columns = query(history)
    assert columns["unlisted"] == [None, None, None, 4]
    assert columns["wind"] == [None, None, None, {"north": 1.0}]


def test_a_spike_of_one_sample_is_kept(archive: Callable[[History], None]) -> None:
    history = History([Parameter("current", "A"), Parameter("volts", "V")])
    spikes = {777: 50.0, 6_001: -50.0}
    for n in range(10_000):
        current = spikes.get(n, math.sin(n / 500))
        history.add(Sample(T + n, {"current": current, "volts": 28 + (n == 3_131)}))
    archive(history)
    columns = query(history, max_points=500)
    assert len(columns["t"]) <= 500
    assert max(filter(None, columns["current"])) == 50.0
    assert min(filter(None, columns["current"])) == -50.0
    assert max(filter(None, columns["volts"])) == 29
    assert (columns["t"][0], columns["t"][-1]) == (T, T + 9_999)


def test_times_and_whole_vectors_are_near_those_of_the_samples() -> None:
    noise = random.Random(1)
    history = History()
    for n in range(5_000):
        place = {"lat": n / 1000, "lon": -n / 1000}
        history.add(Sample(T + n, {"location": place, "speed": n / 10, "noise": noise.random()}))
    found = table(history, max_points=600)
    columns = found.as_columns()
    assert 300 <= len(columns["t"]) <= 600
    assert 0 < found.resolution_s <= 5_000 / 100
    for t, place, speed in zip(columns["t"], columns["location"], columns["speed"], strict=True):
        if place is not None:
            assert place["lon"] == -place["lat"]
            assert abs(T + place["lat"] * 1000 - t) <= found.resolution_s
        if speed is not None:
            assert abs(T + speed * 10 - t) <= found.resolution_s


def test_one_parameter_has_the_exact_times_of_its_extremes() -> None:
    history = History()
    for n in range(5000):
        history.add(Sample(T + n, {"speed": 1000.0 if n == 1234 else n / 5000}))
    columns = query(history, ["speed"], max_points=100)
    assert columns["t"][columns["speed"].index(1000.0)] == T + 1234


def test_all_points_are_there_if_they_are_few() -> None:
    found = table(history_of(100), max_points=100)
    assert (len(found.t), found.resolution_s) == (100, 0.0)
    assert table(history_of(101), max_points=100).resolution_s > 0


@settings(max_examples=40)
@given(
    values=st.lists(st.one_of(st.none(), st.floats(allow_infinity=False)), max_size=300),
    max_points=st.integers(1, 50),
)
def test_the_minimum_and_the_maximum_are_kept_within_the_limit(
    values: list[float | None], max_points: int
) -> None:
    history = History([Parameter("x")])
    for n, value in enumerate(values):
        history.add(Sample(T + n, {"x": value}))
    found = query(history, max_points=max_points)
    assert len(found["t"]) <= max(max_points, 4)  # one interval at least
    numbers = [v for v in values if v is not None and not math.isnan(v)]
    if numbers:
        kept = [v for v in found["x"] if v is not None]
        assert min(kept) == min(numbers)
        assert max(kept) == max(numbers)


def test_spikes_of_more_parameters_than_points_are_kept() -> None:
    names = [f"n{k}" for k in range(60)]
    history = History([Parameter(name) for name in [*names, "never"]])
    for n in range(4300):
        history.add(Sample(T + n, {f"n{k}": 9 if n == 70 * k + 3 else 0 for k in range(60)}))
    columns = query(history, max_points=50)
    assert [max(filter(None, columns[name])) for name in names] == [9] * 60
    assert len(columns["t"]) <= 50
    assert query(history, ["never"], max_points=100)["t"] == []


@settings(max_examples=40)
@given(st.lists(st.floats(T, T + 1e6), max_size=200), st.integers(1, 50))
def test_times_are_sorted_whatever_the_order_of_arrival(times: list[float], archived: int) -> None:
    history = History([Parameter("x")])
    for n, t in enumerate(times):
        history.add(Sample(t, {"x": t}))
        if n % archived == 0:
            history.archive()
    found = query(history)
    assert found["t"] == found["x"] == sorted(times)


def test_of_texts_the_changes_are_kept() -> None:
    history = History()
    for n in range(10_000):
        history.add(Sample(T + n, {"mode": "drive" if 4000 <= n < 4500 else "idle"}))
    columns = query(history, max_points=100)
    assert len(columns["t"]) <= 100
    changes = [mode for mode in columns["mode"] if mode is not None]
    assert [a for a, b in pairwise(changes) if a != b] == ["idle", "drive"]


def test_spikes_of_learned_parameters_are_kept() -> None:
    history = History()
    for n in range(3000):
        history.add(Sample(T + n, {"learned": 99 if n == 1234 else 0}))
    assert max(filter(None, query(history, max_points=100)["learned"])) == 99


def test_a_learned_parameter_may_change_from_numbers_to_text() -> None:
    history = History()
    for t, value in enumerate([1, None, "drive"]):
        history.add(Sample(T + t, {"mode": value}))
    columns = query(history, ["mode"])
    assert (columns["t"], columns["mode"]) == ([T, T + 2], [1, "drive"])


def test_tables_have_every_value_in_order_of_time(archive: Callable[[History], None]) -> None:
    history = History()
    for n in range(3000):
        history.add(Sample(T + n, {"a": n, "text": str(n)} if n % 3 else {"a": n, "b": True}))
        if n % 1024 == 1023:
            archive(history)
    tables = list(history.tables(T + 10, T + 2900))
    assert all(len(table.t) <= 3000 for table in tables)
    times = [t for table in tables for t in table.t.tolist()]
    columns = [table.as_columns() for table in tables]
    assert times == [T + n for n in range(10, 2900)]
    assert [a for found in columns for a in found["a"]] == list(range(10, 2900))
    texts = [text for found in columns for text in found["text"]]
    assert texts == [str(n) if n % 3 else None for n in range(10, 2900)]
    assert history.kinds() == {"a": {"": "i"}, "b": {"": "b"}, "text": {"": "s"}}


ANY_NUMBER = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)

ANY_VALUE = st.one_of(
    ANY_NUMBER,
    st.text(max_size=3),
    st.booleans(),
    st.fixed_dictionaries({}, optional={"x": ANY_NUMBER, "y": ANY_NUMBER}).filter(bool),
)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.dictionaries(st.sampled_from("ab"), ANY_VALUE))),
    st.integers(1, 20),
)
def test_every_value_of_any_type_is_returned_once_in_order_of_time(
    samples: list[tuple[int, dict[str, Any]]], archived: int
) -> None:
    history = History()
    for number, (seconds, values) in enumerate(samples):
        history.add(Sample(T + seconds, values))
        if number % archived == 0:
            history.archive()
    for name in "ab":
        expected = sorted(
            ((T + seconds, values[name]) for seconds, values in samples if name in values),
            key=lambda one: one[0],
        )
        rows = [
            (t, value)
            for table in history.tables(fields=[name])
            for t, value in zip(table.t.tolist(), table.as_columns()[name], strict=True)
        ]
        found = query(history, [name])
        assert list(zip(found["t"], found[name], strict=True)) == rows
        assert [(t, _plain(value)) for t, value in rows] == expected


def _plain(value: Any) -> Any:
    """The value without the components that were not measured."""
    if isinstance(value, dict):
        return {part: number for part, number in value.items() if number is not None}
    return value


def test_a_query_of_many_parameters_with_long_texts_is_bounded() -> None:
    history = History()
    names = [f"text {n}" for n in range(40)]
    for n in range(64):  # 41 MB of texts
        history.add(Sample(T + n, dict.fromkeys(names, f"{n:04}" * 4000)))
        if n % 8 == 7:
            history.archive()
    excerpt = history.load(max_points=64)
    size = sum(points.object_bytes() for points in excerpt.series.values() if points is not None)
    assert 0 < size <= MAX_LOADED_TEXT
    assert not excerpt.is_complete


def test_chunks_of_large_texts_are_small() -> None:
    history = History()
    for n in range(300):
        history.add(Sample(T + n, {"text": str(n) * 20_000}))
        history.archive()
    assert len(list(history.tables())) > 2
