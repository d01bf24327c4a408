"""Exports: every value is exactly the same in the file, in each format."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

import duckdb
import mcap.reader
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover.exports import FORMATS, PIECE_BYTES, Aligner, export, writer_of
from rover.exports.columns import exact_iso, exact_posix, exact_text, nanoseconds
from rover.telemetry.history import History
from sources.base import Sample

if TYPE_CHECKING:
    from pathlib import Path

    from rover.telemetry.past import Past

T = 1_790_000_000.0


def mission() -> History:
    """Samples of all types, 3,000 of them archived, some late or without some values."""
    noise = random.Random(1)
    history = History()
    for n in range(4000):
        values: dict[str, Any] = {
            "speed": noise.random(),
            "count": n,
            "big": 2**62 + n,
            "mode": ["", "drive", 'a "quote", and\nline', "ütf"][n % 4],
            "on": n % 2 == 0,
            "mixed": [1, 2.5, "1", True][n % 4],
            "location": {"lat": n / 1000, "lon": -n / 1000},
            "place": n / 2 if n % 5 else {"north": n / 4},
            "whole": float(n),
            "wheel": {"x": 2**62 + n, "y": [2**62 + n, 0.5][n % 2]},
        }
        if n % 7 == 0:
            del values["speed"]
        history.add(Sample(T + n / 8, values), late=n % 100 == 0)
        if n == 3000:
            history.archive()
    return history


def expected(history: Past) -> list[dict[str, Any]]:
    return [
        {"t": t, "late": late, **{name: value for name, value in row.items() if value is not None}}
        for table in history.tables()
        for columns in [table.as_columns()]
        for t, late, row in zip(
            columns.pop("t"),
            columns.pop("late"),
            [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
            strict=True,
        )
    ]


def exported(history: Past, file_format: str, align: Aligner | None = None) -> bytes:
    return b"".join(export(history.tables(), history.kinds(), writer_of(file_format), align))


def nested(row: dict[str, Any]) -> dict[str, Any]:
    """The row with the components of vectors as objects, and without missing values."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        parameter, _, part = name.partition(".")
        if value is None:
            continue
        if part:
            found.setdefault(parameter, {})[part] = value
        else:
            found[name] = value
    return found


@pytest.fixture(scope="module")
def history() -> History:
    return mission()


def test_json_lines_have_every_value(history: History) -> None:
    rows = [json.loads(line) for line in exported(history, "jsonl").splitlines()]
    found = [{"late": False, **row, "t": exact_posix(row["t"])} for row in rows]
    assert found == expected(history)


def test_csv_has_every_value(history: History) -> None:
    text = exported(history, "csv").decode()
    found = []
    for row in csv.DictReader(io.StringIO(text, newline="")):
        t, mode = row.pop("t"), row.pop("mode")
        values = {name: json.loads(value) for name, value in row.items() if value}
        found.append({"t": exact_posix(t), "mode": mode, **nested(values)})
    assert found == expected(history)
    assert ',"",' in text  # an empty text is not a missing value


def test_parquet_has_every_value(history: History, tmp_path: Path) -> None:
    path = tmp_path / "mission.parquet"
    path.write_bytes(exported(history, "parquet"))
    table = pq.read_table(path)
    nanoseconds = table["t"].cast("int64").to_pylist()
    found = []
    for t, row in zip(nanoseconds, table.drop(["t"]).to_pylist(), strict=True):
        row |= {name: json.loads(row[name]) for name in ("mixed", "wheel.y")}
        found.append({"t": t / 10**9, **nested(row)})
    assert found == expected(history)
    with duckdb.connect() as db:
        sql = "SELECT count(*), max(big) FROM read_parquet($path)"
        assert db.execute(sql, {"path": str(path)}).fetchone() == (4000, 2**62 + 3999)


def test_mcap_has_every_value(history: History) -> None:
    reader = mcap.reader.make_reader(io.BytesIO(exported(history, "mcap")))
    found = []
    for _, channel, message in reader.iter_messages():
        row = json.loads(message.data)
        assert (channel.topic, message.log_time / 10**9) == ("telemetry", exact_posix(row["t"]))
        found.append({"late": False, **row, "t": exact_posix(row["t"])})
    assert found == expected(history)


@pytest.mark.parametrize("file_format", FORMATS)
def test_an_export_without_values_is_a_valid_file(file_format: str, tmp_path: Path) -> None:
    data = exported(History(), file_format)
    if file_format == "parquet":
        (tmp_path / "empty").write_bytes(data)
        assert pq.read_table(tmp_path / "empty").num_rows == 0
    elif file_format == "mcap":
        assert list(mcap.reader.make_reader(io.BytesIO(data)).iter_messages()) == []
    else:
        assert data == (b"t,late\r\n" if file_format == "csv" else b"")


@given(st.floats(-6e10, 2e11).map(lambda t: round(t, 6)) | st.floats(0, 4e9))
def test_times_are_exact(t: float) -> None:
    assert nanoseconds(t) == Decimal(exact_text(t)) * 10**9
    if abs(t) >= 1e6:
        assert nanoseconds(t) / 10**9 == t
    if exact_posix(exact_iso(t)) != t:
        assert abs(exact_posix(exact_iso(t)) - t) < 1e-9  # numbers near 0 have more decimals


def test_aligned_rows_of_a_sometimes_vector_have_either_the_scalar_or_the_vector() -> None:
    history = History()
    for second, place in enumerate([1.5, {"x": 2.0, "y": 3.0}, None, {"x": 4.0}, "lost"]):
        history.add(Sample(T + second, {"place": place, "n": second}))
    lines = exported(history, "jsonl", Aligner()).splitlines()
    places = [json.loads(line)["place"] for line in lines]
    assert places == [1.5, {"x": 2.0, "y": 3.0}, {"x": 2.0, "y": 3.0}, {"x": 4.0}, "lost"]


def test_aligned_rows_have_the_newest_value_of_each_parameter() -> None:
    history = History()
    history.add(Sample(T, {"a": 1.0}))
    history.add(Sample(T + 1, {"b": "x"}))
    history.add(Sample(T + 1.5, {"a": 9.0}), late=True)
    history.add(Sample(T + 2, {"a": 2.0}))
    [table] = Aligner().tables(*history.tables())
    assert table.as_columns() == {
        "t": [T, T + 1, T + 2],
        "a": [1.0, 1.0, 2.0],
        "b": [None, "x", "x"],
        "late": [False] * 3,
    }


def test_rows_at_a_period_go_on_from_one_table_to_the_next() -> None:
    history = History()
    for n in range(3000):
        history.add(Sample(T + n / 10, {"a": float(n)} if n % 2 else {"b": n}))
        if n % 1024 == 0:
            history.archive()
    align = Aligner(0.5)
    tables = [rows for table in history.tables() for rows in align.tables(table)]
    times = [t for table in tables for t in table.t.tolist()]
    assert times == [T + n / 2 for n in range(600)]
    values = [a for table in tables for a in table.as_columns()["a"]]
    assert values[:4] == [None, 5.0, 9.0, 15.0]
    assert not any(math.isnan(value) for value in values[1:])


def test_rows_at_a_period_begin_with_earlier_values_and_have_no_gaps() -> None:
    history = History()
    history.add(Sample(T - 600, {"mode": "drive", "place": {"x": 1.0}}))
    history.add(Sample(T - 30, {"a": 1.5, "big": 2**53 + 1}))
    history.archive()
    history.add(Sample(T + 290, {"b": 7}))
    align = Aligner(60)
    align.begin(T, history.tables_before(T))
    tables = [*history.tables(T)]
    history.add(Sample(T + 500, {"a": 2.5}))
    tables += history.tables(T + 300)
    rows = [rows for table in tables for rows in align.tables(table)]
    times = [t for table in rows for t in table.t.tolist()]
    assert times == [math.ceil(T / 60) * 60 + 60 * n for n in range(8)]
    columns = [table.as_columns() for table in rows]
    found = {name: [v for one in columns for v in one[name]] for name in columns[0]}
    assert found["a"] == [1.5] * 8
    assert found["b"] == [None] * 5 + [7] * 3  # the fifth row is at T + 280
    assert found["mode"] == ["drive"] * 8
    assert found["place"] == [{"x": 1.0}] * 8
    assert found["big"] == [2**53 + 1] * 8


def test_rows_of_a_long_gap_come_in_tables_of_a_limited_size() -> None:
    history = History()
    for t in (T, T + 86_400):
        history.add(Sample(t, {"a": 1.0}))
    tables = Aligner(0.5).tables(*history.tables())
    assert max(len(table.t) for table in tables) < 20_000


@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
@pytest.mark.parametrize("period_s", [None, 0.001])
def test_the_pieces_of_an_export_have_a_limited_size(
    file_format: str, period_s: float | None
) -> None:
    history = History()
    for n in range(12):
        history.add(Sample(T + n / 10, {"text": str(n) * 200_000, "a": float(n)}))
    align = None if period_s is None else Aligner(period_s)
    pieces = export(history.tables(), history.kinds(), writer_of(file_format), align)
    sizes = [len(piece) for piece in islice(pieces, 20)]
    assert len(sizes) > 2
    assert max(sizes) < 2 * PIECE_BYTES
