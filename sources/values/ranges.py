"""Numbers within a range, and the error for a number outside it.

rate_hz=999: must be a number of at least 0.001 and at most 20 Hz
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sources.base import SourceError


class OptionError(SourceError):
    """An option of a source has an unusable value.

    Attributes:
        name: the option.
        value: as given.
        reason: such as `must be a number of at least 1 and at most 60 s`.
    """

    def __init__(self, name: str, value: object, reason: str) -> None:
        self.name = name
        self.value = value
        self.reason = reason
        super().__init__(f"{name}={plain(value)!s:.80}: {reason}")


@dataclass(frozen=True, slots=True)
class Range:
    """The finite numbers between two bounds.

    Attributes:
        at_least: the smallest number; `None` for no lower bound.
        at_most: the largest number; `None` for no upper bound.
        unit: of both bounds.
        more_than: an exclusive lower bound; `None` for none.
    """

    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    more_than: float | None = None

    def __contains__(self, number: float) -> bool:
        return (
            (isinstance(number, int) or math.isfinite(number))
            and (self.at_least is None or number >= self.at_least)
            and (self.at_most is None or number <= self.at_most)
            and (self.more_than is None or number > self.more_than)
        )

    def must_be(self, noun: str = "a number") -> str:
        """The sentence for an error: `must be a number of at least 1 and at most 60 s`."""
        bounds = (
            ("more than", self.more_than),
            ("at least", self.at_least),
            ("at most", self.at_most),
        )
        text = " and ".join(f"{side} {bound:,}" for side, bound in bounds if bound is not None)
        return f"must be {noun} of {text} {self.unit}".rstrip() if text else f"must be {noun}"

    def number(self, name: str, value: object) -> float:
        """`value`, checked: the option `name` must be a number in this range.

        Raises:
            OptionError: the value is not such a number.
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or value not in self:
            raise OptionError(name, value, self.must_be())
        return value

    def whole(self, name: str, value: object) -> int:
        """`value`, checked: the option `name` must be a whole number in this range.

        Raises:
            OptionError: the value is not such a number.
        """
        if isinstance(value, bool) or not isinstance(value, int):
            raise OptionError(name, value, self.must_be("a whole number"))
        if value not in self:
            raise OptionError(name, value, self.must_be())
        return value


POSITIVE_S = Range(more_than=0, unit="s")
"""Any positive number of seconds."""


def plain(value: object) -> object:
    """The value as people write it: `900` for `900.0`."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
