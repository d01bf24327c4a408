"""A value that a source has received but leaves to the mission to refuse."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bulk:
    """A value in a sample that is too large or too deep for telemetry.

    The mission leaves it out, counts it, and keeps the other values of its sample.

    Attributes:
        reason: why it cannot be used.
    """

    reason: str
