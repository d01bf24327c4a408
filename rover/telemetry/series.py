r"""Samples whose time is not that of their arrival: they were delayed, or their clock is wrong.

Queries find a sample by its own time. A replay shows it when it arrived, so the archive has such
samples twice, in series with other names than their parameters:

    speed          values that arrived when they were measured
    \x1et speed    the others, by their own time
    \x1et          the times at which the others arrived, by their own time
    \x1ea speed    the others, by the time of their arrival
    \x1ea          the own times of the others, by the time of their arrival
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sources.base import Value

MAX_PARAMETERS = 2000
"""Maximum number of parameters; values of others are not stored."""

PROMPT_S = 1.0
"""Maximum seconds between the time of a sample and its arrival for which replays show it at its own
time. Two devices with good clocks stay in order of their measurements then."""

BY_TIME, BY_ARRIVAL = "\x1et ", "\x1ea "
"""The beginnings of the names of series. No parameter's name begins with a control character."""

ARRIVALS, OWN_TIMES = BY_TIME, BY_ARRIVAL
"""The series of the times of arrival by own time, and of the own times by arrival."""


def parameter_of(series: str) -> str:
    """The parameter whose values a series has; empty if it has others."""
    return series[len(BY_TIME) :] if series.startswith((BY_TIME, BY_ARRIVAL)) else series


def parameters_of(series: Iterable[str]) -> dict[str, None]:
    """The parameters whose values some series have, in their order."""
    found = dict.fromkeys(map(parameter_of, series))
    found.pop("", None)
    return found


def is_by_time(series: str) -> bool:
    """Whether a series has the values that did not arrive when they were measured."""
    return series.startswith(BY_TIME)


def is_value(series: str) -> bool:
    """Whether a series has values of a parameter by their own time."""
    return parameter_of(series) != "" and not series.startswith(BY_ARRIVAL)


def is_prompt(t: float, at: float) -> bool:
    """Whether a sample of a time arrived when it was measured."""
    return abs(at - t) <= PROMPT_S


def series_by_time(name: str, t: float, at: float) -> str:
    """The series of a parameter, by own time, that has its value of a time and an arrival."""
    return name if is_prompt(t, at) else BY_TIME + name


def twice(sample: Sample, at: float) -> tuple[Sample, Sample]:
    """A sample that is not prompt, as it is stored: by its own time, and by its arrival."""
    by_time: dict[str, Value] = {BY_TIME + name: one for name, one in sample.values.items()}
    by_arrival: dict[str, Value] = {BY_ARRIVAL + name: one for name, one in sample.values.items()}
    by_time[ARRIVALS], by_arrival[OWN_TIMES] = at, sample.t
    return Sample(sample.t, by_time), Sample(at, by_arrival)


class SeriesNames:
    """The parameters that have values, and the series in which these are.

    `note` is called on the event loop, and all else in any thread. The series of a result are by
    the name under which they are shown together.

    Attributes:
        parameters: their names, in the order in which they were noted.
    """

    def __init__(self) -> None:
        self.parameters: dict[str, None] = {}
        self._not_prompt: dict[str, None] = {}  # the parameters with such values

    def note(self, parameters: Iterable[str], *, is_prompt: bool) -> None:
        """Note the parameters of a sample."""
        for known in (self.parameters,) if is_prompt else (self.parameters, self._not_prompt):
            for name in parameters:
                if len(known) < MAX_PARAMETERS:
                    known[name] = None

    def note_stored(self, series: Collection[str]) -> None:
        """Note series of the archive."""
        self.parameters.update(parameters_of(series))
        self._not_prompt.update(parameters_of(filter(is_by_time, series)))

    def stored(self) -> list[str]:
        """All series."""
        marks = BY_TIME, BY_ARRIVAL
        others = [mark + name for name in [*self._not_prompt] for mark in marks]
        return [*self.parameters, *others, *((ARRIVALS, OWN_TIMES) if others else ())]

    def by_time(self, fields: Collection[str] | None = None) -> dict[str, tuple[str, ...]]:
        """The series of all values of some parameters, by their own times."""
        return {
            name: (name, BY_TIME + name) if name in self._not_prompt else (name,)
            for name in self._chosen(fields)
        }

    def prompt(self, fields: Collection[str] | None = None) -> dict[str, tuple[str, ...]]:
        """The series of the values that arrived when they were measured."""
        return {name: (name,) for name in self._chosen(fields)}

    def by_arrival(self, fields: Collection[str] | None = None) -> dict[str, tuple[str, ...]]:
        """The series of the others by arrival, each under its own name; none without any."""
        names = [name for name in [*self._not_prompt] if fields is None or name in fields]
        series = [*(BY_ARRIVAL + name for name in names), OWN_TIMES] if names else []
        return {one: (one,) for one in series}

    def _chosen(self, fields: Collection[str] | None) -> list[str]:
        return [*(self.parameters if fields is None else fields)]
