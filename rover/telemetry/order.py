"""The order of values, decided per parameter: values come from devices with clocks of their own.

A late value is older than the newest value of the same parameter: it was delayed on its way. A
clock that was set back makes all later values late. So if a parameter receives only late values for
`JUMP_S`, its clock was set back, and its new times are accepted.

One value from a clock that jumps into the future would make all later ones late. Nothing is
measured in the future, so such a time is doubtful until the next value confirms it. If the
first time of a parameter is in the future (a simulation, or this server's clock is wrong), its
values keep their own times.
"""

from __future__ import annotations

import logging
from math import inf
from time import monotonic, time
from typing import TYPE_CHECKING, NamedTuple

from rover.wire import iso
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from sources.base import Value

logger = logging.getLogger("rover.telemetry")

JUMP_S = 60.0
"""Maximum delay of a value, and maximum seconds that a clock may be ahead of the server's."""


class Placed(NamedTuple):
    """The parts of one sample.

    Attributes:
        newest: values that are the newest of their parameters; `None` if there are none.
        late: values that are older than the newest of their parameters; `None` if there are none.
        leads: whether no parameter has a newer time than the newest values.
    """

    newest: Sample | None
    late: Sample | None
    leads: bool = True


class ParameterOrder:
    """The newest time of each parameter.

    Args:
        clock: monotonic seconds.
        present: POSIX seconds.

    Attributes:
        newest: POSIX seconds by parameter.
    """

    def __init__(
        self, clock: Callable[[], float] = monotonic, present: Callable[[], float] = time
    ) -> None:
        self.newest: dict[str, float] = {}
        self._ahead = -inf  # the newest time of any parameter
        self._clock = clock
        self._present = present
        self._late_since: dict[str, float] = {}
        self._doubtful: dict[str, float] = {}  # the last doubtful time of each parameter
        self._doubts = self._set_back = 0

    def restore(self, name: str, t: float) -> None:
        """Use a parameter's newest time from before a restart."""
        self.newest[name] = t
        self._ahead = max(t, self._ahead)

    def place(self, sample: Sample) -> Placed:
        """Split a sample into its newest and its late values.

        Values of a doubtful time are placed at the newest time of the source so far; their own time
        is in `t_sent`.
        """
        t, values = sample.t, sample.values
        if self._ahead <= t <= self._present() + JUMP_S:  # all are the newest, as nearly always
            self.newest.update(dict.fromkeys(values, t))
            self._ahead = t
            if self._late_since or self._doubtful:
                self._settle(values)
            return Placed(sample, None)
        leads = t >= self._ahead
        newest: dict[str, Value] = {}
        late: dict[str, Value] = {}
        doubtful: dict[str, Value] = {}
        set_back = False
        for name, value in values.items():
            part = newest
            known = self.newest.get(name, -inf)
            if t < known and not self._was_set_back(name, t, known):
                part = late
            elif self._is_doubtful(name, t, known):
                part = doubtful
            else:
                set_back = set_back or t < known
                self.newest[name] = t
                self._settle((name,))
            part[name] = value
        if newest and (leads or set_back):
            self._ahead = max(self.newest.values())
        placed = Sample(t, newest) if newest else None
        if doubtful:
            at = max(self.newest[name] for name in doubtful)
            placed = Sample(at, {**newest, **doubtful, "t_sent": iso(t)})
            leads = False
        return Placed(placed, Sample(t, late) if late else None, leads or t == self._ahead)

    def _settle(self, names: object) -> None:
        for name in names:  # type: ignore[attr-defined] # any iterable of names
            self._late_since.pop(name, None)
            self._doubtful.pop(name, None)

    def _was_set_back(self, name: str, t: float, known: float) -> bool:
        now = self._clock()
        late_since = self._late_since.setdefault(name, now)
        future = self._present() + JUMP_S
        corrected = t <= future < known and t < known - JUMP_S
        if not corrected and now - late_since < JUMP_S:
            return False
        self._set_back += 1
        if _is_reported(self._set_back):
            logger.warning(
                "telemetry: the clock of %s was set back by %.0f s; its new times are accepted",
                name,
                known - t,
            )
        return True

    def _is_doubtful(self, name: str, t: float, known: float) -> bool:
        present = self._present()
        if not -inf < known <= present + JUMP_S < t or not known + JUMP_S < t:
            return False
        if t >= self._doubtful.get(name, inf):
            return False  # the second such time in a row confirms the first
        self._doubtful[name] = t
        self._doubts += 1
        if _is_reported(self._doubts):
            logger.warning(
                "telemetry: doubtful time %d: %s is %.0f s in the future; its value is published "
                "at the newest time so far",
                self._doubts,
                name,
                t - present,
            )
        return True


def _is_reported(count: int) -> bool:
    """Whether to log it: the 1st, 2nd, 4th, 8th … time, so that a log is never flooded."""
    return count.bit_count() == 1
