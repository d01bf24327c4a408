"""The base of telemetry sources whose samples are JSON payloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.values.ranges import POSITIVE_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sources.base import Parameter
    from sources.values.losses import Losses
    from sources.values.payload import PayloadReader


class PayloadSource:
    """A source whose parameters are learned from its payloads.

    Args:
        reader: parses the payloads.
        period_s: expected seconds between two samples; `None` without a period.

    Raises:
        OptionError: the period is invalid.

    Attributes:
        reader: the same.
        period_s: exists only if it was given.
    """

    period_s: float

    def __init__(self, reader: PayloadReader, period_s: float | None) -> None:
        self.reader = reader
        if period_s is not None:
            self.period_s = POSITIVE_S.number("period_s", period_s)

    @property
    def replaced_times(self) -> Losses:
        """Samples with a time before 2001; they have their time of arrival instead."""
        return self.reader.replaced_times

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters declared, then those learned so far."""
        return self.reader.parameters
