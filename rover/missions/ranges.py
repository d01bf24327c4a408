"""The values of a time range of a mission, as its file has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rover.archive.points import Points, joined
from rover.telemetry.series import ARRIVALS, BY_TIME, OWN_TIMES, is_by_time, parameter_of
from rover.telemetry.series_reader import flat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rover.telemetry.past import Past


def windows_between(history: Past, since: float, until: float) -> Iterator[dict[str, Points]]:
    """The points of series that were measured or received in a time range, in parts.

    Args:
        history: the mission's values.
        since: POSIX seconds, inclusive.
        until: POSIX seconds, exclusive.

    Raises:
        LogDamaged: the history cannot be read.
    """

    def windows(series: Iterable[str]) -> Iterator[dict[str, Points]]:
        for window in history.reader.windows({one: (one,) for one in series}, since, until):
            yield {one: points for one, points in window.items() if points is not None}

    for window in windows([*flat(history.series.by_time()), ARRIVALS]):
        yield received_between(window, since, until)
    for window in windows(history.series.by_arrival()):
        yield window
        yield measured_elsewhere(window, since, until)


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
