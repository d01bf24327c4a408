"""The one-way light time to the rover: a setting, or a telemetry parameter."""

from __future__ import annotations

import logging
from math import isfinite
from typing import TYPE_CHECKING, Any

from rover.wire import iso_or_none

if TYPE_CHECKING:
    from rover.settings import Settings
    from sources.base import Sample

logger = logging.getLogger("rover.commands")

MAX_S = 10.0**6

SHOWN_CHARS = 40
"""Maximum length of an unusable value in a warning."""


class LightTime:
    """The present one-way light time: the last usable value of the parameter.

    Without such a value, it is that of the setting.

    Args:
        settings: the setting, and the name of the parameter.
    """

    def __init__(self, settings: Settings) -> None:
        self._default_s = settings.light_time_s
        self._parameter = settings.light_time_parameter
        self._measured: tuple[float, float] | None = None
        self._unusable: str | None = None
        self._has_warned = False

    def update(self, sample: Sample) -> None:
        """Take the value of a sample in which the values are the newest of their parameters."""
        if not self._parameter or self._parameter not in sample.values:
            return
        value = sample.values[self._parameter]
        seconds = _usable(value)
        if seconds is not None:
            if self._measured is None:
                logger.info("the light time is %g s, from `%s`", seconds, self._parameter)
            self._measured, self._unusable = (sample.t, seconds), None
            return
        self._unusable = "null" if value is None else repr(value)[:SHOWN_CHARS]
        if not self._has_warned:  # each sample may be unusable
            self._has_warned = True
            self.warn()

    def warn(self) -> None:
        """Log why the light time may be wrong, if it may."""
        if self.problem is not None:
            logger.warning("the light time may be wrong: %s", self.problem)

    @property
    def seconds(self) -> float:
        """Seconds."""
        return self._default_s if self._measured is None else self._measured[1]

    @property
    def problem(self) -> str | None:
        """Why the light time may be wrong; `None` if the parameter states it, or none is set."""
        if not self._parameter or (self._measured is not None and self._unusable is None):
            return None
        why = (
            f"`{self._parameter}` has had no value (ROVER_LIGHT_TIME_PARAMETER)"
            if self._unusable is None
            else f"the newest value of `{self._parameter}` is {self._unusable}"
            f", not seconds from 0 to {MAX_S:,.0f}"
        )
        used = "ROVER_LIGHT_TIME_S" if self._measured is None else "the last usable value"
        return f"{why}; {used} counts: {self.seconds:g} s"

    def as_json(self) -> dict[str, Any]:
        """The light time as clients see it, and where it comes from."""
        return {
            "seconds": self.seconds,
            "parameter": self._parameter or None,
            "t": iso_or_none(None if self._measured is None else self._measured[0]),
            "problem": self.problem,
        }


def _usable(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if isfinite(value) and 0 <= value <= MAX_S else None
