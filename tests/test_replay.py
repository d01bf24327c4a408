"""Replay: what is read from a file, and when each row is emitted."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import os
from contextlib import aclosing
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.base import RESERVED, Paced, Sample, SourceError, Value
from sources.registry import open_source
from sources.replay import ReplayTelemetry
from sources.replay.clock import find_clock
from sources.replay.columns import split_unit
from sources.values.cells import form_of
from sources.values.times import find_timestamp, parse_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Write = Callable[..., Path]

pytestmark = pytest.mark.anyio

START = 1_000_000.0


class Time:
    """A clock that moves when somebody sleeps, and by itself not at all."""

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, duration_s: float) -> None:
        self.slept.append(duration_s)
        if duration_s == math.inf:
            await anyio.sleep_forever()
        self.now += duration_s
        await anyio.lowlevel.checkpoint()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "drive.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


async def played(
    path: Path, count: int | None = None, *, at: Time | None = None, **options: Any
) -> list[Sample]:
    """The first samples of a replay, one whole round unless said otherwise."""
    at = at or Time()
    source = ReplayTelemetry(path, clock=at.clock, sleep=at.sleep, **options)
    wanted = source.rows if count is None else count
    got: list[Sample] = []
    async with aclosing(source.samples()) as samples:  # type: ignore[type-var]  # a generator
        while len(got) < wanted:
            got.append(await anext(samples))
    return got


def kinds(path: Path, **options: Any) -> dict[str, str]:
    return {p.name: p.kind for p in ReplayTelemetry(path, **options).parameters}


def column(samples: Sequence[Sample], name: str) -> list[Value]:
    return [sample.values[name] for sample in samples]


# ------------------------------------------------------------------------------- real input


async def test_the_weather_of_mars_is_replayed_from_the_first_sol_on(shared_data: Path) -> None:
    path = shared_data / "telemetry" / "mars-weather.csv"
    time = Time()
    samples = await played(path, at=time, speed=86400)

    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(samples) == len(rows) == 1894
    assert column(samples, "terrestrial_date") == [row["terrestrial_date"] for row in rows[::-1]]
    assert samples[0].values == {
        "id": 1,
        "terrestrial_date": "2012-08-07",
        "sol": 1,
        "ls": 150,
        "month": "Month 6",
        "min_temp": None,
        "max_temp": None,
        "pressure": None,
        "wind_speed": None,
        "atmo_opacity": "Sunny",
    }
    assert samples[-1].values["min_temp"] == -77
    assert column(samples, "pressure").count(None) == 27
    assert set(column(samples, "wind_speed")) == {None}
    # 2,030 days from the first to the last row, a day a second
    assert samples[0].t == START
    assert samples[-1].t == pytest.approx(START + 2030)
    assert [s.t for s in samples] == sorted(s.t for s in samples)


async def test_the_weather_of_mars_has_a_dictionary(shared_data: Path) -> None:
    path = shared_data / "telemetry" / "mars-weather.csv"
    assert kinds(path) == {
        "id": "integer",
        "terrestrial_date": "text",
        "sol": "integer",
        "ls": "integer",
        "month": "text",
        "min_temp": "integer",
        "max_temp": "integer",
        "pressure": "integer",
        "wind_speed": "number",
        "atmo_opacity": "text",
    }
    assert ReplayTelemetry(path, speed=86400).period_s == 1.0


async def test_a_drive_is_timed_by_the_names_of_its_images(shared_data: Path) -> None:
    path = shared_data / "telemetry" / "rover-drive.csv"
    samples = await played(path)
    with path.open() as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert len(samples) == len(rows) == 283
    for name in rows[0]:
        read = str if name == "Path" else float
        assert column(samples, name) == [read(row[name]) for row in rows]
    assert samples[0].values["Path"].endswith("robocam_2017_05_02_11_16_21_421.jpg")  # type: ignore[union-attr]
    assert samples[-1].t - samples[0].t == pytest.approx(34.842 - 21.421, abs=1e-5)
    assert all(0.03 < b.t - a.t < 0.07 for a, b in pairwise(samples))


async def test_a_drive_may_be_timed_by_a_rate_instead(shared_data: Path) -> None:
    samples = await played(shared_data / "telemetry" / "rover-drive.csv", rate_hz=20)
    assert samples[-1].t - samples[0].t == pytest.approx(282 / 20)


async def test_it_is_opened_by_url_and_paced(shared_data: Path) -> None:
    path = shared_data / "telemetry" / "rover-drive.csv"
    source = open_source("telemetry", f"replay:{path}?speed=2&loop=no&time=path")
    assert isinstance(source, Paced)
    assert source.period_s == pytest.approx(0.024, abs=1e-6)


# ---------------------------------------------------------------------------------- dialects

_numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8).map(
    lambda text: f"x{text.strip()}y"
)
_rows = st.lists(
    st.tuples(_numbers, st.integers(-(10**12), 10**12), st.booleans(), _texts | st.none()),
    min_size=1,
    max_size=8,
)


@given(
    rows=_rows,
    delimiter=st.sampled_from(",;\t|"),
    decimal=st.sampled_from(".,"),
    ending=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    missing=st.sampled_from(["", "NaN", "null", "N/A"]),
    last_ending=st.booleans(),
)
async def test_a_table_in_any_dialect_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[float, int, bool, str | None]],
    delimiter: str,
    decimal: str,
    ending: str,
    bom: bool,
    quoting: Any,
    missing: str,
    last_ending: bool,
) -> None:
    if delimiter == "," and decimal == ",":
        decimal = "."
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=quoting)
    writer.writerow(["number", "whole", "flag", "note"])
    for number, whole, flag, note in rows:
        writer.writerow(
            [f"{number!r}".replace(".", decimal), whole, flag, missing if note is None else note]
        )
    written = text.getvalue() if last_ending else text.getvalue().removesuffix(ending)
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + written.encode())

    source = ReplayTelemetry(path, rate_hz=1)
    got = source._recording.read(0, source.rows)

    assert [tuple(values.values()) for values in got] == rows
    assert source.skipped == 0


@given(
    rows=st.lists(
        st.dictionaries(
            st.text(st.characters(codec="ascii", categories=["L"]), min_size=2, max_size=4),
            _numbers | _texts | st.booleans() | st.none(),
        ),
        min_size=1,
        max_size=6,
    )
)
async def test_json_lines_keep_every_value(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("table") / "table.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = ReplayTelemetry(path, rate_hz=1)
    got = source._recording.read(0, source.rows)
    for values, row in zip(got, rows, strict=True):
        for key, value in row.items():
            name = f"{key}_recorded" if key in RESERVED else key
            # a column of many kinds is text
            assert values[name] == value or values[name] == json.dumps(value)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("a;b\n1,5;2\n2,5;3\n", {"a": 1.5, "b": 2}),
        ("Temp, mean;Pressure, mean\n1,5;2,5\n2,5;3,5\n", {"Temp mean": 1.5, "Pressure mean": 2.5}),
        ("a\n1,5\n2,5\n", {"a": 1.5}),
        ("a,b\n1,x;y\n2,z;w\n", {"a": 1, "b": "x;y"}),
        ("date time,v\n2020-01-01 00:00:00,5\n", {"date time": "2020-01-01 00:00:00", "v": 5}),
        ("a, b\n1, 2\n", {"a": 1, "b": 2}),
        ("a;b;\n1;2;\n3;4;\n", {"a": 1, "b": 2}),
        ('a,b\n1,"two\nlines"\n', {"a": 1, "b": "two\nlines"}),
        ('a,b\n"1,234",2\n', {"a": "1,234", "b": 2}),
        ("1;2\n3;4\n", {"c1": 1, "c2": 2}),
        ("# logged by hand\n# a, b\n1,2\n", {"a": 1, "b": 2}),
        ("# logged by hand\na,b\n1,2\n", {"a": 1, "b": 2}),
        ("a,a,t,t\n1,2,3,3\n4,5,6,6\n", {"a": 1, "a_2": 2, "t_recorded": 3, "t_2": 3}),
        (b"temp,unit\n20,\xb0C\n", {"temp": 20, "unit": "°C"}),
        ("temp,unit\n20,°C\n", {"temp": 20, "unit": "°C"}),
        ("\n\na,b\n\n1,2\n\n", {"a": 1, "b": 2}),
    ],
)
async def test_a_dialect_is_found(
    write: Write, content: str | bytes, values: dict[str, Value]
) -> None:
    assert (await played(write(content), 1))[0].values == values


@pytest.mark.parametrize(
    ("content", "options", "values"),
    [
        ("a b\n1 2\n", {"delimiter": "space"}, {"a": 1, "b": 2}),
        ("a:b\n1:2\n", {"delimiter": ":"}, {"a": 1, "b": 2}),
        ('a,b\n"1,5","2,5"\n', {"decimal": ","}, {"a": 1.5, "b": 2.5}),
        ("a;b\n1,5;2\n", {"decimal": "."}, {"a": "1,5", "b": 2}),
        ("boot,ok\nhalt,bad\n", {"header": False}, {"c1": "boot", "c2": "ok"}),
        ("s,1,2\n5,6,7\n", {"header": True}, {"s": 5, "1": 6, "2": 7}),
    ],
)
async def test_an_option_overrules_the_guess(
    write: Write, content: str, options: dict[str, Any], values: dict[str, Value]
) -> None:
    assert (await played(write(content), 1, **options))[0].values == values


# -------------------------------------------------------------------------- what cells hold


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "2", "-"], "integer", [1, 2, None]),
        (["1", "2.5", "NaN"], "number", [1.0, 2.5, None]),
        (["1", "inf", "1e400"], "number", [1.0, None, None]),
        (["true", "FALSE", ""], "boolean", [True, False, None]),
        (["NA", "none", "ok"], "text", ["NA", "none", "ok"]),
        (["1_000", "2", "3"], "text", ["1_000", "2", "3"]),
        (["1.5", "1,5", "2"], "text", ["1.5", "1,5", "2"]),
        (["9" * 30, "1", "2"], "number", [1e30, 1.0, 2.0]),
        (["", "", ""], "number", [None, None, None]),
    ],
)
async def test_a_column_has_one_kind(
    write: Write, cells: list[str], kind: str, values: list[Value]
) -> None:
    path = write("i;a\n" + "".join(f"{i};{cell}\n" for i, cell in enumerate(cells)))
    assert kinds(path)["a"] == kind
    got = column(await played(path), "a")
    assert got == values
    assert [type(value) for value in got] == [type(value) for value in values]


async def test_a_few_cells_that_do_not_fit_are_not_measured_and_are_told(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    cells = [*map(str, range(40)), "ERR", "OVR"]
    path = write("a,b\n" + "".join(f"{cell},1\n" for cell in cells))
    assert kinds(path)["a"] == "integer"
    assert "in column 'a' 2 cells are no integer (the first is 'ERR' in line 42)" in caplog.text
    assert column(await played(path), "a")[-3:] == [39, None, None]


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [
        ("speed (m/s)", "speed", "m/s"),
        ("speed [m/s]", "speed", "m/s"),
        ("temp(°C)", "temp", "°C"),
        ("g [m/s^2]", "g", "m/s^2"),
        ("flux (W/m²)", "flux", "W/m²"),
        ("count (total)", "count (total)", ""),
        ("run (2)", "run (2)", ""),
        ("[m]", "[m]", ""),
        ("temp_C", "temp_C", ""),
    ],
)
def test_a_unit_is_taken_from_brackets(header: str, name: str, unit: str) -> None:
    assert split_unit(header) == (name, unit)


async def test_nested_json_becomes_vectors_and_dotted_names(write: Write) -> None:
    rows = [
        {"location": None, "bus": {"volts": 28.1, "mode": "sun"}, "n": [1, 2], "one": {"x": 1}},
        {"location": {"lat": 18.4, "lon": 77}, "bus": {"volts": 27.9, "mode": None}, "new": True},
        {"location": {"lat": None, "lon": None}, "deep": {"x": 1, "y": 2, "z": {"u": 3, "v": 4}}},
        {"location": {"lat": 18.5, "lon": math.nan}},
    ]
    path = write("".join(json.dumps(row) + "\n" for row in rows), "log.jsonl")
    assert kinds(path) == {
        "location": "vector",
        "bus.volts": "number",
        "bus.mode": "text",
        "n": "vector",
        "one.x": "integer",
        "new": "boolean",
        "deep.x": "integer",
        "deep.y": "integer",
        "deep.z": "vector",
    }
    samples = await played(path)
    assert column(samples, "location") == [None, {"lat": 18.4, "lon": 77.0}, None, {"lat": 18.5}]
    assert column(samples, "bus.volts") == [28.1, 27.9, None, None]
    assert column(samples, "bus.mode") == ["sun", None, None, None]
    assert column(samples, "n") == [{"0": 1.0, "1": 2.0}, None, None, None]
    assert column(samples, "new") == [None, True, None, None]
    assert column(samples, "deep.z") == [None, None, {"u": 3.0, "v": 4.0}, None]


# ------------------------------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86400),
        ("1970-01-01T00:00:01.5Z", 1.5),
        ("1970-01-01 02:00:00+02:00", 0),
        ("1970-01-01 00:00:09 UTC", 9),
        ("1970/01/01 00:01", 60),
        ("1970-002T00:00:01", 86401),
        ("02.01.1970 00:00:01", 86401),
        ("01/02/1970", None),
        ("19700101", None),
        ("1970-13-01", None),
        ("1970-400T00:00:00", None),
        ("12:00:00", None),
        ("", None),
    ],
)
def test_a_moment_is_read(text: str, seconds: float | None) -> None:
    assert parse_datetime(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("IMG/robocam_1970_01_02_00_00_01_250.jpg", 86401.25),
        ("19700101-000002.png", 2),
        ("frame_1970-01-01T00:00:03", 3),
        ("frame_1970_01_01.png", None),
        ("frame_1970_13_01_00_00_00.png", None),
        ("a_1970_01_01_00_00_00_b_1970_01_01_00_00_01", None),
    ],
)
def test_a_stamp_is_found_in_a_text(text: str, seconds: float | None) -> None:
    assert find_timestamp(text) == seconds


@pytest.mark.parametrize(
    ("header", "cells", "clock"),
    [
        ("v,when", ["1,2020-01-01", "2,2020-01-02"], ("when", "date", 1)),
        (
            "v,sent,time",
            ["1,2020-01-01,2020-01-03", "2,2020-01-02,2020-01-04"],
            ("time", "date", 1),
        ),
        ("time,v", ["0.00,1", "0.05,1"], ("time", "number", 1)),
        ("time [ms],v", ["0,1", "50,1"], ("time [ms]", "number", 1e-3)),
        ("time_us,v", ["0,1", "50,1"], ("time_us", "number", 1e-6)),
        ("gpsTime,v", ["1700000000,1", "1700000001,1"], ("gpsTime", "number", 1)),
        ("ts,v", ["1700000000000,1", "1700000001000,1"], ("ts", "number", 1e-3)),
        ("ts,v", ["1700000000000000,1", "1700000001000000,1"], ("ts", "number", 1e-6)),
        ("ts,v", ["1700000000000000000,1", "1700000001000000000,1"], ("ts", "number", 1e-9)),
        ("response_time,v", ["5,1", "3,1", "4,1"], None),
        ("voltage,v", ["1,1", "2,1"], None),
        ("day,v", ["2020-01-01,1", "2020-01-01,1"], None),
        ("f,v", ["a_2020_01_01_00_00_00,1", "a_2020_01_01_00_00_01,1"], ("f", "stamp", 1)),
        ("f,v", ["a_2020_01_01_00_00_00,1", "none,1"], None),
    ],
)
def test_the_clock_of_a_table_is_found(
    header: str, cells: list[str], clock: tuple[str, str, float] | None
) -> None:
    names = header.split(",")
    found = find_clock([dict(zip(names, row.split(","), strict=True)) for row in cells])
    assert (found and (found.column, found.reading, found.scale_s)) == clock


async def test_a_column_is_made_the_clock(write: Write) -> None:
    path = write("a,Shot at [s]\nx,10\ny,11\nz,14\n")
    assert [s.t - START for s in await played(path, time="shot AT")] == [0, 1, 4]


async def test_without_a_clock_a_row_a_second_is_assumed_and_told(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    path = write("a,b\n1,2\n3,4\n")
    assert [s.t - START for s in await played(path)] == [0, 1]
    assert "one row a second is assumed; set ?time=COLUMN or ?rate_hz=" in caplog.text


async def test_a_stamp_that_is_missing_further_down_is_no_clock(write: Write) -> None:
    stamps = [f"2020_01_01_00_{i // 60:02}_{i % 60:02}" for i in range(300)]
    path = write("f,v\n" + "".join(f"img_{stamp},1\n" for stamp in stamps) + "dark,1\n")
    source = ReplayTelemetry(path)
    assert (source.rows, source.skipped) == (301, 0)


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [2, 0, 3, 1], [0, 1, 2, 3]])
async def test_rows_are_replayed_by_time(write: Write, order: list[int]) -> None:
    texts = ["été", "two\nlines", "three", "vier"]
    path = write("t;n\n" + "".join(f'2020-01-0{i + 1};"{texts[i]}"\n' for i in order))
    samples = await played(path, speed=86400)
    assert column(samples, "n") == texts
    assert [s.t - START for s in samples] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("times", "order"), [("112", "abc"), ("211", "cba"), ("121", "acb")], ids=str
)
async def test_rows_of_one_time_keep_their_order(write: Write, times: str, order: str) -> None:
    rows = zip(times, "abc", strict=True)
    path = write("time,n\n" + "".join(f"{t},{n}\n" for t, n in rows))
    assert "".join(map(str, column(await played(path, time="time"), "n"))) == order


# ------------------------------------------------------------------------------------ pacing


async def test_the_spacing_is_kept_and_the_speed_divides_it(write: Write) -> None:
    path = write("t,v\n100,1\n101,2\n105,3\n105,4\n")
    samples = await played(path, speed=2)
    assert [s.t - START for s in samples] == [0, 0.5, 2.5, 2.5]
    assert column(samples, "t_recorded") == [100, 101, 105, 105]


async def test_it_begins_anew_after_the_last_row(write: Write) -> None:
    path = write("t,v\n0,1\n1,2\n2,3\n")
    samples = await played(path, 7)
    assert column(samples, "v") == [1, 2, 3, 1, 2, 3, 1]
    assert [s.t - START for s in samples] == [0, 1, 2, 3, 4, 5, 6]


async def test_without_loop_it_stays_quiet_and_does_not_end(write: Write) -> None:
    time = Time()
    path = write("t,v\n0,1\n1,2\n")
    with anyio.move_on_after(0.2) as scope:
        await played(path, 3, at=time, loop=False)
    assert scope.cancelled_caught
    assert time.slept == [0, 1, math.inf]


async def test_one_row_alone_comes_every_second(write: Write) -> None:
    assert [s.t - START for s in await played(write("t,v\n5,1\n"), 3)] == [0, 1, 2]


@pytest.mark.parametrize("jump_s", [3600, -3600])
async def test_a_jump_of_the_wall_clock_neither_rushes_nor_stalls(
    write: Write, jump_s: float
) -> None:
    time = Time()
    path = write("t,v\n0,1\n1,2\n2,3\n3,4\n")
    source = ReplayTelemetry(path, clock=time.clock, sleep=time.sleep)
    samples = source.samples()
    got = [await anext(samples), await anext(samples)]
    time.now += jump_s
    got += [await anext(samples), await anext(samples)]
    assert all(duration_s <= 1 for duration_s in time.slept)
    # late by an hour: the next comes now. Early by an hour: after its own gap
    first = START + 1 + jump_s + (0 if jump_s > 0 else 1)
    assert [s.t for s in got[2:]] == [first, first + 1]


async def test_a_reader_a_little_late_is_given_the_recorded_spacing(write: Write) -> None:
    time = Time()
    path = write("t,v\n0,1\n1,2\n2,3\n")
    source = ReplayTelemetry(path, clock=time.clock, sleep=time.sleep)
    ts: list[float] = []
    async with aclosing(source.samples()) as samples:  # type: ignore[type-var]  # a generator
        while len(ts) < 3:
            ts.append((await anext(samples)).t - START)
            time.now += 0.3
    assert ts == [0, 1, 2]


async def test_more_rows_than_a_batch_are_all_there(write: Write) -> None:
    path = write("t,v\n" + "".join(f"{i},{i * i}\n" for i in range(1000)))
    assert column(await played(path), "v") == [i * i for i in range(1000)]


@pytest.mark.parametrize(
    ("times", "period_s"), [("0 1 2 9", 1), ("0 0 0 9", 3), ("4 4 4", 1), ("4", 1)]
)
async def test_the_period_is_the_usual_spacing(write: Write, times: str, period_s: float) -> None:
    path = write("time,v\n" + "".join(f"{t},1\n" for t in times.split()))
    assert ReplayTelemetry(path, time="time").period_s == period_s


# ---------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("content", "options", "told"),
    [
        ("", {}, "drive.csv holds no rows"),
        ("a,b\n", {}, "drive.csv holds no row that can be replayed"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", {}, "drive.csv is a binary file"),
        ("a,b\n1,2\n".encode("utf-16"), {}, "drive.csv is UTF-16; save it as UTF-8"),
        ('[{"a": 1}]', {}, "is one JSON array; write one object a line"),
        ("a,b\r1,2\r", {}, "end in CR alone"),
        ("x" * 2_000_000, {}, "line 1 of drive.csv is over 1 MiB long"),
        (",".join(f"n{i}" for i in range(1001)), {}, "has 1001 columns; 1000 are the limit"),
        (json.dumps(dict.fromkeys(map(str, range(1001)), 1)), {}, "more than 1000 columns"),
        ("a,b\n1,2\n", {"time": "c"}, "has no column 'c' to take the time from; it has a, b"),
        ("a,b\nx,2\n", {"time": "a"}, "the column 'a' of drive.csv tells no time: its first cell"),
        ("a,b\n1,2\n", {"speed": 0}, "speed=0: "),
        ("a,b\n1,2\n", {"speed": math.nan}, "speed=nan: "),
        ("a,b\n1,2\n", {"rate_hz": -1}, "rate_hz=-1: "),
        ("a,b\n1,2\n", {"rate_hz": 1, "time": "a"}, "exclude each other"),
        ("a,b\n1,2\n", {"delimiter": "ab"}, "delimiter=ab: "),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    write: Write, content: str | bytes, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(SourceError) as caught:
        ReplayTelemetry(write(content), **options)
    assert told in str(caught.value)


def test_a_folder_or_nothing_is_refused(tmp_path: Path) -> None:
    for path, told in ((tmp_path, "Is a directory"), (tmp_path / "no.csv", "No such file")):
        with pytest.raises(SourceError, match=told):
            ReplayTelemetry(path)


@pytest.mark.parametrize(
    ("content", "rows", "told"),
    [
        ("a,b\n1,2\n3\n4,5,6\n7,8\n", 2, "skipped 2 of 4 rows (line 3: 1 cells, where the header"),
        ('{"a":1}\n{"a":\n[1]\n\n{"a":2}\n', 2, "(line 2: no JSON: "),
        ('{"a":1}\n{"a":\n[1]\n\n{"a":2}\n', 2, "line 3: not an object but list)"),
        ('{"a":1}\n' + '{"a":' * 100_000 + "\n", 1, "line 2: nested too deep"),
        ("a,b\n" + "1\n" * 9 + "1,2\n", 1, "; and 4 more)"),
        (f'a,b\n1,2\n3,"{"x" * 200_000}"\n4,5\n', 2, "(line 3: field larger than field limit"),
        ('a,b\n1,2\n"open,3\n4,5\n', 1, "line 3: 1 cells up to line 4, where the header has 2"),
        (
            "time,v\n" + "".join(f"2020-01-01T00:00:{i:02},1\n" for i in range(40)) + "?,1\n",
            40,
            "skipped 1 of 41 rows (line 42: '?' in time is no time)",
        ),
    ],
)
def test_rows_that_cannot_be_used_are_skipped_and_told(
    write: Write, caplog: pytest.LogCaptureFixture, content: str, rows: int, told: str
) -> None:
    with caplog.at_level(logging.WARNING):
        source = ReplayTelemetry(write(content), rate_hz=None)
    assert source.rows == rows
    assert source.skipped > 0
    assert told in caplog.text


def _vanish(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    new = path.with_name("new")
    new.write_bytes(path.read_bytes())
    new.replace(path)


def _rewrite(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    os.utime(path, (1, 1))


def _shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_vanish, "No such file or directory"),
        (_replace, "is not the file that was read at the start"),
        (_rewrite, "is not the file that was read at the start"),
        (_shorten, "is not the file that was read at the start"),
    ],
)
async def test_a_file_changed_while_it_is_replayed_is_told(
    write: Write, change: Callable[[Path], None], told: str
) -> None:
    time = Time()
    path = write("t,v\n0,1\n1,2\n")
    source = ReplayTelemetry(path, clock=time.clock, sleep=time.sleep)
    samples = source.samples()
    assert [(await anext(samples)).values["v"] for _ in range(2)] == [1, 2]
    change(path)
    with pytest.raises(SourceError, match=told):
        await anext(samples)


async def test_a_file_that_grows_is_replayed_as_far_as_it_was(write: Write) -> None:
    time = Time()
    path = write("t,v\n0,1\n1,2\n")
    source = ReplayTelemetry(path, clock=time.clock, sleep=time.sleep)
    samples = source.samples()
    assert (await anext(samples)).values["v"] == 1
    with path.open("a") as file:
        file.write("2,3\n")
    assert [(await anext(samples)).values["v"] for _ in range(2)] == [2, 1]


def test_a_cell_of_json_and_of_csv_has_one_form() -> None:
    cells = (1, "1", 1.5, "1.5", True, "true", None, "")
    forms = ["integer", "point", "boolean", "missing"]
    assert [form_of(cell) for cell in cells] == [form for form in forms for _ in range(2)]
