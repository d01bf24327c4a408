"""JSON payloads become samples, or are refused with a reason; dictionaries and losses."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rover.telemetry.events import NamedEvent, encode, sample_json
from rover.telemetry.history import History
from rover.telemetry.values import usable_values
from rover.topic import EventId
from sources.base import RESERVED, Limits, Parameter, Sample, SourceError
from sources.values.dictionary import MAX_PARAMETERS, read_dictionary
from sources.values.flatten import LEVEL, MAX_DEPTH, MAX_ITEMS, MAX_NAMES, MAX_VALUES
from sources.values.losses import Losses
from sources.values.payload import MAX_PAYLOAD_BYTES, PayloadReader, PayloadRefused
from sources.values.ranges import OptionError
from sources.values.times import timestamp_of

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_790_000_000.0


def reader(*parameters: Parameter, **options: Any) -> PayloadReader:
    return PayloadReader(parameters, clock=lambda: NOW, **options)


def values(text: str, *parameters: Parameter) -> Mapping[str, Any]:
    [sample] = reader(*parameters).samples(text)
    return sample.values


ALL_KINDS = {"a": 1, "b": 2.5, "c": True, "d": "on"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1, "b": 2.5, "c": true, "d": "on", "e": null}', ALL_KINDS),
        ('{"location": {"lat": 18.4, "lon": 77}}', {"location": {"lat": 18.4, "lon": 77}}),
        ('{"location": {"lat": 18.4, "lon": null}}', {"location": {"lat": 18.4}}),
        ('{"arm": {"angle": 3}}', {"arm.angle": 3}),
        ('{"arm": {"angle": 3, "ok": true}}', {"arm.angle": 3, "arm.ok": True}),
        ('{"a": {"b": {"x": 1, "y": 2}}}', {"a.b": {"x": 1, "y": 2}}),
        ('{"wheel": [1, 2.5]}', {"wheel.0": 1, "wheel.1": 2.5}),
        ('{"joint": [{"x": 1, "y": 2}]}', {"joint.0": {"x": 1, "y": 2}}),
        ('{"big": 123456789012345678901234567890}', {"big": 1.2345678901234568e29}),
        ('{"max": 18446744073709551615}', {"max": 18446744073709551615}),
        ('{"min": -9223372036854775808}', {"min": -9223372036854775808}),
        ('{"energy": {"today": 1.5, "total": 20}}', {"energy.today": 1.5, "energy.total": 20}),
        ('{"pose": {"x": 1, "y": 2, "theta": 3}}', {"pose.x": 1, "pose.y": 2, "pose.theta": 3}),
        ('{"q": {"w": 1, "x": 0, "y": 0, "z": 0}}', {"q": {"w": 1, "x": 0, "y": 0, "z": 0}}),
        (
            '{"gps": {"Latitude": "48.1", "Longitude": 11}}',
            {"gps": {"Latitude": 48.1, "Longitude": 11}},
        ),
        ('{"at": {"roll": 1, "pitch": null, "yaw": 3}}', {"at": {"roll": 1, "yaw": 3}}),
        ('{"at": {"x": "left", "y": 2}}', {"at.x": "left", "at.y": 2}),
        ('{"press": {"x": true, "y": false}}', {"press.x": True, "press.y": False}),
        ('{"a": {}, "b": []}', {}),
        ('{"bad \\ud800 text": "\\ud800"}', {"bad text": "?"}),
        ('{"a,b": 1, "a b": 2, "a\\nb": 3}', {"a b": 1, "a b_2": 2, "a b_3": 3}),
        ('{"": 1}', {"value": 1}),
        ('\ufeff{"a": 1}', {"a": 1}),
    ],
)
def test_an_object_becomes_flat_values(text: str, expected: dict[str, Any]) -> None:
    found = reader().samples(text.encode())[0].values
    assert {name: value for name, value in found.items() if value is not None} == expected


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_values_with_reserved_names_are_renamed(name: str) -> None:
    assert values(json.dumps({name: "x", "a": 1})) == {f"{name}_sent": "x", "a": 1}


def test_nan_and_infinities_are_read() -> None:
    found = values('{"a": NaN, "b": Infinity, "c": 1e999}')
    assert math.isnan(found["a"])
    assert found["b"] == found["c"] == math.inf


def test_declared_kinds_decide_how_values_are_read() -> None:
    declared = (
        Parameter("speed"),
        Parameter("count", kind="integer"),
        Parameter("on", kind="boolean"),
        Parameter("armed", kind="boolean"),
        Parameter("one", kind="vector"),
        Parameter("gps.lat"),
        Parameter("name", kind="text"),
    )
    text = """{"speed": "1.5", "count": "7", "on": 1, "armed": "true", "one": {"x": 1},
        "gps": {"lat": 18.4, "lon": 77}, "name": "12", "free": "12"}"""
    assert values(text, *declared) == {
        "speed": 1.5,
        "count": 7,
        "on": True,
        "armed": True,
        "one": {"x": 1},
        "gps.lat": 18.4,
        "gps.lon": 77,
        "name": "12",
        "free": "12",
    }


def test_a_value_that_does_not_fit_its_declared_kind_is_unchanged() -> None:
    declared = (Parameter("speed"), Parameter("on", kind="boolean"))
    assert values('{"speed": "ERR", "on": 7}', *declared) == {"speed": "ERR", "on": 7}


@pytest.mark.parametrize(
    ("first", "kind", "names"),
    [
        ('{"gps": {"lat": null, "lon": null, "alt": null}}', "vector", {"gps"}),
        ('{"gps": {"lat": 48.1, "lon": null, "alt": null}}', "vector", {"gps"}),
        ('{"bus": {"volts": null, "amps": 2}}', "number", {"bus.volts", "bus.amps"}),
    ],
)
def test_null_members_of_the_first_message_do_not_decide_the_kind(
    first: str, kind: str, names: set[str]
) -> None:
    learning = reader()
    assert set(learning.samples(first)[0].values) == names
    second = first.replace("null", "7.5")
    assert set(learning.samples(second)[0].values) == names
    assert {p.kind for p in learning.parameters} == {kind}


def test_names_that_become_equal_stay_apart_in_all_messages() -> None:
    it = reader()
    first = '{"a,b": 1, "sub": {"c": 2}}'
    texts = ('{"a b": 3, "sub.c": 4}', first, '{"sub.c": 5, "a\\nb": 6, "a b": 7}')
    found = [it.samples(text)[0].values for text in (first, *texts)]
    assert found == [
        {"a b": 1, "sub.c": 2},
        {"a b_2": 3, "sub.c_2": 4},
        {"a b": 1, "sub.c": 2},
        {"sub.c_2": 5, "a b_3": 6, "a b_2": 7},
    ]


def test_the_components_of_a_declared_vector_stay_apart_in_all_messages() -> None:
    it = reader(Parameter("v", kind="vector"))
    found = [it.samples(text)[0].values["v"] for text in ('{"v": {"a,": 1}}', '{"v": {"a": 2}}')]
    assert found == [{"a": 1}, {"a_2": 2}]


def test_the_number_of_names_in_all_messages_is_limited() -> None:
    it = reader()
    for n in range(0, MAX_NAMES, 500):
        it.samples(json.dumps({f"p{n + k}": 1 for k in range(500)}))
    with pytest.raises(PayloadRefused):
        it.samples('{"one more": 1}')
    assert it.samples('{"p7": 2}')[0].values == {"p7": 2}


def test_the_same_names_below_two_topics_are_two_parameters() -> None:
    it = reader()
    [one] = it.samples('{"n": 1}', f"a{LEVEL}b")
    [two] = it.samples('{"b": {"n": 2}}', "a")
    assert (one.values, two.values) == ({"a.b.n": 1}, {"a.b.n_2": 2})


def test_a_sample_is_never_a_vector_itself() -> None:
    [sample] = reader().samples('{"lat": 48.1, "lon": 11.5}', "tracker")
    assert sample.values == {"tracker.lat": 48.1, "tracker.lon": 11.5}


def test_a_description_is_used_now_or_when_the_parameter_is_learned() -> None:
    it = reader(Parameter("speed", "m/s"))
    it.describe("a", "°C", "Air")
    it.describe("speed", "km/h")
    it.samples('{"a": 1, "b": 2, "speed": 3}')
    it.describe("b", "%", "Humidity")
    assert [(p.name, p.unit, p.description) for p in it.parameters] == [
        ("speed", "m/s", ""),
        ("a", "°C", "Air"),
        ("b", "%", "Humidity"),
    ]


def test_undeclared_parameters_are_learned_from_their_first_value() -> None:
    learning = reader(Parameter("speed", "m/s"))
    learning.samples('{"speed": 1, "n": null, "text": "x", "flag": false, "at": {"x": 1, "y": 2}}')
    learning.samples('{"n": 3, "text": 5}')
    assert [(p.name, p.unit, p.kind) for p in learning.parameters] == [
        ("speed", "m/s", "number"),
        ("text", "", "text"),
        ("flag", "", "boolean"),
        ("at", "", "vector"),
        ("n", "", "number"),
    ]


def test_the_number_of_learned_parameters_is_limited() -> None:
    learning = reader()
    for n in range(0, 2 * MAX_PARAMETERS, 500):
        learning.samples(json.dumps({f"p{n + k}": 1 for k in range(500)}))
    assert len(learning.parameters) == MAX_PARAMETERS


T = 1_785_555_555.25
ISO_FORMS = (
    "2026-08-01T03:39:15.250000000Z",
    "2026-08-01t03:39:15.25z",
    "2026-08-01 03:39:15.25 UTC",
    "2026-08-01T05:39:15.250123456+0200",
    "2026-08-01T03:39:15.25",
)


@pytest.mark.parametrize("text", ISO_FORMS)
@pytest.mark.parametrize("zone", ["", "Europe/Berlin"])
def test_a_time_without_an_offset_is_in_the_time_zone_of_the_source(text: str, zone: str) -> None:
    [sample] = reader(timezone=zone).samples(json.dumps({"t": text}))
    is_local = text == ISO_FORMS[-1] and zone
    assert sample.t == pytest.approx(T - 7200 if is_local else T, abs=1e-3)


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(OptionError, match="timezone=Mars/Jezero"):
        reader(timezone="Mars/Jezero")


@pytest.mark.parametrize(
    ("payload", "left"),
    [
        ({"time": "1970-01-01T00:00:12Z"}, {}),
        ({"ts": "2000-01-01T00:00:00"}, {}),
        ({"Time": "1970-01-01T00:00:12"}, {}),
        ({"header": {"stamp": {"sec": 0, "nanosec": 0}}}, {}),
        ({"header": {"stamp": {"secs": 12, "nsecs": 5}}}, {}),
        ({"timestamp": 12.5}, {"timestamp": 12.5}),
        ({"ts": 0}, {"ts": 0}),
    ],
    ids=str,
)
def test_a_time_before_2001_is_replaced_by_the_arrival_and_counted(
    payload: dict[str, Any], left: dict[str, Any]
) -> None:
    it = reader()
    [sample] = it.samples(json.dumps({**payload, "a": 1}))
    assert (sample.t, sample.values) == (NOW, {**left, "a": 1})
    assert it.replaced_times.count == 1


def test_a_small_number_at_the_place_of_the_time_option_is_replaced_too() -> None:
    it = reader(time="up")
    assert it.samples('{"up": 12, "a": 1}') == [Sample(NOW, {"a": 1})]
    assert it.replaced_times.count == 1


def test_tasmota_sends_local_time_so_that_it_is_used_only_with_a_time_zone() -> None:
    payload = '{"Time": "2026-08-01T05:39:15", "Switch1": "ON"}'
    assert reader().samples(payload) == [Sample(NOW, {"Switch1": "ON"})]
    berlin = reader(timezone="Europe/Berlin").samples(payload)
    assert berlin == [Sample(1_785_555_555, {"Switch1": "ON"})]
    with_offset = payload.replace(":15", ":15+02:00")
    assert reader().samples(with_offset) == berlin


@pytest.mark.parametrize(
    "time",
    [
        {"t": T},
        {"time": T * 1e3},
        {"timestamp": int(T * 1e6)},
        {"ts": str(T)},
        {"t": "2026-08-01T03:39:15.250Z"},
        {"time": "2026-08-01T05:39:15.25+02:00"},
        {"timestamp": "2026-213T03:39:15.25"},
        {"header": {"stamp": {"sec": 1_785_555_555, "nanosec": 250_000_000}, "frame_id": "x"}},
        {"header": {"stamp": {"secs": 1_785_555_555, "nsecs": 250_000_000}}},
    ],
    ids=str,
)
def test_the_time_in_the_payload_is_the_samples_time_and_not_a_value(
    time: dict[str, Any],
) -> None:
    [sample] = reader().samples(json.dumps({**time, "a": 1}))
    assert sample.t == pytest.approx(T, abs=1e-4)
    assert sample.values == {"a": 1} | ({"header.frame_id": "x"} if "nanosec" in str(time) else {})


@pytest.mark.parametrize(
    "payload",
    [{"time": 12.5}, {"time": True}, {"time": "noon"}, {"time": [1]}, {"time": -5}, {"a": 1}],
    ids=str,
)
def test_a_value_that_is_not_a_time_stays_a_value_and_the_arrival_is_the_time(
    payload: dict[str, Any],
) -> None:
    [sample] = reader().samples(json.dumps(payload))
    assert sample.t == NOW
    assert len(sample.values) == 1


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 10**400, "1e400", "nan", None, {"sec": 10**400}, {"sec": "x"}],
    ids=lambda value: str(value)[:12],
)
def test_values_that_are_not_times_give_no_timestamp(value: Any) -> None:
    assert timestamp_of(value) is None


@pytest.mark.parametrize("milliseconds", [1_790_000_000_100, 1_790_000_000_007, 1_785_555_555_999])
def test_one_instant_is_one_time_in_all_units(milliseconds: int) -> None:
    t = float(f"{milliseconds // 1000}.{milliseconds % 1000:03}")
    counts = [milliseconds * 10**power for power in (0, 3, 6)]
    stamp = {"sec": milliseconds // 1000, "nanosec": milliseconds % 1000 * 10**6}
    for value in (t, *counts, *map(str, counts), stamp):
        assert timestamp_of(value) == t, value


def test_the_time_option_names_a_dotted_place_that_must_hold_a_time() -> None:
    strict = reader(time="meta.at")
    [sample] = strict.samples(json.dumps({"meta": {"at": T, "id": 7}, "t": 5}))
    assert sample.t == pytest.approx(T)
    assert sample.values["t_sent"] == 5
    with pytest.raises(PayloadRefused, match=r"'meta\.at'"):
        strict.samples('{"t": 1785555555}')


ROS = """{"op": "publish", "topic": "/imu/left", "msg": {"header": {"stamp": {"sec": 1785555555,
    "nanosec": 0}, "frame_id": "imu"}, "orientation": {"x": 0, "y": 0.1, "z": 0, "w": 1}}}"""


def test_path_and_prefix_select_parts_of_a_message() -> None:
    [sample] = reader(path="msg", prefix="topic").samples(ROS)
    assert sample.t == 1_785_555_555
    assert sample.values == {
        "imu.left.header.frame_id": "imu",
        "imu.left.orientation": {"x": 0, "y": 0.1, "z": 0, "w": 1},
    }


def test_a_time_outside_the_values_is_found() -> None:
    [sample] = reader(path="data").samples('{"ts": 1785555555000, "data": {"a": 1}}')
    assert (sample.t, sample.values) == (1_785_555_555, {"a": 1})


def test_a_list_of_objects_gives_one_sample_per_object() -> None:
    assert [s.values for s in reader().samples('[{"a": 1}, {"a": 2}]')] == [{"a": 1}, {"a": 2}]


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value, column 1"),
        ("{", "Expecting property name"),
        ("7", "7"),
        ("null", "nothing"),
        ('"x"', "'x'"),
        ("[1]", "item 1: "),
        ("[[]]", "item 1: "),
        ('{"a": 1, "a": 2}', "the name 'a'"),
        (b'{"a": "\xff"}', "not UTF-8: invalid start byte at byte 7"),
        ("[" * 100_000, "nested too deep"),
        (json.dumps({str(n): n for n in range(MAX_VALUES + 1)}), "more than 1,000 values"),
        ('{"%s": 1}' % ("x" * 201), "has 201 characters, more than 200"),
        ('{"v": {"%s": 1, "y": 2}}' % ("x" * 201), "has 203 characters, more than 200"),
        ('{"a": "%s"}' % ("x" * 10_000_000), f"bytes, more than {MAX_PAYLOAD_BYTES:,}"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_unusable_payload_is_refused_with_the_reason(text: str | bytes, reason: str) -> None:
    with pytest.raises(PayloadRefused) as caught:
        reader().samples(text)
    assert reason in str(caught.value)


def test_bulk_data_costs_only_itself() -> None:
    text = json.dumps(
        {"speed": 1, "scan": [0] * (MAX_ITEMS + 1), "deep": json.loads(deep(MAX_DEPTH))}
    )
    one = reader()
    [sample] = one.samples(text)
    usable, unusable = usable_values(sample.values)
    assert usable == {"speed": 1}
    assert [value.parameter.partition(".")[0] for value in unusable] == ["scan", "deep"]
    assert [parameter.name for parameter in one.parameters] == ["speed"]


def test_a_payload_without_the_selected_part_is_refused() -> None:
    status = '{"op": "status", "level": "error", "msg": "no such topic"}'
    with pytest.raises(PayloadRefused, match="'msg', found the text 'no such topic'"):
        reader(path="msg").samples(status)
    with pytest.raises(PayloadRefused, match="'topic', found nothing"):
        reader(prefix="topic").samples("{}")


def test_a_duplicate_name_among_many_is_found_quickly() -> None:
    names = ", ".join(f'"{n:05}": 1' for n in range(70_000))
    with pytest.raises(PayloadRefused, match="'00000'"):
        reader().samples(f'{{{names}, "00000": 2}}')


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ('{"a": 1}', [""]),
        ('{\n "a": 1\n}\n', [""]),
        ('[{"a": 1},\n {"a": 1}]', ["item 1", "item 2"]),
        ('{"a": 1}\n{"a": 1}\n', ["line 1", "line 2"]),
        ('{"a": 1}\r\n\r\n{"a": 1}', ["line 1", "line 3"]),
        ('\n[{"a": 1}, {"a": 1}]\n{"a": 1}', ["line 2, item 1", "line 2, item 2", "line 3"]),
        ("[]", []),
    ],
)
def test_a_batch_is_json_or_json_lines(body: str, places: list[str]) -> None:
    found = list(reader().batch(body.encode()))
    assert [place for place, _ in found] == places
    assert all(sample.values == {"a": 1} for _, sample in found)


@pytest.mark.parametrize(
    ("body", "place", "fact"),
    [
        ("", "", "empty"),
        (" \n\n", "", "empty"),
        ('{"a": 1}\n{"a": }\n', "line 2", "Expecting value, column 7"),
        ('{"a": 1}\n7', "line 2", "7"),
        ('{"a": 1}\n[{}, 7]', "line 2, item 2", "7"),
        ('{"a": 1}\n{"a": 1, "a": 2}', "line 2", "'a'"),
        ('{\n "a": 1,\n "b": \n}', "line 4", "Expecting value, column 1"),
        ('{"a": \n{"a": 1}', "line 2", "JSON"),
        ('[{"a": 1}, 7]', "item 2", "7"),
        ('{"a": 1}{"a": 2}', "", "Extra data, column 9"),
    ],
)
def test_an_unusable_batch_is_refused_with_its_place(body: str, place: str, fact: str) -> None:
    with pytest.raises(PayloadRefused) as caught:
        list(reader().batch(body.encode()))
    assert caught.value.place == place
    assert fact in caught.value.reason


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"21.5", {"arm": 21.5}),
        (b"true", {"arm": True}),
        (b'"parked"', {"arm": "parked"}),
        (b"ON", {"arm": "ON"}),
        (b" parked \n", {"arm": "parked"}),
        (b"", {"arm": None}),
        (b"null", {"arm": None}),
        (b'{"x": 1, "y": 2}', {"arm": {"x": 1, "y": 2}}),
        (b'{"angle": 1, "ok": true}', {"arm.angle": 1, "arm.ok": True}),
    ],
)
def test_a_payload_may_be_the_value_of_one_parameter(
    payload: bytes, expected: dict[str, Any]
) -> None:
    assert reader().values("arm", payload) == expected


@pytest.mark.parametrize(
    ("payload", "values"),
    [
        ("21.5", {"arm": 21.5}),
        ("Online", {"arm": "Online"}),
        ('"parked"', {"arm": "parked"}),
        ("[1, 2]", {"arm.0": 1, "arm.1": 2}),
        ('{"a": 1}', {"a": 1}),
    ],
)
def test_a_payload_may_be_a_sample_or_a_single_value(payload: str, values: dict[str, Any]) -> None:
    assert [s.values for s in reader().samples(payload, value_place="arm")] == [values]


@pytest.mark.parametrize("payload", ["{", '"x', "[1", "two\nlines", "x" * 65])
def test_a_payload_that_is_neither_json_nor_a_word_is_refused(payload: str) -> None:
    with pytest.raises(PayloadRefused):
        reader().samples(payload, value_place="arm")


def test_an_empty_payload_of_a_topic_has_no_sample() -> None:
    assert reader().samples(b"", value_place="arm") == []


def test_bytes_that_are_not_text_are_refused() -> None:
    with pytest.raises(PayloadRefused, match="UTF-8"):
        reader().values("image", b"\x89PNG\xff")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(st.characters(codec=None, categories=None), max_size=8)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=6)
            | st.sampled_from(["t", "time", "late", "folded", "header", "stamp", "sec"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=24,
)


def publish(reader: PayloadReader, payload: bytes | str) -> None:
    """Put a payload on the wire and into the history, as the server does."""
    for sample in reader.samples(payload):
        data = sample_json(sample, late=True)
        encode(EventId("e", 1), NamedEvent("sample", data))
        sent = json.loads(data)
        assert set(sent) - {"t", "late"} == set(sample.values) - {"t", "late"}
        history = History()
        history.add(sample)
        history.archive()
    assert not {parameter.name for parameter in reader.parameters} & {*RESERVED}


@given(st.binary(max_size=200) | st.text(max_size=200))
@example(b"[" * 5000)
@example(b"9" * 5000)
@example(b'{"a":' + b"9" * 5000 + b"}")
@example('{"\ud800": "\ud800"}')
def test_any_payload_is_read_or_refused(payload: bytes | str) -> None:
    with suppress(PayloadRefused):
        publish(reader(), payload)


@given(JSON)
def test_any_json_can_be_published_or_is_refused(value: Any) -> None:
    with suppress(PayloadRefused):
        publish(reader(), json.dumps(value))
    reader().values("name", json.dumps(value))


@given(st.dictionaries(st.text(max_size=6), JSON, max_size=4))
def test_no_value_is_lost(root: dict[str, Any]) -> None:
    [sample] = reader().samples(json.dumps(root))
    assert leaves(dict(sample.values)) + (sample.t != NOW) >= leaves(root)


def leaves(value: Any) -> int:
    """Number of values that are not null."""
    if isinstance(value, Mapping):
        return sum(map(leaves, value.values()))
    if isinstance(value, list):
        return sum(map(leaves, value))
    return value is not None


@given(st.lists(st.binary(max_size=40), max_size=6).map(b"\n".join))
def test_any_batch_is_read_or_refused(body: bytes) -> None:
    with suppress(PayloadRefused):
        found = list(reader().batch(body))
        assert len({place for place, _ in found}) == len(found)


def test_a_dictionary_may_have_the_form_of_telemetry_parameters(tmp_path: Path) -> None:
    entry = {
        "name": "speed",
        "unit": "m/s",
        "kind": "number",
        "description": "Over ground",
        "limits": {
            "yellow": [None, 0.3],
            "red": [None, 0.4],
            "hysteresis": 0.05,
            "min_duration_s": 2,
        },
        "period_s": 0.5,
        "group": "drive",
    }
    file = tmp_path / "dictionary.json"
    expected = (
        Parameter(
            "speed",
            "m/s",
            "number",
            "Over ground",
            Limits((None, 0.3), (None, 0.4), 0.05, 2),
            0.5,
            "drive",
        ),
        Parameter("name", kind="text"),
    )
    for text in ({"parameters": [entry, {"name": "name", "kind": "text"}]}, [entry, {"name": "x"}]):
        file.write_text(json.dumps(text))
        assert read_dictionary(file)[0] == expected[0]
    assert read_dictionary(None) == ()


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("{", "JSON"),
        ("[" * 100_000, "JSON"),
        ("7", "parameters"),
        ("{}", "parameters"),
        ("[7]", "parameter 1: "),
        ("[{}]", "parameter 1: name=: "),
        ('[{"name": "t"}]', "parameter 1: name=t: "),
        ('[{"name": "a,b"}]', "parameter 1: name=a,b: "),
        ('[{"name": 7}]', "name=7: "),
        ('[{"name": "a"}, {"name": "a"}]', "parameter 2: name=a: "),
        ('[{"name": "a", "kind": "float"}]', "kind=float: "),
        ('[{"name": "a", "limit": {}}]', "limit: "),
        ('[{"name": "a", "limits": 7}]', "limits=7: "),
        ('[{"name": "a", "limits": {"orange": []}}]', "orange: "),
        ('[{"name": "a", "limits": {"red": [1]}}]', "red=[1]: "),
        ('[{"name": "a", "limits": {"red": [2, 1]}}]', "red=[2, 1]: "),
        ('[{"name": "a", "limits": {"red": [NaN, 1]}}]', "red=[nan, 1]: "),
        ('[{"name": "a", "limits": {"red": [0, 5], "yellow": [0, 9]}}]', "red=[0, 5]: "),
        ('[{"name": "a", "period_s": 0}]', "period_s=0: "),
        ('[{"name": "a", "period_s": "1"}]', "period_s=1: "),
        ('[{"name": "a", "period_s": true}]', "period_s=True: "),
        ('[{"name": "a", "group": 7}]', "group=7: "),
        ('[{"name": "a", "kind": "text", "limits": {"red": [0, 5]}}]', "kind=text: "),
        ('[{"name": "a", "limits": {"hysteresis": -1}}]', "hysteresis=-1: "),
        ('[{"name": "a", "limits": {"hysteresis": NaN}}]', "hysteresis=nan: "),
        ('[{"name": "a", "limits": {"min_duration_s": "2 s"}}]', "min_duration_s=2 s: "),
        ('[{"name": "a", "limits": {"min_duration_s": 1e9}}]', "min_duration_s=1000000000.0: "),
    ],
)
def test_an_invalid_dictionary_is_refused_with_its_place(
    tmp_path: Path, text: str, fact: str
) -> None:
    file = tmp_path / "dictionary.json"
    file.write_text(text)
    with pytest.raises(SourceError) as caught:
        read_dictionary(file)
    assert fact in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_missing_dictionary_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.json cannot be read: No such file"):
        read_dictionary(tmp_path / "nowhere.json")


def test_losses_are_counted_and_logged_at_powers_of_two(caplog: pytest.LogCaptureFixture) -> None:
    losses = Losses("mqtt host")
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            losses.add("not JSON", b"x" * 500)
    assert losses.count == 100
    assert len(caplog.records) == 7
    assert "mqtt host" in caplog.messages[0]
    assert f"{b'x' * 80!r}…" in caplog.messages[0]
    assert "not JSON" in caplog.messages[0]
