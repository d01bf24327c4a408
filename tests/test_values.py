"""The values of a sample that are usable, and the reasons why others are not."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from rover.telemetry.values import usable_values


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        (1.5, 1.5),
        (True, True),
        ("text", "text"),
        (None, None),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
        (math.nan, None),
        (-math.inf, None),
        (Decimal("3.25"), 3.25),
        (Fraction(1, 4), 0.25),
        (np.float32(1.5), 1.5),
        (np.float64(2.5), 2.5),
        (np.float16("nan"), None),
        (np.int64(2**62), 2**62),
        (np.uint8(7), 7),
        (np.bool_(True), True),
        (np.str_("text"), "text"),
        (np.array(4), 4),
        ({"lat": 18.4, "lon": np.float32(77.5)}, {"lat": 18.4, "lon": 77.5}),
    ],
)
def test_a_usable_value_becomes_a_plain_python_object(value: object, usable: object) -> None:
    found, unusable = usable_values({"speed": value})
    assert found == {"speed": usable}
    assert type(found["speed"]) is type(usable)
    assert not unusable


@pytest.mark.parametrize(
    "value",
    [
        object(),
        b"bytes",
        [1, 2],
        2**64,
        -(2**63) - 1,
        1 + 2j,
        "\ud800",
        np.array([1, 2]),
        np.datetime64("2026-11-28"),
        {"lat": "north"},
        {"lat": [1]},
        {"lat": True},
    ],
)
def test_only_the_unusable_value_is_left_out_and_its_parameter_is_named(value: object) -> None:
    found, unusable = usable_values({"speed": 1.0, "odd": value})
    assert found == {"speed": 1.0}
    assert [one.parameter for one in unusable] == ["odd"]
    assert str(unusable[0]).startswith("odd: ")
    assert len(str(unusable[0])) < 300


@pytest.mark.parametrize("name", [3, None, "\ud800"])
def test_the_name_of_a_parameter_must_be_valid_text(name: Any) -> None:
    found, unusable = usable_values({name: 1.0, "speed": 2.0})
    assert found == {"speed": 2.0}
    assert len(unusable) == 1
