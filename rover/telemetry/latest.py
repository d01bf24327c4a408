"""The newest value of each parameter, with its own time, quality and source."""

from __future__ import annotations

import sys
from time import time
from typing import TYPE_CHECKING, Any, Literal

from rover.telemetry.order import JUMP_S
from rover.wire import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from rover.telemetry.freshness import Freshness
    from sources.base import Parameter, Sample, Value


Quality = Literal["live", "stale", "late"]
"""Whether the newest value shows the present.

`stale`: no value of the parameter has arrived for several periods, late or not, or its source is
down. `late`: values
arrive, but the time of the newest is more than `JUMP_S` before the arrival of the last: it was
delayed, for example by a broker that kept it during a restart, or the clock of its device is
behind. `live`: neither.
"""


class Latest:
    """The newest values.

    Args:
        freshness: decides which of them are stale.
        source_of: the name of a parameter's source.
        is_silent: whether the source of a parameter is down, or stale as a whole.
        present: POSIX seconds.

    Attributes:
        on_update: called with each sample, also with those of before a restart.
    """

    def __init__(
        self,
        freshness: Freshness,
        source_of: Callable[[str], str],
        is_silent: Callable[[str], bool],
        present: Callable[[], float] = time,
    ) -> None:
        self._freshness = freshness
        self._source_of = source_of
        self._is_silent = is_silent
        self._present = present
        self._values: dict[str, Value] = {}
        self._times: dict[str, float] = {}
        self.on_update: Callable[[Sample], None] = lambda _: None

    def __len__(self) -> int:
        """The number of parameters with a value."""
        return len(self._values)

    def update(self, sample: Sample) -> None:
        """Store the values of a sample, each of which is the newest of its parameter."""
        self._values.update(sample.values)
        self._times.update(dict.fromkeys(sample.values, sample.t))
        self.on_update(sample)

    def items(self) -> Iterator[tuple[str, tuple[float, Value]]]:
        """The time and value of each parameter, by its name."""
        return ((name, (self._times[name], value)) for name, value in self._values.items())

    def newest(self, name: str) -> tuple[float, Value]:
        """The time and value of a parameter; `(0.0, None)` if there is none."""
        return self._times.get(name, 0.0), self._values.get(name)

    def known(self, fields: Collection[str] | None) -> bool:
        """Whether there is a value of any of these parameters; `None` for all."""
        return bool(self._values if fields is None else self._values.keys() & set(fields))

    def live_numbers(self, periods_s: Mapping[str, float | None]) -> Iterator[tuple[str, float]]:
        """The name and the newest value of each parameter that is live and a number or boolean.

        The values are those at the time of this call. The iterator may be used in another thread.

        Args:
            periods_s: declared periods of the parameters.
        """
        values = list(self._values.items())
        return (
            (name, float(value))
            for name, value in values
            if isinstance(value, int | float)
            and abs(value) <= sys.float_info.max
            and self._quality(name, periods_s.get(name)) == "live"
        )

    def as_json(
        self, parameters: Iterable[Parameter], fields: Collection[str] | None
    ) -> dict[str, Any]:
        """The values by name, and in `details` the time, quality, age and source of each.

        `t` is the newest time of all. For the quality, see `Quality`. The age is in seconds since
        the value was received.
        """
        names = [n for n in self._values if fields is None or n in fields]
        periods_s = dict.fromkeys(names, None) | {
            p.name: p.period_s for p in parameters if p.name in self._values
        }
        details = {
            name: {
                "t": iso(self._times[name]),
                "quality": self._quality(name, periods_s[name]),
                "age_s": round(self._freshness.silent_s(name), 1),
                "source": self._source_of(name),
            }
            for name in names
        }
        newest = iso(max(self._times[name] for name in names))
        return {"t": newest, **{n: self._values[n] for n in names}, "details": details}

    def _quality(self, name: str, period_s: float | None) -> Quality:
        if self._freshness.is_stale(name, period_s) or self._is_silent(name):
            return "stale"
        last_arrival = self._present() - self._freshness.silent_s(name)
        return "late" if last_arrival - self._times[name] > JUMP_S else "live"
