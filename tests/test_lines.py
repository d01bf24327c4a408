"""Lines of text become samples: the format of each line, headers, damage and bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sources.lines.decoder import LineDecoder
from sources.lines.ownership import HANDOVER_S, Ownership
from sources.lines.splitter import LineSplitter
from sources.values.payload import PayloadRefused

if TYPE_CHECKING:
    from sources.base import Value

T = 1_790_000_000.25


def decoder(**options: Any) -> LineDecoder:
    return LineDecoder(clock=lambda: T, **options)


def values(lines: LineDecoder, *texts: str | bytes) -> list[dict[str, Value] | str]:
    """The values of each sample, and `refused` for each line that cannot be read."""
    found: list[dict[str, Value] | str] = []
    for text in texts:
        try:
            samples = lines.samples(text.encode() if isinstance(text, str) else text)
        except PayloadRefused:
            found.append("refused")
        else:
            found += [dict(sample.values) for sample in samples]
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"temp": 21.5, "on": true}', {"temp": 21.5, "on": True}),
        ("temp=21.5 hum=40 on=true", {"temp": 21.5, "hum": 40, "on": True}),
        ("temp=21.5,hum=40", {"temp": 21.5, "hum": 40}),
        ("Air temp: 21.5, Humidity: 40", {"Air temp": 21.5, "Humidity": 40}),
        ("Humidity: 40.00%  Temperature: 21.50°C", {"Humidity": 40.0, "Temperature": 21.5}),
        ("temp: 21.5 °C, p=1013 hPa, n=2 m=3", {"temp": 21.5, "p": 1013, "n": 2, "m": 3}),
        ("temp:21.5\thum:-3e2", {"temp": 21.5, "hum": -300.0}),
        ("mode=auto", {"mode": "auto"}),
        ('name="left arm" load=0.5', {"name": "left arm", "load": 0.5}),
        ("count=9007199254740993", {"count": 9007199254740993}),
        ("21.5", {"value": 21.5}),
        ("1,2.5,nan", {"c1": 1, "c2": 2.5, "c3": None}),
        ("1 2 3", {"c1": 1, "c2": 2, "c3": 3}),
        ("1,5;2,25", {"c1": 1.5, "c2": 2.25}),
        ("7,ok,", {"c1": 7, "c2": "ok"}),
    ],
)
def test_the_format_of_a_line_is_detected(line: str, expected: dict[str, Value]) -> None:
    assert values(decoder(), line) == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "booting",
        "Sensor ready after 5 s",
        "Error: no sensor",
        "12:30:01",
        '{"temp": 21.5',
        "$GPGGA,123519,4807",
        b"temp=2\x001.5",
        b"\xff\xfe21.5",
    ],
)
def test_a_message_for_people_and_a_damaged_line_are_refused(line: str | bytes) -> None:
    assert values(decoder(), line) == ["refused"]


def test_a_header_names_the_columns_and_their_units() -> None:
    lines = decoder()
    assert values(lines, "temp [°C],speed (m/s)", "21.5,0.12") == [{"temp": 21.5, "speed": 0.12}]
    assert lines.units == {"temp": "°C", "speed": "m/s"}


def test_a_unit_after_a_number_is_that_of_its_parameter() -> None:
    lines = decoder()
    lines.samples("Humidity: 40.00%  Temperature: 21.50 °C  Mode: 3".encode())
    assert lines.units == {"Humidity": "%", "Temperature": "°C"}


def test_a_time_without_an_offset_is_in_the_given_time_zone() -> None:
    lines = decoder(columns=("time", "x"), timezone="Europe/Berlin")
    [sample] = lines.samples(b"2026-09-21 16:13:20,1")
    assert sample.t == 1_790_000_000


def test_a_device_that_restarts_sends_messages_and_its_header_again() -> None:
    texts = ["a,b", "1,2", "Low battery, sleeping", "booting", "a,b", "3,4"]
    assert values(decoder(), *texts) == [
        {"a": 1, "b": 2},
        "refused",
        "refused",
        {"a": 3, "b": 4},
    ]


def test_a_header_of_another_width_replaces_the_old_one_once_a_row_fits_it() -> None:
    assert values(decoder(), "a,b", "1,2", "b,c,d", "3,4", "5,6,7") == [
        {"a": 1, "b": 2},
        {"a": 3, "b": 4},
        {"b": 5, "c": 6, "d": 7},
    ]


def test_a_row_that_does_not_fit_the_header_is_refused() -> None:
    assert values(decoder(), "a,b", "1,2", "3", "4,5,6", "7,8") == [
        {"a": 1, "b": 2},
        "refused",
        "refused",
        {"a": 7, "b": 8},
    ]


def test_without_a_header_one_odd_row_is_refused_and_a_second_one_is_the_new_form() -> None:
    assert values(decoder(), "1,2", "3", "4,5", "6,7,8", "9,10,11") == [
        {"c1": 1, "c2": 2},
        "refused",
        {"c1": 4, "c2": 5},
        "refused",
        {"c1": 9, "c2": 10, "c3": 11},
    ]


def test_a_row_without_numbers_is_data_if_the_format_is_csv() -> None:
    assert values(decoder(form="csv"), "mode,state", "auto,driving") == [
        {"mode": "auto", "state": "driving"}
    ]


def test_given_columns_name_the_cells_and_a_header_is_skipped() -> None:
    lines = decoder(columns=("mode", "speed"))
    assert values(lines, "mode,speed", "auto,ok", "stop,0", "1,2,3") == [
        {"mode": "auto", "speed": "ok"},
        {"mode": "stop", "speed": 0},
        "refused",
    ]


@pytest.mark.parametrize(
    ("header", "row", "t"),
    [
        ("time,x", "2026-09-21T14:13:20.5Z,1", 1_790_000_000.5),
        ("timestamp [ms],x", "1790000000500,1", 1_790_000_000.5),
        ("t,x", "1790000000.5,1", 1_790_000_000.5),
    ],
)
def test_the_time_of_a_row_is_that_of_its_time_column(header: str, row: str, t: float) -> None:
    lines = decoder()
    lines.samples(header.encode())
    [sample] = lines.samples(row.encode())
    assert (sample.t, sample.values) == (t, {"x": 1})


def test_a_small_time_is_a_value_and_the_sample_has_the_time_of_arrival() -> None:
    [sample] = decoder(columns=("time", "x")).samples(b"12345,1")
    assert (sample.t, sample.values) == (T, {"time": 12345, "x": 1})


def test_line_protocol_is_read_if_the_format_is_influx() -> None:
    lines = decoder(form="influx", precision="ms")
    [sample] = lines.samples(b"weather,station=dock temp=21.5 1790000000500")
    assert (sample.t, sample.values) == (1_790_000_000.5, {"weather.dock.temp": 21.5})


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\n\n"])
def test_lines_are_cut_at_any_line_end_and_across_chunks(end: bytes) -> None:
    splitter = LineSplitter()
    data = b"a=1" + end + b"b=2" + end + b"c=3"
    found = [line for n in range(len(data)) for line in splitter.feed(data[n : n + 1])]
    assert found == [b"a=1", b"b=2"]
    assert splitter.end() == b"c=3"


def test_a_line_over_the_limit_is_lost_and_its_memory_is_bounded() -> None:
    splitter = LineSplitter(max_bytes=10)
    for _ in range(1000):
        assert splitter.feed(b"x" * 100) == []
    assert splitter.feed(b"xx\nb=2\n" + b"y" * 11 + b"\nc=3\n") == [b"b=2", b"c=3"]
    assert splitter.too_long == 2
    assert splitter.end() == b""


def test_the_rest_of_a_line_that_began_before_is_skipped() -> None:
    splitter = LineSplitter(is_partial=True)
    assert splitter.feed(b"21") + splitter.feed(b".5\na=1\n") == [b"a=1"]


def test_a_parameter_belongs_to_one_sender_until_that_one_is_silent() -> None:
    now = 1000.0
    owners = Ownership(lambda: now)
    assert owners.foreign("10.0.0.7", ["temp"]) == {}
    assert owners.foreign("10.0.0.8", ["temp", "hum"]) == {"temp": "10.0.0.7"}
    now += HANDOVER_S
    assert owners.foreign("10.0.0.8", ["temp"]) == {}
    assert owners.foreign("10.0.0.7", ["temp"]) == {"temp": "10.0.0.8"}
