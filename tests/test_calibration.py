from __future__ import annotations

import pytest

from rover.telemetry.calibration import Points, Polynomial


@pytest.mark.parametrize(("raw", "value"), [(0, 1.0), (2, 1 + 2 * 2 + 3 * 4), (-1, 2.0)])
def test_a_polynomial_begins_with_the_constant_coefficient(raw: float, value: float) -> None:
    assert Polynomial((1.0, 2.0, 3.0)).apply(raw) == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [(0, 0.0), (512, 1.0), (768, 2.0), (1024, 3.0), (256, 0.5), (-512, -1.0), (1536, 5.0)],
)
def test_points_are_joined_by_lines_that_continue_at_both_ends(raw: float, value: float) -> None:
    assert Points((0, 512, 1024), (0.0, 1.0, 3.0)).apply(raw) == value
