"""The archive: values to bytes and back, chunks, levels, and late values."""

from __future__ import annotations

import math
import sqlite3
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rover.archive.codec import pack, pack_all_times, unpack
from rover.archive.levels import CHUNK, LEVELS
from rover.archive.points import SCALAR, Points, column_of
from rover.archive.reduce import reduced
from rover.archive.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

NOW = 1.79e9


def points(t: Sequence[float], values: Sequence[Any]) -> Points:
    return Points.of(np.array(t, float), np.zeros(len(t), bool), values)


def same(first: NDArray[Any], second: NDArray[Any]) -> bool:
    if first.dtype == float and second.dtype == float:
        return bool((first.view(np.int64) == second.view(np.int64)).all())
    return bool(first.dtype == second.dtype and first.tolist() == second.tolist())


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(
    st.lists(FLOATS, min_size=1),
    st.lists(st.decimals(-1000, 1000, places=3).map(float), min_size=1),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    st.lists(st.booleans(), min_size=1),
    st.lists(st.text() | st.integers() | FLOATS | st.booleans(), min_size=1),
)


@given(VALUES)
def test_values_are_exact_after_compression(values: list[Any]) -> None:
    column = column_of(values)
    assert column.tolist() == values
    assert list(map(type, column.tolist())) in ([*map(type, values)], [float] * len(values))
    assert same(unpack(pack(column)), column)


@given(st.lists(st.floats(0, 4e9), min_size=1).map(sorted))
def test_times_are_exact_after_compression(times: list[float]) -> None:
    assert same(unpack(pack_all_times([np.array(times)])[0]), np.array(times))


@pytest.mark.parametrize("value", [math.nan, -0.0, 1e300, 5e-324, 18.44])
def test_odd_numbers_are_exact_after_compression(value: float) -> None:
    column = np.array([1.5, value, value])
    assert same(unpack(pack(column)), column)


def test_steady_times_and_decimals_are_small() -> None:
    t = np.round(NOW + np.arange(CHUNK) / 10, 3)
    assert len(pack_all_times([t])[0]) < 100
    walk = np.round(20 + np.cumsum(np.random.default_rng(1).normal(0, 0.1, CHUNK)), 2)
    assert len(pack(walk)) < 1.5 * CHUNK


@pytest.mark.parametrize(
    "data", [b"", b"f", b"f\x00\x08" + bytes(8) + b"x", b"o[", b"r" + b"x" * 9]
)
def test_damaged_data_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 # its message is zlib's
        unpack(data)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.integers(1, 9))
def test_the_extremes_of_each_group_are_kept(values: list[float], group: int) -> None:
    kept = reduced(points(range(len(values)), values), group)
    for start in range(0, len(values), group):
        some = values[start : start + group]
        found = kept.between(start, start + group)
        assert len(found) <= 4
        column = found.columns[0].tolist()
        assert (column[0], column[-1]) == (some[0], some[-1])
        assert (min(column), max(column)) == (min(some), max(some))


def test_a_vector_keeps_whole_points() -> None:
    values = [{"x": float(i % 7), "y": float(-i % 5)} for i in range(64)]
    kept = reduced(points(range(64), values))
    assert kept.parts == ("x", "y")
    for t, x, y in zip(kept.t, *kept.columns, strict=True):
        assert values[int(t)] == {"x": x, "y": y}


def test_text_is_kept_where_it_changes() -> None:
    kept = reduced(points(range(64), ["idle"] * 30 + ["drive"] * 34))
    assert kept.t.tolist() == [0, 30, 63]


@pytest.fixture
def store() -> Store:
    return Store(sqlite3.connect(":memory:", isolation_level=None))


def all_of(store: Store, name: str = "p", level: int = 0) -> tuple[list[float], list[Any]]:
    pieces = list(store.read(name, -math.inf, math.inf, level))
    return (
        [t for piece in pieces for t in piece.t.tolist()],
        [value for piece in pieces for value in piece.columns[0].tolist()],
    )


STEPS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 2 * CHUNK)),  # start in chunks, and length
    min_size=1,
    max_size=8,
)


@settings(max_examples=12)
@given(STEPS, st.booleans())
@example([(1, 2), (0, 1025)], False)  # older values for a chunk that is not complete
def test_values_in_any_order_are_all_stored_and_every_level_has_the_extremes(
    steps: list[tuple[int, int]], restarts: bool
) -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    store = Store(db)
    expected: list[tuple[float, float]] = []
    for number, (start, length) in enumerate(steps):
        t = NOW + start * CHUNK + np.arange(length) + number / 16  # each time is different
        values = np.sin(t / 50) + number * np.where(np.arange(length) == length // 2, 50.0, 0.0)
        store.add({"p": points(t.tolist(), values.tolist())}, NOW)
        expected += zip(t.tolist(), values.tolist(), strict=True)
        if restarts:
            store = Store(db)
    expected.sort()
    assert list(zip(*all_of(store), strict=True)) == expected
    for level in range(1, LEVELS):
        times, found = all_of(store, level=level)
        assert times == sorted(times)
        assert (min(found), max(found)) == (
            min(value for _, value in expected),
            max(value for _, value in expected),
        )
        assert set(zip(times, found, strict=True)) <= set(expected)


def test_higher_levels_have_fewer_points(store: Store) -> None:
    count = 300 * CHUNK
    t = NOW + np.arange(count) / 10
    wave = np.sin(np.arange(count) / 100)
    wave[123_456] = 9.0
    store.add({"p": points(t.tolist(), wave.tolist())}, NOW)
    level = store.level_for("p", NOW, float(t[-1]), 1000)
    times, values = all_of(store, level=level)
    assert level == 1
    assert len(times) < 25_000
    assert max(values) == 9.0
    assert store.level_for("p", NOW, NOW + 60, 1000) == 0
    assert len(all_of(store, level=2)[0]) < 12_000


def test_a_time_range_has_the_points_within_it(store: Store) -> None:
    store.add({"p": points([NOW + i for i in range(3000)], list(range(3000)))}, NOW)
    (only,) = store.read("p", NOW + 1500, NOW + 1503)
    assert only.columns[0].tolist() == [1500, 1501, 1502]
    assert list(store.read("q", NOW, NOW + 1)) == []


def test_the_ends_are_those_of_the_chosen_parameters(store: Store) -> None:
    names = ["p", "q"]
    assert (store.first(names), store.last(names)) == (math.inf, -math.inf)
    store.add({"p": points([NOW + i for i in range(3000)], list(range(3000)))}, NOW)
    store.add({"q": points([NOW - 5, NOW + 5], [1, 2])}, NOW)
    assert (store.first(names), store.last(names)) == (NOW - 5, NOW + 2999)
    assert (store.first(["q"]), store.last(["q"])) == (NOW - 5, NOW + 5)


def test_parameters_of_the_same_samples_share_their_times() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    t = np.arange(NOW, NOW + 10)
    late = np.zeros(10, bool)
    store = Store(db)
    column = np.arange(10.0)
    store.add({name: Points(t, late, SCALAR, (column,)) for name in ("a", "b")}, NOW)
    store.add(
        {name: Points(t + np.float64(10), late, SCALAR, (column,)) for name in ("a", "b")}, NOW
    )
    assert db.execute("SELECT count(*) FROM times").fetchone() == (1,)
    assert all_of(store, "b")[0] == [NOW + i for i in range(20)]


def test_old_chunks_are_dropped_with_their_times() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    store = Store(db)
    for day in range(4):
        t = [NOW + day * 86_400 + i for i in range(CHUNK)]
        store.add({"p": points(t, t)}, NOW + day * 86_400)
    store.limit(math.inf, NOW + 2 * 86_400)
    assert all_of(store)[0][0] == NOW + 2 * 86_400
    assert db.execute("SELECT count(*) FROM times").fetchone() == (2,)


def test_the_size_is_limited() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    store = Store(db)
    noise = np.random.default_rng(1)
    t: list[float] = []
    for turn in range(200):
        t = [NOW + turn * CHUNK + i for i in range(CHUNK)]
        store.add({"p": points(t, noise.normal(size=CHUNK).tolist())}, t[-1])
        store.limit(400_000, -math.inf)
    assert db.execute("PRAGMA page_count").fetchone()[0] * 4096 <= 410_000
    kept = all_of(store)[0]
    assert kept == sorted(kept)
    assert kept[-1] == t[-1]
    assert len(kept) > 20 * CHUNK


def test_a_smaller_limit_returns_the_space_of_the_file_in_short_steps(tmp_path: Path) -> None:
    path = tmp_path / "mission.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    store = Store(db)
    noise = np.random.default_rng(1).normal(size=200 * CHUNK)
    store.add({"p": points((NOW + np.arange(len(noise))).tolist(), noise.tolist())}, NOW)
    before = path.stat().st_size
    assert not store.limit(before / 2, -math.inf, 0)
    assert store.limit(before / 2, -math.inf)
    assert before / 3 < path.stat().st_size <= before / 2
    assert all_of(store)[0][-1] == NOW + len(noise) - 1
    db.close()


def test_late_flags_and_a_change_from_numbers_to_text_are_stored(store: Store) -> None:
    t = np.array([NOW, NOW + 1])
    store.add({"p": Points.of(t, np.array([False, True]), [1.0, 2])}, NOW)
    store.add({"p": Points.of(t + 2, np.array([False, False]), ["off", 2**70])}, NOW)
    assert all_of(store)[1] == [1.0, 2.0, "off", 2**70]
    (only,) = store.read("p", NOW, NOW + 9)
    assert only.late.tolist() == [False, True, False, False]


def test_a_parameter_that_becomes_a_vector_is_stored(store: Store) -> None:
    store.add({"p": points([NOW], [1.0])}, NOW)
    store.add({"p": points([NOW + 1, NOW + 2], [{"x": 1.0}, {"x": 2.0, "y": 3.0}])}, NOW)
    (only,) = store.read("p", NOW, NOW + 9)
    assert only.parts == ("", "x", "y")
    nan = math.nan
    expected = [[1.0, nan, nan], [nan, 1.0, 2.0], [nan, nan, 3.0]]
    assert np.array_equal(only.columns, expected, equal_nan=True)


def test_a_full_disk_loses_no_stored_value() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    store = Store(db)
    store.add({"p": points([NOW], [1.0])}, NOW, offset=1)
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages}")
    noise = np.random.default_rng(1).normal(size=20 * CHUNK).tolist()
    many = points([NOW + 1 + i for i in range(len(noise))], noise)
    with pytest.raises(sqlite3.OperationalError):
        store.add({"p": many}, NOW, offset=2)
    assert (store.archived("p"), all_of(store)) == (1, ([NOW], [1.0]))
    db.execute("PRAGMA max_page_count = 1000000")
    store.add({"p": many}, NOW, offset=2)
    assert (store.archived("p"), all_of(store)[1]) == (2, [1.0, *noise])
