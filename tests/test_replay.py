"""Replay: how a file is read, and when each row is yielded."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import os
from contextlib import aclosing
from fractions import Fraction
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
from sources.replay.recording import ReadOptions, Recording
from sources.values.cells import form_of
from sources.values.times import find_timestamp, parse_datetime
from sources.values.units import split_unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Write = Callable[..., Path]

pytestmark = pytest.mark.anyio

START = 1_790_000_000.0
MILLI, MICRO, NANO = (Fraction(1, 10**power) for power in (3, 6, 9))


class Time:
    """A clock that moves only during `sleep`.

    Attributes:
        slept: the durations slept.
        stopped: set when an endless sleep begins.
    """

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []
        self.stopped = anyio.Event()

    def clock(self) -> float:
        return self.now

    async def sleep(self, duration_s: float) -> None:
        self.slept.append(duration_s)
        if duration_s == math.inf:
            self.stopped.set()
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
    """The first `count` samples of a replay, by default one for each row."""
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


async def test_the_weather_of_mars_is_replayed_from_the_first_sol(shared_data: Path) -> None:
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
    # 2,030 days from the first to the last row, one day per second
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


async def test_a_drive_is_timed_by_the_file_names_of_its_images(shared_data: Path) -> None:
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


async def test_a_rate_replaces_the_clock_of_a_drive(shared_data: Path) -> None:
    samples = await played(shared_data / "telemetry" / "rover-drive.csv", rate_hz=20)
    assert samples[-1].t - samples[0].t == pytest.approx(282 / 20)


async def test_a_replay_by_url_is_paced(shared_data: Path) -> None:
    path = shared_data / "telemetry" / "rover-drive.csv"
    source = open_source("telemetry", f"replay:{path}?speed=2&loop=no&time=path")
    assert isinstance(source, Paced)
    assert source.period_s == pytest.approx(0.024, abs=1e-6)


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
async def test_a_table_in_any_dialect_gives_the_values_written(
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

    recording = Recording(path, ReadOptions(rate_hz=1))
    got = recording.read(0, len(recording))

    assert [tuple(values.values()) for values in got] == rows
    assert recording.skipped == 0


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
    recording = Recording(path, ReadOptions(rate_hz=1))
    got = recording.read(0, len(recording))
    for values, row in zip(got, rows, strict=True):
        for key, value in row.items():
            name = f"{key}_recorded" if key in RESERVED else key
            # a column of several kinds is text
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
async def test_the_dialect_is_detected(
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
async def test_an_option_overrides_the_detected_dialect(
    write: Write, content: str, options: dict[str, Any], values: dict[str, Value]
) -> None:
    assert (await played(write(content), 1, **options))[0].values == values


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


async def test_a_few_cells_that_do_not_fit_are_logged_and_not_measured(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    cells = [*map(str, range(40)), "ERR", "OVR"]
    path = write("a,b\n" + "".join(f"{cell},1\n" for cell in cells))
    assert kinds(path)["a"] == "integer"
    for fact in ("'a'", "2 cells", "integer", "'ERR' in line 42"):
        assert fact in caplog.text
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
def test_a_unit_is_read_from_brackets(header: str, name: str, unit: str) -> None:
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
        "n.0": "integer",
        "n.1": "integer",
        "one.x": "integer",
        "new": "boolean",
        "deep.x": "integer",
        "deep.y": "integer",
        "deep.z.u": "integer",
        "deep.z.v": "integer",
    }
    samples = await played(path)
    assert column(samples, "location") == [None, {"lat": 18.4, "lon": 77.0}, None, {"lat": 18.5}]
    assert column(samples, "bus.volts") == [28.1, 27.9, None, None]
    assert column(samples, "bus.mode") == ["sun", None, None, None]
    assert column(samples, "n.1") == [2, None, None, None]
    assert column(samples, "new") == [None, True, None, None]
    assert column(samples, "deep.z.u") == [None, None, 3, None]


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
def test_dates_and_times_are_parsed(text: str, seconds: float | None) -> None:
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
def test_a_timestamp_is_found_in_a_text(text: str, seconds: float | None) -> None:
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
        ("time [ms],v", ["0,1", "50,1"], ("time [ms]", "number", MILLI)),
        ("time_us,v", ["0,1", "50,1"], ("time_us", "number", MICRO)),
        ("gpsTime,v", ["1700000000,1", "1700000001,1"], ("gpsTime", "number", 1)),
        ("ts,v", ["1700000000000,1", "1700000001000,1"], ("ts", "number", MILLI)),
        ("ts,v", ["1700000000000000,1", "1700000001000000,1"], ("ts", "number", MICRO)),
        ("ts,v", ["1700000000000000000,1", "1700000001000000000,1"], ("ts", "number", NANO)),
        ("response_time,v", ["5,1", "3,1", "4,1"], None),
        ("voltage,v", ["1,1", "2,1"], None),
        ("day,v", ["2020-01-01,1", "2020-01-01,1"], None),
        ("f,v", ["a_2020_01_01_00_00_00,1", "a_2020_01_01_00_00_01,1"], ("f", "timestamp", 1)),
        ("f,v", ["a_2020_01_01_00_00_00,1", "none,1"], None),
    ],
)
def test_the_clock_of_a_table_is_detected(
    header: str, cells: list[str], clock: tuple[str, str, Fraction | int] | None
) -> None:
    names = header.split(",")
    found = find_clock([dict(zip(names, row.split(","), strict=True)) for row in cells])
    assert (found and (found.column, str(found.time_format), found.scale_s)) == clock


@pytest.mark.parametrize(("unit", "per_second"), [("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_the_time_of_a_count_is_that_of_the_same_decimals(unit: str, per_second: int) -> None:
    counts = [(1_790_000_000_000 + 100 * n) * per_second // 1000 for n in range(1000)]
    column = f"time_{unit}"
    clock = find_clock([{column: str(count)} for count in counts])
    assert clock is not None
    for n, count in enumerate(counts):
        assert clock.seconds({column: str(count)}) == float(f"{1_790_000_000 + n // 10}.{n % 10}")


async def test_the_time_option_names_the_clock(write: Write) -> None:
    path = write("a,Shot at [s]\nx,10\ny,11\nz,14\n")
    assert [s.t - START for s in await played(path, time="shot AT")] == [0, 1, 4]


async def test_without_a_clock_one_row_per_second_is_replayed_and_logged(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    path = write("a,b\n1,2\n3,4\n")
    assert [s.t - START for s in await played(path)] == [0, 1]
    assert "?time=COLUMN" in caplog.text
    assert "?rate_hz=" in caplog.text


async def test_a_column_with_a_missing_timestamp_is_not_the_clock(write: Write) -> None:
    timestamps = [f"2020_01_01_00_{i // 60:02}_{i % 60:02}" for i in range(300)]
    path = write("f,v\n" + "".join(f"img_{timestamp},1\n" for timestamp in timestamps) + "dark,1\n")
    source = ReplayTelemetry(path)
    assert (source.rows, source.skipped) == (301, 0)


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [2, 0, 3, 1], [0, 1, 2, 3]])
async def test_rows_are_replayed_in_order_of_time(write: Write, order: list[int]) -> None:
    texts = ["été", "two\nlines", "three", "vier"]
    path = write("t;n\n" + "".join(f'2020-01-0{i + 1};"{texts[i]}"\n' for i in order))
    samples = await played(path, speed=86400)
    assert column(samples, "n") == texts
    assert [s.t - START for s in samples] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("times", "order"), [("112", "abc"), ("211", "cba"), ("121", "acb")], ids=str
)
async def test_rows_with_the_same_time_keep_their_order(
    write: Write, times: str, order: str
) -> None:
    rows = zip(times, "abc", strict=True)
    path = write("time,n\n" + "".join(f"{t},{n}\n" for t, n in rows))
    assert "".join(map(str, column(await played(path, time="time"), "n"))) == order


async def test_the_recorded_distances_are_divided_by_the_speed(write: Write) -> None:
    path = write("t,v\n100,1\n101,2\n105,3\n105,4\n")
    samples = await played(path, speed=2)
    assert [s.t - START for s in samples] == [0, 0.5, 2.5, 2.5]
    assert column(samples, "t_recorded") == [100, 101, 105, 105]


async def test_the_replay_starts_again_after_the_last_row(write: Write) -> None:
    path = write("t,v\n0,1\n1,2\n2,3\n")
    samples = await played(path, 7)
    assert column(samples, "v") == [1, 2, 3, 1, 2, 3, 1]
    assert [s.t - START for s in samples] == [0, 1, 2, 3, 4, 5, 6]


async def test_without_loop_it_yields_no_more_samples_and_does_not_end(write: Write) -> None:
    time = Time()
    source = ReplayTelemetry(
        write("t,v\n0,1\n1,2\n"), loop=False, clock=time.clock, sleep=time.sleep
    )
    got: list[Value] = []

    async def read() -> None:
        async for sample in source.samples():
            got.append(sample.values["v"])  # noqa: PERF401 # it never ends
        raise AssertionError("the replay ended")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        with anyio.fail_after(5):
            await time.stopped.wait()
        tasks.cancel_scope.cancel()
    assert got == [1, 2]
    assert time.slept == [0, 1, math.inf]


async def test_a_single_row_is_replayed_every_second(write: Write) -> None:
    assert [s.t - START for s in await played(write("t,v\n5,1\n"), 3)] == [0, 1, 2]


@pytest.mark.parametrize("jump_s", [3600, -3600])
async def test_after_a_jump_of_the_wall_clock_the_pace_stays_the_same(
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
    # an hour late: the next row follows now; an hour early: after its recorded distance
    first = START + 1 + jump_s + (0 if jump_s > 0 else 1)
    assert [s.t for s in got[2:]] == [first, first + 1]


async def test_a_slightly_late_reader_gets_the_recorded_distances(write: Write) -> None:
    time = Time()
    path = write("t,v\n0,1\n1,2\n2,3\n")
    source = ReplayTelemetry(path, clock=time.clock, sleep=time.sleep)
    ts: list[float] = []
    async with aclosing(source.samples()) as samples:  # type: ignore[type-var]  # a generator
        while len(ts) < 3:
            ts.append((await anext(samples)).t - START)
            time.now += 0.3
    assert ts == [0, 1, 2]


async def test_all_rows_are_replayed_across_batches(write: Write) -> None:
    path = write("t,v\n" + "".join(f"{i},{i * i}\n" for i in range(1000)))
    assert column(await played(path), "v") == [i * i for i in range(1000)]


@pytest.mark.parametrize(
    ("times", "period_s"), [("0 1 2 9", 1), ("0 0 0 9", 3), ("4 4 4", 1), ("4", 1)]
)
async def test_the_period_is_the_median_distance(write: Write, times: str, period_s: float) -> None:
    path = write("time,v\n" + "".join(f"{t},1\n" for t in times.split()))
    assert ReplayTelemetry(path, time="time").period_s == period_s


@pytest.mark.parametrize(
    ("content", "options", "fact"),
    [
        ("", {}, "drive.csv"),
        ("a,b\n", {}, "drive.csv"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", {}, "binary"),
        ("a,b\n1,2\n".encode("utf-16"), {}, "UTF-16"),
        ('[{"a": 1}]', {}, "JSON array"),
        ("a,b\r1,2\r", {}, "CR"),
        ("x" * 2_000_000, {}, "line 1 of drive.csv"),
        (",".join(f"n{i}" for i in range(1001)), {}, "1001 columns, more than 1000"),
        (json.dumps(dict.fromkeys(map(str, range(1001)), 1)), {}, "1000 columns"),
        ("a,b\n1,2\n", {"time": "c"}, "time=c: "),
        ("a,b\nx,2\n", {"time": "a"}, "time=a: "),
        ("a,b\n1,2\n", {"speed": 0}, "speed=0: "),
        ("a,b\n1,2\n", {"speed": math.nan}, "speed=nan: "),
        ("a,b\n1,2\n", {"rate_hz": -1}, "rate_hz=-1: "),
        ("a,b\n1,2\n", {"rate_hz": 1, "time": "a"}, "time, rate_hz: "),
        ("a,b\n1,2\n", {"delimiter": "ab"}, "delimiter=ab: "),
    ],
)
def test_an_unusable_file_or_option_is_refused_with_the_reason(
    write: Write, content: str | bytes, options: dict[str, Any], fact: str
) -> None:
    with pytest.raises(SourceError) as caught:
        ReplayTelemetry(write(content), **options)
    assert fact in str(caught.value)


def test_a_folder_or_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "no.csv", "No such file")):
        with pytest.raises(SourceError, match=reason):
            ReplayTelemetry(path)


@pytest.mark.parametrize(
    ("content", "rows", "facts"),
    [
        ("a,b\n1,2\n3\n4,5,6\n7,8\n", 2, ["2 of 4 rows", "line 3: 1 cells", "2)"]),
        ('{"a":1}\n{"a":\n[1]\n\n{"a":2}\n', 2, ["line 2: "]),
        ('{"a":1}\n{"a":\n[1]\n\n{"a":2}\n', 2, ["line 3: ", "list"]),
        ('{"a":1}\n' + '{"a":' * 100_000 + "\n", 1, ["line 2: "]),
        ("a,b\n" + "1\n" * 9 + "1,2\n", 1, ["4 more"]),
        (f'a,b\n1,2\n3,"{"x" * 200_000}"\n4,5\n', 2, ["line 3: "]),
        ('a,b\n1,2\n"open,3\n4,5\n', 1, ["line 3: ", "line 4"]),
        (
            "time,v\n" + "".join(f"2020-01-01T00:00:{i:02},1\n" for i in range(40)) + "?,1\n",
            40,
            ["1 of 41 rows", "line 42: '?'"],
        ),
    ],
)
def test_unusable_rows_are_skipped_and_logged_with_their_lines(
    write: Write, caplog: pytest.LogCaptureFixture, content: str, rows: int, facts: list[str]
) -> None:
    with caplog.at_level(logging.WARNING):
        source = ReplayTelemetry(write(content), rate_hz=None)
    assert source.rows == rows
    assert source.skipped > 0
    for fact in facts:
        assert fact in caplog.text


def _delete(path: Path) -> None:
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
    ("change", "fact"),
    [
        (_delete, "No such file or directory"),
        (_replace, "has changed"),
        (_rewrite, "has changed"),
        (_shorten, "has changed"),
    ],
)
async def test_a_file_that_changes_during_the_replay_raises_an_error(
    write: Write, change: Callable[[Path], None], fact: str
) -> None:
    time = Time()
    path = write("t,v\n0,1\n1,2\n")
    source = ReplayTelemetry(path, clock=time.clock, sleep=time.sleep)
    samples = source.samples()
    assert [(await anext(samples)).values["v"] for _ in range(2)] == [1, 2]
    change(path)
    with pytest.raises(SourceError, match=fact):
        await anext(samples)


async def test_rows_appended_during_the_replay_are_ignored(write: Write) -> None:
    time = Time()
    path = write("t,v\n0,1\n1,2\n")
    source = ReplayTelemetry(path, clock=time.clock, sleep=time.sleep)
    samples = source.samples()
    assert (await anext(samples)).values["v"] == 1
    with path.open("a") as file:
        file.write("2,3\n")
    assert [(await anext(samples)).values["v"] for _ in range(2)] == [2, 1]


def test_a_cell_has_the_same_form_in_json_and_in_csv() -> None:
    cells = (1, "1", 1.5, "1.5", True, "true", None, "")
    forms = ["integer", "point", "boolean", "missing"]
    assert [form_of(cell) for cell in cells] == [form for form in forms for _ in range(2)]
