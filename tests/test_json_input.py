"""JSON of clients: numbers and objects that a parser would change are not values."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover.json_input import InexactNumber, inexact_number, parse_json


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740991",
        "-9007199254740991",
        "1e23",
        "5e-324",
        "-0.0",
        "-0",
        "0e999",
        "0.5000",
        "1E5",
    ],
)
def test_numbers_that_a_double_holds_are_values(text: str) -> None:
    value = parse_json(text)
    assert value == json.loads(text)
    assert math.copysign(1, value) == (-1 if text.startswith("-") else 1)


@pytest.mark.parametrize(
    "text",
    [
        *("9007199254740992", "-9007199254740993", "1" * 5_000, "1e400", "-1e400", "1e-400"),
        *("9007199254740993.0", "4e-324", "3.14159265358979323846", "0.12345678901234567890"),
    ],
)
def test_numbers_that_a_double_cannot_hold_are_not_values(text: str) -> None:
    assert parse_json(text) == InexactNumber(text)
    assert inexact_number(parse_json(f'{{"a": [1, {{"b": {text}}}]}}')) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_is_a_value_however_programs_write_it(value: float) -> None:
    for text in (repr(value), f"{value:.16e}", f"{value:.20e}"):
        assert parse_json(text) == value


@given(st.integers())
def test_an_integer_is_the_same_or_is_not_a_value(value: int) -> None:
    assert parse_json(str(value)) in (value, InexactNumber(str(value)))


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", '{"a": -Infinity}', '{"a": 1, "a": 1}', '[{"a": 1, "b": 2, "a": 3}]', ""],
)
def test_texts_that_are_not_unambiguous_json_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_json(text)


def test_bytes_are_utf8() -> None:
    assert parse_json('"é"'.encode()) == "é"
    with pytest.raises(ValueError, match=r"\S"):
        parse_json('"é"'.encode("utf-16"))


@pytest.mark.parametrize("value", [math.inf, math.nan, 2**53, -(2**53), [{"a": -math.inf}]])
def test_values_of_programs_are_checked_too(value: Any) -> None:
    assert inexact_number(value)
    assert inexact_number({"a": [1, 0.5, "x", True, None]}) == ""


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_json_that_is_nested_too_deeply_is_refused_as_such(text: str) -> None:
    with pytest.raises(ValueError, match="nested"):
        parse_json(text)
