"""The one-way light time to the rover: a setting, or a telemetry parameter."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from rover.wire import iso_or_none

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.settings import Settings

MAX_S = 10.0**6


class LightTime:
    """The present one-way light time.

    Args:
        settings: the setting, and the name of the parameter.
        newest: returns the time in POSIX seconds and the newest value of a parameter.
    """

    def __init__(
        self,
        settings: Settings,
        newest: Callable[[str], tuple[float, object]] = lambda _: (0.0, None),
    ) -> None:
        self._settings = settings
        self._newest = newest

    @property
    def seconds(self) -> float:
        """Seconds; those of the setting while the parameter has no usable value."""
        measured = self._measured()
        return self._settings.light_time_s if measured is None else measured[1]

    def as_json(self) -> dict[str, Any]:
        """The light time as clients see it, and where it comes from."""
        measured = self._measured()
        return {
            "seconds": self.seconds,
            "parameter": self._settings.light_time_parameter or None,
            "t": iso_or_none(None if measured is None else measured[0]),
        }

    def _measured(self) -> tuple[float, float] | None:
        if not self._settings.light_time_parameter:
            return None
        t, value = self._newest(self._settings.light_time_parameter)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return (t, float(value)) if isfinite(value) and 0 <= value <= MAX_S else None
