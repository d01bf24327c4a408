"""A value and the limit that it is compared with, as text: always with enough digits to differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Literal

MIN_DIGITS = 6
MAX_DIGITS = 17
"""Number of significant digits of the shortest text that distinguishes any two floats."""


class Comparison(NamedTuple):
    """How a value relates to a limit: `3.1999999 V, below 3.2 V`.

    Attributes:
        value: in the unit.
        threshold: the limit, in the unit.
        side: `low` if smaller values are outside, `high` if larger ones are.
        unit: of both; may be empty.
    """

    value: float
    threshold: float
    side: Literal["low", "high"]
    unit: str

    def __str__(self) -> str:
        value, threshold = distinct(self.value, self.threshold)
        unit = f" {self.unit}" if self.unit else ""
        is_low = self.side == "low"
        if self.value == self.threshold:
            relation = "equal to"
        elif self.value < self.threshold:
            relation = "below" if is_low else "not above"
        else:
            relation = "not below" if is_low else "above"
        return f"{value}{unit}, {relation} {threshold}{unit}"


def distinct(a: float, b: float) -> tuple[str, str]:
    """Both numbers as text with the fewest digits, at least six, that show their difference."""
    texts = "", ""
    for digits in range(MIN_DIGITS, MAX_DIGITS + 1):
        texts = _text(a, digits), _text(b, digits)
        if texts[0] != texts[1]:
            break
    return texts


def _text(number: float, digits: int) -> str:
    if isinstance(number, int) or (number.is_integer() and abs(number) < 10**digits):
        return str(int(number))
    if digits == MAX_DIGITS:
        return repr(number)
    text = f"{number:.{digits}g}"
    return f"{number:.0f}" if "e" in text and 1 <= abs(number) < 1e16 else text
