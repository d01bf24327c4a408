"""Samples whose time is not that of their arrival: queries and replays have each once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rover.archive.database import RecordedArchive
from rover.missions import Snapshot, record
from rover.schema import migrate
from rover.telemetry.history import History
from rover.telemetry.past import Past
from rover.telemetry.shown import Newest, Shown, newest_shown, shown, shown_ends
from sources.base import Sample

if TYPE_CHECKING:
    from pathlib import Path

T = 1_790_000_000.0
HOUR, YEAR = 3600.0, 365.25 * 86_400

CLOCKS = [0.0, 0.4, -0.9, 6 * HOUR, 30 * YEAR, -200.0, -30 * YEAR, 1.5]
"""Seconds by which each of some devices is ahead."""


class Sent(NamedTuple):
    """A sample, with its number and the time of its arrival."""

    n: int
    at: float
    sample: Sample
    late: bool

    @property
    def is_prompt(self) -> bool:
        return abs(self.at - self.sample.t) <= 1.0

    @property
    def shown(self) -> Shown:
        if self.is_prompt:
            return Shown(self.sample.t, self.sample, late=False)
        return Shown(self.at, self.sample, self.late)


def fill(history: History, count: int, *, first: int = 0) -> list[Sent]:
    """Add a sample of one of the devices each second."""
    sent = []
    for n in range(first, first + count):
        device = n * 7 % len(CLOCKS)
        at = T + n
        sample = Sample(at + CLOCKS[device], {"n": n, f"device{device}": float(n)})
        sent.append(Sent(n, at, sample, late=n % 3 == 0))
        history.add(sample, late=sent[-1].late, offset=n + 1, at=at)
    return sent


def filled(count: int, archived: int) -> tuple[History, list[Sent]]:
    history = History()
    sent = fill(history, archived)
    history.archive()
    return history, sent + fill(history, count - archived, first=archived)


def shown_of(sent: list[Sent]) -> list[Shown]:
    return sorted((one.shown for one in sent), key=lambda one: one.t)


def by_time(sent: list[Sent]) -> list[int]:
    return [one.n for one in sorted(sent, key=lambda one: one.sample.t)]


def numbers(past: Past, *args: Any) -> list[int]:
    """The values of `n` in the order of a query."""
    return [n for table in past.tables(*args) for n in table.as_columns({"n"})["n"]]


@pytest.mark.parametrize("archived", [0, 900, 3000])
def test_a_query_has_each_sample_at_its_own_time_and_a_replay_at_its_arrival(archived: int) -> None:
    history, sent = filled(3000, archived)
    assert numbers(history) == by_time(sent)
    assert numbers(history, T + 29 * YEAR, T + 31 * YEAR) == [
        one.n for one in sent if one.sample.t > T + 29 * YEAR
    ]
    assert list(shown(history, -inf, inf)) == shown_of(sent)
    assert [one.sample.values["n"] for one in shown(history, T + 100, T + 2000, ["n"])] == [
        one.sample.values["n"] for one in shown_of(sent) if T + 100 <= one.t < T + 2000
    ]
    assert shown_ends(history) == (shown_of(sent)[0].t, shown_of(sent)[-1].t)
    names = {"n", *(f"device{n}" for n in range(len(CLOCKS)))}
    assert set(history.names) == history.kinds().keys() == names


@pytest.mark.parametrize("archived", [0, 500])
def test_a_moment_has_the_newest_value_that_had_arrived_and_was_not_late(archived: int) -> None:
    history, sent = filled(500, archived)
    expected: dict[str, Newest] = {}
    for one in sorted(sent, key=lambda one: one.shown.t):
        if one.shown.t < T + 333.5 and not one.late:
            for name, value in one.sample.values.items():
                expected[name] = Newest(one.shown.t, one.sample.t, value)
    assert newest_shown(history, T + 333.5) == expected


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.0, 0.5, HOUR, -HOUR]), st.booleans(), st.booleans()),
        max_size=40,
    ),
    st.integers(0, 40),
)
@settings(max_examples=60)
def test_samples_of_one_time_or_arrival_are_all_kept(
    steps: list[tuple[float, bool, bool]], archived: int
) -> None:
    """Clocks of whole seconds, a clock that stands still, and several samples at one arrival."""
    history, at = History(), T
    sent: list[tuple[float, str, int]] = []
    for n, (ahead, stands_still, waits) in enumerate(steps):
        at += 1.0 if waits else 0.0
        t, name = T - 5 * HOUR if stands_still else at + ahead, "ab"[n % 2]
        history.add(Sample(t, {name: n}), at=at, offset=n + 1)
        sent.append((t, name, n))
        if n == archived:
            history.archive()
            history.add(Sample(t, {name: n}), at=at, offset=n + 1)  # again, after a restart
    queried: list[tuple[float, str, int]] = []
    for table in history.tables():
        columns = table.as_columns({"a", "b"})
        for name in {"a", "b"} & columns.keys():
            pairs = zip(columns["t"], columns[name], strict=True)
            queried += [(t, name, n) for t, n in pairs if n is not None]
    assert sorted(queried) == sorted(sent)
    replayed = list(shown(history, -inf, inf))
    assert sorted(
        (one.sample.t, name, cast("int", n))
        for one in replayed
        for name, n in one.sample.values.items()
    ) == sorted(sent)
    assert [one.t for one in replayed] == sorted(one.t for one in replayed)


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
    assert numbers(whole) == by_time(sent)

    since, until = T + 400, T + 700
    part = recorded(folder, tmp_path / "part.rover", since, until)
    measured = {one.n for one in sent if since <= one.sample.t < until}
    received = {one.n for one in sent if since <= one.shown.t < until}
    assert received - measured
    assert measured - received
    assert sorted(numbers(part)) == sorted(measured | received)
    replayed = {one.sample.values["n"]: one for one in shown(part, -inf, inf)}
    assert replayed.keys() == measured | received
    for n in received:
        assert replayed[n] == sent[n].shown
    for n in measured - received:
        assert replayed[n].t == sent[n].sample.t
