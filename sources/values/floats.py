"""Numbers as floats of 32 bits have them, and as people read them."""

from __future__ import annotations

import math

HIGHEST_F32 = (2 - 2**-23) * 2.0**127
"""The largest float of 32 bits."""

HIGHEST_ROUNDED_F32 = math.nextafter(2.0**128 - 2.0**103, 0.0)
"""The largest float of 64 bits that rounds to `HIGHEST_F32` (IEEE 754, 4.3.1)."""


def exact(number: float) -> str:
    """A number with the fewest digits that no other number has."""
    short = f"{number:g}"
    return short if float(short) == number and isinstance(number, float) else repr(number)
