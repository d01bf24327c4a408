"""InfluxDB line protocol: the specification's examples, and lines of InfluxDB's own client."""

from __future__ import annotations

from time import thread_time

import pytest

from sources.lines.influx import InfluxReader, Point, Precision, points
from sources.values.payload import PayloadReader, PayloadRefused

T = 1_790_000_000.25


def reader() -> InfluxReader:
    return InfluxReader(PayloadReader(), lambda: T)


def names(*lines: str, tags: str | None = None) -> list[str]:
    found = reader().samples("\n".join(lines), tags=tags)
    return [name for _, sample in found for name in sample.values]


@pytest.mark.parametrize(
    ("line", "point"),
    [
        (
            'myMeasurement,tag1=value1,tag2=value2 fieldKey="fieldValue" 1556813561098000000',
            Point(
                "myMeasurement",
                (("tag1", "value1"), ("tag2", "value2")),
                {"fieldKey": "fieldValue"},
                1556813561098000000,
                1,
            ),
        ),
        ("m f=1", Point("m", (), {"f": 1.0}, None, 1)),
        ("m f=-1.234456e+78", Point("m", (), {"f": -1.234456e78}, None, 1)),
        ("m f=9223372036854775807i", Point("m", (), {"f": 2**63 - 1}, None, 1)),
        ("m f=-9223372036854775808i", Point("m", (), {"f": -(2**63)}, None, 1)),
        ("m f=18446744073709551615u", Point("m", (), {"f": 2**64 - 1}, None, 1)),
        (
            "m a=t,b=T,c=true,d=True,e=TRUE,f=f,g=F,h=false,i=False,j=FALSE",
            Point("m", (), {k: k < "f" for k in "abcdefghij"}, None, 1),
        ),
        (
            'my\\ Measurement f="string value"',
            Point("my Measurement", (), {"f": "string value"}, None, 1),
        ),
        ('m f="a \\"quoted\\" \\\\ text"', Point("m", (), {"f": 'a "quoted" \\ text'}, None, 1)),
        ("m,a\\ b=c\\ d f=1", Point("m", (("a b", "c d"),), {"f": 1.0}, None, 1)),
        ("m,launch=\U0001f680 f=1", Point("m", (("launch", "\U0001f680"),), {"f": 1.0}, None, 1)),
        ("m\\=1 f=1", Point("m\\=1", (), {"f": 1.0}, None, 1)),
        ("m f=1 -1", Point("m", (), {"f": 1.0}, -1, 1)),
        # written by Point.to_line_protocol of influxdb-client 1.50.0
        (
            "weather\\ station,host=röver\\ a,site\\,\\ north=dock\\=1 n=-3i,"
            'note="say \\"hi\\" \\\\ there, a=b",ok=true,temp=21.5 1790000000123456789',
            Point(
                "weather station",
                (("host", "röver a"), ("site, north", "dock=1")),
                {"n": -3, "note": 'say "hi" \\ there, a=b', "ok": True, "temp": 21.5},
                1790000000123456789,
                1,
            ),
        ),
        (
            'gps lat=18.44,text="two\nlines" 1790000000500',
            Point("gps", (), {"lat": 18.44, "text": "two\nlines"}, 1790000000500, 1),
        ),
    ],
)  # fmt: skip
def test_a_line_is_a_point(line: str, point: Point) -> None:
    assert list(points(line)) == [point]


def test_comments_blank_lines_and_crlf_are_allowed_and_lines_are_counted() -> None:
    text = '# a comment\n\nm f=1\r\n  \n# m f=2\nm f="two\nlines"\nm f=3 1790000000000000000\r\n'
    assert [(point.line, *point.fields.values()) for point in points(text)] == [
        (3, 1.0),
        (6, "two\nlines"),
        (8, 3.0),
    ]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("m", 2),
        ("m f", 4),
        ("m f=", 5),
        ("m f=1,", 7),
        ("m f=1 2 3", 7),
        ("m f=1 2026-09-21", 7),
        ("m f=1x", 6),
        ("m f=1.5i", 5),
        ("m f=9223372036854775808i", 5),
        ("m f=-1u", 5),
        ("m f=NaN", 5),
        ('m f="open', 5),
        ("m, f=1", 3),
        ("m,a f=1", 4),
        ("m,a= f=1", 5),
        ("m,a=1,a=2 f=1", 10),
        (",a=1 f=1", 1),
        ('{"f": 1}', 9),
    ],
)
def test_a_mistake_is_refused_with_its_line_and_column(line: str, column: int) -> None:
    with pytest.raises(PayloadRefused) as caught:
        list(points(f"m f=1\n\n{line}"))
    assert caught.value.place == "line 3"
    assert caught.value.reason.endswith(f"column {column}")


@pytest.mark.parametrize(
    "text", ["m f=" + '"' + "\\" * 60_000, "m,a=" + "\\" * 60_000, "m " * 30_000]
)
def test_a_hostile_line_takes_linear_time(text: str) -> None:
    began_s = thread_time()
    with pytest.raises(PayloadRefused):
        list(points(text))
    assert thread_time() - began_s < 1


@pytest.mark.parametrize(
    ("precision", "timestamp"),
    [
        ("ns", 1_790_000_000_500_000_000),
        ("us", 1_790_000_000_500_000),
        ("ms", 1_790_000_000_500),
        ("u", 1_790_000_000_500_000),
    ],
)
def test_the_time_is_in_the_given_precision(precision: Precision, timestamp: int) -> None:
    [(_, sample)] = reader().samples(f"m f=1 {timestamp}", precision)
    assert sample.t == 1_790_000_000.5


def test_a_point_without_a_timestamp_has_the_time_of_arrival() -> None:
    [(_, sample)] = reader().samples("m f=1")
    assert sample.t == T


def test_a_timestamp_in_another_precision_is_refused() -> None:
    with pytest.raises(PayloadRefused) as caught:
        list(reader().samples("m f=1 1790000000"))
    assert caught.value.place == "line 1"


@pytest.mark.parametrize("body", [b"", b"# nothing\n", b"\n\n"])
def test_a_body_without_a_point_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadRefused):
        list(reader().samples(body))


def test_names_have_the_measurement_the_tags_by_key_and_the_field() -> None:
    lines = ("weather temp=1", "cpu,host=rover,cpu=cpu0 usage=1,idle=2")
    assert names(*lines) == ["weather.temp", "cpu.cpu0.rover.usage", "cpu.cpu0.rover.idle"]


def test_the_tags_in_names_can_be_chosen() -> None:
    line = "cpu,host=rover,cpu=cpu0 usage=1"
    assert names(line, tags="cpu") == ["cpu.cpu0.usage"]
    assert names(line, tags="") == ["cpu.usage"]


def test_the_name_of_a_device_starts_all_names() -> None:
    [(_, sample)] = reader().samples("weather,station=dock temp=1", device="esp1")
    assert list(sample.values) == ["esp1.weather.dock.temp"]


def test_two_series_never_share_a_name() -> None:
    lines = ("m,left=1 f=1", "m,right=1 f=2", "m.1 f=3", "m,left=1 f=4")
    assert names(*lines) == ["m.1.f", "m.1.f_2", "m.1.f_3", "m.1.f"]


def test_64_bit_integers_are_exact() -> None:
    [(_, sample)] = reader().samples("m f=9223372036854775807i")
    assert sample.values == {"m.f": 2**63 - 1}
