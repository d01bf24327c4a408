"""Numbers at the edge of floats of 32 bits, and numbers for people."""

from __future__ import annotations

import struct
from math import nextafter

import pytest

from sources.values.floats import HIGHEST_F32, HIGHEST_ROUNDED_F32, exact


def test_the_highest_numbers_are_those_that_struct_packs() -> None:
    for number in (HIGHEST_F32, HIGHEST_ROUNDED_F32, -HIGHEST_ROUNDED_F32):
        assert struct.pack(">f", number).hex() in ("7f7fffff", "ff7fffff")
    with pytest.raises(OverflowError):
        struct.pack(">f", nextafter(HIGHEST_ROUNDED_F32, 1e300))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (7, "7"),
        (2**63 - 1, "9223372036854775807"),
        (0.1, "0.1"),
        (50.0, "50"),
        (-1e300, "-1e+300"),
        (1.2345678, "1.2345678"),
        (HIGHEST_ROUNDED_F32, "3.4028235677973362e+38"),
    ],
)
def test_people_read_the_number_itself(number: float, text: str) -> None:
    assert exact(number) == text
    assert type(number)(text) == number
