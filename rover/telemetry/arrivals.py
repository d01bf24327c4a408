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

from heapq import merge
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rover.archive.points import Points, joined
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from rover.archive.table import Table
    from rover.telemetry.past import Past
    from sources.base import Value

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
    """Whether a series has values of a parameter, and not times."""
    return parameter_of(series) != ""


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


def received_between(window: Mapping[str, Points], since: float, until: float) -> dict[str, Points]:
    """The points of series by own time; those that arrived outside of a time range become prompt.

    So a replay of them shows each.

    Args:
        window: series of the same time range.
        since: POSIX seconds.
        until: POSIX seconds, exclusive.
    """
    if (arrivals := window.get(ARRIVALS)) is None:
        return dict(window)
    at = arrivals.column("")
    received = arrivals[(since <= at) & (at < until)]
    found: dict[str, list[Points]] = {}
    for series, points in window.items():
        if series != ARRIVALS:
            inside = np.isin(points.t, received.t) | (not is_by_time(series))
            for name, rows in ((series, inside), (parameter_of(series), ~inside)):
                if rows.any():
                    found.setdefault(name, []).append(points[rows])
    if len(received):
        found[ARRIVALS] = [received]
    return {name: whole for name, some in found.items() if (whole := joined(some)) is not None}


def measured_elsewhere(
    window: Mapping[str, Points], since: float, until: float
) -> dict[str, Points]:
    """The points of series by arrival whose own times are outside of a range, by own time.

    Args:
        window: series of the same time range, with the own times.
        since: POSIX seconds.
        until: POSIX seconds, exclusive.
    """
    if (times := window.get(OWN_TIMES)) is None:
        return {}
    found = {}
    for series, points in window.items():
        rows = np.searchsorted(times.t, points.t).clip(max=len(times) - 1)
        t = times.column("")[rows]
        outside = (times.t[rows] == points.t) & ~((since <= t) & (t < until))
        if outside.any():
            columns = (points.t,) if series == OWN_TIMES else points.columns
            moved = Points(t, points.late, points.parts, columns)[outside].in_order()
            found[BY_TIME + parameter_of(series)] = moved
    return found


class Shown(NamedTuple):
    """A sample as a replay shows it.

    Attributes:
        t: POSIX seconds at which it is shown.
        sample: with its own time.
        late: whether it was older than the newest values when it arrived; always `False` for one
            that is shown at its own time.
    """

    t: float
    sample: Sample
    late: bool


def shown(
    past: Past, since: float, until: float, fields: Collection[str] | None = None
) -> Iterator[Shown]:
    """The samples of a time range in the order in which a replay shows them.

    The arguments and errors are those of `Past.tables`.
    """
    prompt = past.prompt_tables(since, until, fields)
    others = past.arrival_tables(since, until, fields)
    yield from merge(
        (one for table in prompt for one in _prompt(past, table)),
        (one for table in others for one in _others(past, table)),
        key=lambda one: one.t,
    )


def _prompt(past: Past, table: Table) -> Iterator[Shown]:
    columns = table.as_columns(past.integers)
    times = columns.pop("t")
    del columns["late"]  # in order of time, none is
    for row, t in enumerate(times):
        yield Shown(t, Sample(t, _values(columns, row)), late=False)


def _others(past: Past, table: Table) -> Iterator[Shown]:
    columns = table.as_columns([BY_ARRIVAL + name for name in past.integers])
    arrivals, late, times = columns.pop("t"), columns.pop("late"), columns.pop(OWN_TIMES)
    by_parameter = {parameter_of(series): column for series, column in columns.items()}
    for row, at in enumerate(arrivals):
        if times[row] is not None and (values := _values(by_parameter, row)):
            yield Shown(at, Sample(times[row], values), late[row])


def _values(columns: Mapping[str, list[Any]], row: int) -> dict[str, Any]:
    return {name: column[row] for name, column in columns.items() if column[row] is not None}


class Newest(NamedTuple):
    """The newest value of a parameter.

    Attributes:
        shown_at: POSIX seconds at which a replay shows it.
        t: its own time in POSIX seconds.
        value: as JSON.
    """

    shown_at: float
    t: float
    value: Any


def newest_shown(
    past: Past, until: float, fields: Collection[str] | None = None
) -> dict[str, Newest]:
    """The newest value of each parameter that a replay shows before a time.

    Late ones count only if there is no other. The arguments and errors are those of
    `Past.tables_before`.
    """
    found: dict[str, Newest] = {}
    prompt = (one for table in past.prompt_before(until, fields) for one in _prompt(past, table))
    others = (one for table in past.arrivals_before(until, fields) for one in _others(past, table))
    for one in chain(prompt, others):
        for name, value in one.sample.values.items():
            if name not in found or one.t >= found[name].shown_at:
                found[name] = Newest(one.t, one.sample.t, value)
    return found
