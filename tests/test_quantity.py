"""A value and its limit as text: with unit, and with enough digits to differ."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rover.telemetry.quantity import Comparison, distinct

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1)


@pytest.mark.parametrize(
    ("value", "threshold", "texts"),
    [
        (90.0, 80, ("90", "80")),
        (3.1999999, 3.2, ("3.1999999", "3.2")),
        (math.nextafter(3.2, 0), 3.2, ("3.1999999999999997", "3.2")),
        (0.1 + 0.2, 0.25, ("0.3", "0.25")),
        (1_234_567.89, 1_200_000.0, ("1234568", "1200000")),
        (9_223_372_036_854_775_809, 2.0**63, ("9223372036854775809", "9.22337e+18")),
        (1e-9, 2e-9, ("1e-09", "2e-09")),
    ],
)
def test_numbers_have_as_many_digits_as_show_their_difference(
    value: float, threshold: float, texts: tuple[str, str]
) -> None:
    assert distinct(value, threshold) == texts


@given(NUMBERS, NUMBERS)
def test_different_numbers_have_different_texts(a: float, b: float) -> None:
    assume(a != b)
    texts = distinct(a, b)
    assert texts[0] != texts[1]


@given(NUMBERS)
def test_the_next_number_has_a_different_text(a: float) -> None:
    near = a + 1 if isinstance(a, int) else math.nextafter(a, math.inf)
    assume(math.isfinite(near))
    assert len(set(distinct(a, near))) == 2


@pytest.mark.parametrize(
    ("comparison", "text"),
    [
        (Comparison(90, 80, "high", "m/s"), "90 m/s, above 80 m/s"),
        (Comparison(78, 80, "high", ""), "78, not above 80"),
        (Comparison(3.2, 3.2, "low", "V"), "3.2 V, equal to 3.2 V"),
        (Comparison(3.3, 3.2, "low", "V"), "3.3 V, not below 3.2 V"),
    ],
)
def test_a_comparison_is_true(comparison: Comparison, text: str) -> None:
    assert str(comparison) == text
