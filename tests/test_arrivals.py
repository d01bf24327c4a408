"""Samples whose time is not that of their arrival: queries and replays have each once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rover.archive.database import RecordedArchive
from rover.missions import Snapshot, record
from rover.schema import migrate
from rover.telemetry.arrivals import Newest, Shown, newest_shown, shown
from rover.telemetry.history import History
from rover.telemetry.past import Past
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

T = 1_790_000_000.0
HOUR, YEAR = 3600.0, 365.25 * 86_400

CLOCKS = [0.0, 0.4, -0.9, 6 * HOUR, 30 * YEAR, -20 * 60.0, -30 * YEAR, 1.5]
"""Seconds by which a device is ahead."""


def fill(history: History, count: int, *, first: int = 0) -> list[tuple[float, Sample, bool]]:
    """Add a sample of one of several devices each second; returns arrivals, samples and flags."""
    sent = []
    for n in range(first, first + count):
        device = n * 7 % len(CLOCKS)
        at, late = T + n, n % 3 == 0
        sample = Sample(at + CLOCKS[device], {"n": n, f"device{device}": float(n)})
        history.add(sample, late=late, offset=n + 1, at=at)
        sent.append((at, sample, late))
    return sent


def shown_of(sent: Iterable[tuple[float, Sample, bool]]) -> list[Shown]:
    found = []
    for at, sample, late in sent:
        is_prompt = abs(at - sample.t) <= 1.0
        found.append(Shown(sample.t if is_prompt else at, sample, late and not is_prompt))
    return sorted(found, key=lambda one: one.t)


def numbers(past: Past, *args: Any) -> list[int]:
    """The values of `n` in the order of queries."""
    return [n for table in past.tables(*args) for n in table.as_columns({"n"})["n"]]


@pytest.mark.parametrize("archived", [0, 900, 3000])
def test_a_query_has_each_sample_at_its_own_time_and_a_replay_at_its_arrival(archived: int) -> None:
    history = History()
    sent = fill(history, archived)
    history.archive()
    sent += fill(history, 3000 - archived, first=archived)
    by_time = sorted(sent, key=lambda one: one[1].t)
    assert numbers(history) == [sample.values["n"] for _, sample, _ in by_time]
    ahead = T + 29 * YEAR, T + 31 * YEAR
    assert numbers(history, *ahead) == [n for n in range(3000) if CLOCKS[n * 7 % 8] == 30 * YEAR]
    assert list(shown(history, -inf, inf)) == shown_of(sent)
    part = T + 100, T + 2000
    assert list(shown(history, *part, ["n"])) == [
        one._replace(sample=Sample(one.sample.t, {"n": one.sample.values["n"]}))
        for one in shown_of(sent)
        if part[0] <= one.t < part[1]
    ]
    ends = shown_of(sent)[0].t, shown_of(sent)[-1].t
    assert history.shown_ends() == ends
    assert set(history.names) == {"n", *(f"device{n}" for n in range(len(CLOCKS)))}
    assert history.kinds().keys() == set(history.names)
    assert len(query_rows(history, 10**6)) == 3000


def query_rows(history: History, max_points: int) -> list[float]:
    series = history.load(max_points=max_points).series["n"]
    return [] if series is None else series.t.tolist()


@pytest.mark.parametrize("archived", [0, 500])
def test_a_moment_has_the_newest_value_that_had_arrived(archived: int) -> None:
    history = History()
    sent = fill(history, archived)
    history.archive()
    sent += fill(history, 500 - archived, first=archived)
    moment = T + 333.5
    expected: dict[str, Newest] = {}
    for t, sample, late in shown_of(sent):
        if t < moment and not late:
            expected |= {name: Newest(t, sample.t, one) for name, one in sample.values.items()}
    found = newest_shown(history, moment)
    devices = {name: one for name, one in found.items() if name != "n"}
    was_late = {f"device{n}" for n in range(8) if abs(CLOCKS[n]) > 0.9}
    assert {n: one for n, one in devices.items() if n in was_late} == {
        n: one for n, one in expected.items() if n in was_late
    }
    assert found["n"].shown_at == expected["n"].shown_at


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.0, 0.5, HOUR, -HOUR]), st.booleans(), st.booleans()),
        max_size=40,
    ),
    st.integers(0, 40),
)
@settings(max_examples=60, deadline=None)
def test_samples_of_one_time_or_arrival_are_all_kept(
    steps: list[tuple[float, bool, bool]], archived: int
) -> None:
    """Clocks of whole seconds, a stopped clock, and several samples at one arrival."""
    history, sent, at = History(), [], T
    for n, (ahead, stops, waits) in enumerate(steps):
        at += 1.0 if waits else 0.0
        sample = Sample(T - 5 * HOUR if stops else at + ahead, {"ab"[n % 2]: n})
        history.add(sample, at=at, offset=n + 1)
        sent.append(sample)
        if n == archived:
            history.archive()
            history.add(sample, at=at, offset=n + 1)  # again, after a restart
    key = "a", "b"
    expected = sorted((one.t, *one.values.items()) for one in sent)
    rows = [
        (table.t[row].item(), (name, columns[name][row]))
        for table in history.tables()
        for columns in [table.as_columns({"a", "b"})]
        for row in range(len(table.t))
        for name in key
        if name in columns and columns[name][row] is not None
    ]
    assert sorted(rows) == expected
    again = [
        (one.sample.t, item)
        for one in shown(history, -inf, inf)
        for item in one.sample.values.items()
    ]
    assert sorted(again) == expected
    arrivals = [one.t for one in shown(history, -inf, inf)]
    assert arrivals == sorted(arrivals)


def recorded(folder: Path, file: Path, since: float | None, until: float | None) -> Past:
    with Snapshot(folder) as mission:
        record(mission, file, since, until)
    db = sqlite3.connect(file)
    past = Past([], RecordedArchive(db))
    past.read_names()
    return past


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with 1,000 samples in its archive."""
    data = tmp_path / "data"
    data.mkdir()
    with closing(sqlite3.connect(data / "mission.db", isolation_level=None)) as db:
        migrate(db, 0)
    history = History(path=data / "mission.db")
    fill(history, 1000)
    history.archive()
    history.close()
    return data


def test_a_recorded_file_has_what_was_measured_or_received_in_its_range(
    folder: Path, tmp_path: Path
) -> None:
    sent = fill(History(), 1000)
    whole = recorded(folder, tmp_path / "whole.rover", None, None)
    assert list(shown(whole, -inf, inf)) == shown_of(sent)
    assert numbers(whole) == [s.values["n"] for _, s, _ in sorted(sent, key=lambda one: one[1].t)]

    since, until = T + 400, T + 700
    part = recorded(folder, tmp_path / "part.rover", since, until)
    measured = {s.values["n"] for _, s, _ in sent if since <= s.t < until}
    received = {one.sample.values["n"] for one in shown_of(sent) if since <= one.t < until}
    assert sorted(numbers(part)) == sorted(measured | received)
    replayed = list(shown(part, -inf, inf))
    assert sorted(one.sample.values["n"] for one in replayed) == sorted(measured | received)
    assert all(since <= one.t < until for one in replayed)
    assert {one.sample.values["n"] for one in replayed if one.t == one.sample.t} >= (
        measured - received
    )
    assert measured - received
    assert received - measured
