"""What the numbers among a source's options must be."""

from __future__ import annotations

import math

from sources.base import SourceError


def positive(name: str, number: float) -> float:
    """The number.

    Raises:
        SourceError: it is not more than 0 and finite; the text names it.
    """
    if not 0 < number < math.inf:
        raise SourceError(f"{name} is {number:g}; it must be more than 0")
    return number
