from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rover.wire import HEARTBEAT, dumps, dumps_sorted, iso, iso_or_none, sse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)

SECONDS_OF_YEAR_1 = -62_135_596_800
SECONDS_OF_YEAR_10000 = 253_402_300_800

ONE_LINE = st.text().filter(lambda text: not re.search(r"[\r\n]", text))


def finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list) else value


@given(VALUES)
def test_json_is_one_line_of_the_same_value_with_null_for_nan_and_infinities(
    value: object,
) -> None:
    text = dumps(value)
    assert not re.search(r"[\r\n]", text)
    assert json.loads(text, parse_constant=pytest.fail) == finite(value)


def test_json_is_compact_and_not_escaped_to_ascii() -> None:
    assert dumps({"t": 1.5, "unit": "°C", "of": [1, None, True]}) == (
        '{"t":1.5,"unit":"°C","of":[1,null,true]}'
    )


def test_equal_objects_are_equal_texts_when_sorted() -> None:
    value = {"b": {"d": math.nan, "c": 1}, "a": 2}
    assert dumps_sorted(value) == '{"a":2,"b":{"c":1,"d":null}}'


def test_a_value_without_a_json_form_raises() -> None:
    with pytest.raises(TypeError):
        dumps({"when": datetime.now(UTC)})


@given(st.floats(SECONDS_OF_YEAR_1, SECONDS_OF_YEAR_10000 - 1))
@example(SECONDS_OF_YEAR_1)
def test_a_time_is_rfc_3339_to_the_millisecond(t: float) -> None:
    text = iso(t)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert 0 <= t - datetime.fromisoformat(text).timestamp() + 1e-4 < 0.0012


def test_times_are_in_utc() -> None:
    assert iso(1_795_330_800.123) == "2026-11-22T07:00:00.123Z"
    assert iso_or_none(0) == "1970-01-01T00:00:00.000Z"
    assert iso_or_none(None) is None


@pytest.mark.parametrize(
    "t", [math.nan, math.inf, -math.inf, SECONDS_OF_YEAR_1 - 1, SECONDS_OF_YEAR_10000, 1e300]
)
def test_a_time_outside_the_years_1_to_9999_raises(t: float) -> None:
    with pytest.raises(ValueError, match=r".+"):
        iso(t)


def parse(stream: bytes) -> list[tuple[str, str, str]]:
    """The events of a stream as (type, id, data), parsed as browsers do (WHATWG HTML, 9.2.6)."""
    events = []
    name, last_id, data = "", "", [""][:0]
    for line in re.split(r"\r\n|\r|\n", stream.decode()):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                events.append((name or "message", last_id, "\n".join(data)))
            name, data = "", []
        elif field == "event":
            name = value
        elif field == "id" and "\0" not in value:
            last_id = value
        elif field == "data":
            data.append(value)
    return events


@given(st.text())
@example("two\nlines")
@example("ends with one\n")
@example("\n")
@example("a\r\nb\rc")
@example("a\nb\u2028c\x85d\x0be")
def test_a_browser_receives_the_data_that_was_sent(data: str) -> None:
    assert parse(sse(data)) == [("message", "", re.sub(r"\r\n|\r", "\n", data))]


def test_an_event_has_its_name_and_its_id() -> None:
    assert sse("{}") == b"data: {}\n\n"
    assert sse("{}", event="gap", event_id="e-7") == b"id: e-7\nevent: gap\ndata: {}\n\n"
    assert parse(sse("{}", event="gap", event_id="e-7")) == [("gap", "e-7", "{}")]


def test_an_event_can_set_the_retry_time() -> None:
    assert sse("{}", event="bye", retry_ms=2000) == b"event: bye\ndata: {}\nretry: 2000\n\n"


def test_a_heartbeat_is_not_an_event() -> None:
    assert parse(HEARTBEAT + sse("1") + HEARTBEAT + sse("2") + HEARTBEAT) == parse(
        sse("1") + sse("2")
    )
