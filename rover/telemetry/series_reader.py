"""The points of series by time: those in the archive and those in memory, together."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING

from rover.archive.points import joined
from rover.archive.table import Excerpt, table_of
from rover.errors import LogDamaged
from rover.telemetry.by_parameter import points_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from threading import Lock

    from rover.archive.database import ArchiveDatabase, RecordedArchive
    from rover.archive.points import Points
    from rover.archive.reader import Reader
    from rover.archive.table import Table
    from rover.telemetry.tail import Tail

    Wanted = Mapping[str, Sequence[str]]
    """The series of each name of a result."""

MAX_WINDOW_CHUNKS = 64
"""Approximate maximum number of chunks of one table of `SeriesReader.tables`."""


def bounds(since: float | None, until: float | None) -> tuple[float, float]:
    """The bounds of a time range; infinite where it has none."""
    return -inf if since is None else since, inf if until is None else until


def flat(wanted: Wanted) -> list[str]:
    """All series of a result."""
    return [one for series in wanted.values() for one in series]


class SeriesReader:
    """Reads series. It blocks, and may be used in any thread.

    Times are POSIX seconds. All methods raise `LogDamaged` if the database cannot be read.

    Args:
        database: the archive.
        tail: the samples in memory.
        lock: for the database, and for removing samples from memory.
    """

    def __init__(self, database: ArchiveDatabase | RecordedArchive, tail: Tail, lock: Lock) -> None:
        self._database = database
        self._tail = tail
        self._lock = lock

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """The archive, locked for this block."""
        with self._lock:
            try:
                with self._database.reader() as reader:
                    yield reader
            except (sqlite3.Error, OSError, ValueError) as exc:
                self._database.close()
                raise LogDamaged(f"the history cannot be read: {exc}") from exc

    def in_memory(
        self, series: Collection[str], archived: Callable[[str], int] = lambda _: 0
    ) -> dict[str, Points]:
        """The points in memory, of events after the `archived` one; call it while `reading`."""
        return points_of(self._tail.rows(), dict.fromkeys(series), archived)

    def excerpt(
        self,
        wanted: Wanted,
        since: float,
        until: float,
        read: Callable[[Reader, str], tuple[list[Points], bool]],
    ) -> Excerpt:
        """Some points of the archive, and those in memory.

        Args:
            wanted: the series of each name.
            since: inclusive.
            until: exclusive.
            read: returns the points of a series, and whether they are all.
        """
        series = flat(wanted)
        with self.reading() as store:
            tail = self.in_memory(series, store.archived)
            loaded = {one: read(store, one) for one in series}
        return _together(wanted, loaded, tail, since, until)

    def newest(self, wanted: Wanted, until: float) -> Iterator[tuple[str, Points]]:
        """Some of the newest points before a time, for each name that has any.

        Args:
            wanted: the series of each name.
            until: exclusive.
        """

        def read(store: Reader, series: str) -> tuple[list[Points], bool]:
            points = store.newest_before(series, until)
            return ([] if points is None else [points]), True

        for name, points in self.excerpt(wanted, -inf, until, read).series.items():
            if points is not None and len(points):
                yield name, points

    def ends(self, series: Iterable[str]) -> tuple[float, float]:
        """The times of the oldest and the newest sample.

        Without any, the first is infinite and the other -infinite.
        """
        series = frozenset(series)
        with self.reading() as store:
            rows = self._tail.rows()
            pairs = zip(rows.t, rows.names, strict=True)
            times = [t for t, names in pairs if names and names[0] in series]
            return min([store.first(series), *times]), max([store.last(series), *times])

    def tables(self, wanted: Wanted, since: float, until: float) -> Iterator[Table]:
        """All values of a time range in order of time, in tables of a limited size.

        Args:
            wanted: the series of each column.
            since: inclusive.
            until: exclusive.
        """
        for window in self.windows(wanted, since, until):
            table = table_of(Excerpt(window), sys.maxsize)
            if len(table.t):
                yield table

    def windows(
        self, wanted: Wanted, since: float, until: float
    ) -> Iterator[Mapping[str, Points | None]]:
        """All points of consecutive time ranges of a limited size, by name.

        Args:
            wanted: the series of each name.
            since: inclusive.
            until: exclusive.
        """
        series = flat(wanted)
        with self.reading() as store:
            kinds = {
                kind for one in series for parts in store.kinds(one).values() for kind in parts
            }
        chunks = 1 if kinds & {"s", "o"} else max(1, MAX_WINDOW_CHUNKS // (len(series) or 1))
        tail: dict[str, Points] = {}
        removed = -1
        while since < until:
            with self.reading() as store:
                if removed != self._tail.removed:  # they are in the archive now
                    removed = self._tail.removed
                    tail = self.in_memory(series, store.archived)
                end = min(until, store.window_end(series, since, chunks))
                loaded = {one: ([*store.read(one, since, end)], True) for one in series}
            yield _together(wanted, loaded, tail, since, end).series
            since = end


def _together(
    wanted: Wanted,
    loaded: Mapping[str, tuple[list[Points], bool]],
    tail: Mapping[str, Points],
    since: float,
    until: float,
) -> Excerpt:
    """The points of the archive, with whether they are all, and those in memory."""
    for series, points in tail.items():
        if len(newest := points.between(since, until)):
            loaded[series][0].append(newest)
    return Excerpt(
        {
            name: joined([one for each in series for one in loaded[each][0]])
            for name, series in wanted.items()
        },
        all(complete for _, complete in loaded.values()),
    )
