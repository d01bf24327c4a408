"""Calibration: from the raw value of a sensor to the value in the parameter's unit."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Calibration(Protocol):
    """Converts raw values."""

    def apply(self, raw: float) -> float:
        """The calibrated value.

        Raises:
            OverflowError: it is too large.
        """
        ...


@dataclass(frozen=True, slots=True)
class Polynomial:
    """`c0 + c1 * raw + c2 * raw**2 + …`.

    Attributes:
        coefficients: from the constant one on.
    """

    coefficients: Sequence[float]

    def apply(self, raw: float) -> float:
        """The calibrated value."""
        value = 0.0
        for coefficient in reversed(self.coefficients):
            value = value * raw + coefficient
        return value


@dataclass(frozen=True, slots=True)
class Points:
    """Lines between points. The first and the last line continue beyond the points.

    Attributes:
        raw: the raw values of at least two points, ascending.
        calibrated: the calibrated value of each.
    """

    raw: Sequence[float]
    calibrated: Sequence[float]

    def apply(self, raw: float) -> float:
        """The calibrated value."""
        right = min(max(bisect_right(self.raw, raw), 1), len(self.raw) - 1)
        left = right - 1
        slope = (self.calibrated[right] - self.calibrated[left]) / (
            self.raw[right] - self.raw[left]
        )
        return self.calibrated[left] + slope * (raw - self.raw[left])
