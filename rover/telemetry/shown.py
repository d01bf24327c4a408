"""Past samples as a replay shows them: when they arrived, if that was not at their own time."""

from __future__ import annotations

import sys
from heapq import merge
from itertools import chain, pairwise
from math import inf, nextafter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rover.archive.table import Excerpt, table_of
from rover.telemetry.series import BY_ARRIVAL, OWN_TIMES, parameter_of
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from rover.archive.points import Points
    from rover.archive.table import Table
    from rover.telemetry.past import Past


NEAR_S = 60.0
"""Maximum seconds between two arrivals whose own times are read together."""


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
    prompt = past.reader.tables(past.series.prompt(fields), since, until)
    others = past.reader.tables(past.series.by_arrival(fields), since, until)
    yield from merge(
        (one for table in prompt for one in _prompt(past, table)),
        (one for table in others for one in _others(past, table)),
        key=lambda one: one.t,
    )


def shown_ends(past: Past) -> tuple[float, float]:
    """When a replay shows the first sample and the newest, in POSIX seconds.

    Without any, the first is infinite and the other -infinite.

    Raises:
        LogDamaged: the database cannot be read.
    """
    return past.reader.ends([*past.series.prompt(), *past.series.by_arrival()])


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
    for one in chain(_prompt_before(past, until, fields), _others_before(past, until, fields)):
        for name, value in one.sample.values.items():
            if name not in found or one.t >= found[name].shown_at:
                found[name] = Newest(one.t, one.sample.t, value)
    return found


def _prompt_before(past: Past, until: float, fields: Collection[str] | None) -> Iterator[Shown]:
    for name, points in past.reader.newest(past.series.prompt(fields), until):
        yield from _prompt(past, _row(name, points))


def _others_before(past: Past, until: float, fields: Collection[str] | None) -> Iterator[Shown]:
    wanted = past.series.by_arrival(fields)
    wanted.pop(OWN_TIMES, None)
    values: dict[float, dict[str, Any]] = {}
    integers = [BY_ARRIVAL + name for name in past.integers]
    for series, points in past.reader.newest(wanted, until):
        columns = _row(series, points).as_columns(integers)
        values.setdefault(columns["t"][0], {})[parameter_of(series)] = columns[series][0]
    for at, t in _own_times(past, sorted(values)):
        yield Shown(at, Sample(t, values[at]), late=False)


def _own_times(past: Past, arrivals: Sequence[float]) -> Iterator[tuple[float, float]]:
    """The times of arrival, in order, and the own times of their samples."""
    gaps = [i for i, (a, b) in enumerate(pairwise(arrivals), 1) if b - a > NEAR_S]
    for start, end in pairwise([0, *gaps, len(arrivals)]):
        near = np.array(arrivals[start:end])
        if not len(near):
            continue
        until = nextafter(near[-1], inf)
        for window in past.reader.windows({OWN_TIMES: (OWN_TIMES,)}, near[0], until):
            if (points := window[OWN_TIMES]) is not None:
                rows = np.flatnonzero(np.isin(points.t, near))
                yield from zip(
                    points.t[rows].tolist(), points.column("")[rows].tolist(), strict=True
                )


def _row(name: str, points: Points) -> Table:
    return table_of(Excerpt({name: points[newest_row(points)]}), sys.maxsize)


def newest_row(points: Points) -> slice:
    """The newest of some points that was not late; the newest of all if each was."""
    rows = np.flatnonzero(~points.late)
    row = int(rows[-1]) if len(rows) else len(points) - 1
    return slice(row, row + 1)
