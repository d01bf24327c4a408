"""The values of a mission by time: the newest samples in memory, and the archive.

A query reads both together, whatever its time range is.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import contextmanager, suppress
from math import inf, nextafter
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from rover.archive.parameters import Stored
from rover.archive.points import joined
from rover.archive.table import Excerpt, Table, table_of
from rover.errors import LogDamaged
from rover.telemetry.arrivals import (
    ARRIVALS,
    BY_ARRIVAL,
    BY_TIME,
    OWN_TIMES,
    is_by_time,
    is_prompt,
    parameters_of,
    twice,
)
from rover.telemetry.by_parameter import points_of
from rover.telemetry.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from rover.archive.database import ArchiveDatabase, RecordedArchive
    from rover.archive.points import Points
    from rover.archive.reader import Reader
    from sources.base import Parameter, Sample

MAX_PARAMETERS = 2000
"""Maximum number of parameters; values of others are not stored."""

MAX_LOADED_POINTS = 4_000_000
"""Approximate maximum number of points that a query reads."""

MAX_LOADED_TEXT = 32 * 2**20
"""Approximate maximum size of the texts that a query reads; of more, it keeps the changes."""

MAX_WINDOW_CHUNKS = 64
"""Approximate maximum number of chunks of one table of `History.tables`."""

SAME_S = 1e-3
"""Seconds before the last arrival within which a sample counts as arriving after it."""

MIN_POINTS = 64
"""Minimum number of points of each parameter that a query reads, if there are that many."""


class Past:
    """The values by time.

    `add` is called on the event loop. The queries block, and may be called in any thread.

    Args:
        parameters: the dictionary.
        database: the archive.
    """

    def __init__(
        self, parameters: Iterable[Parameter], database: ArchiveDatabase | RecordedArchive
    ) -> None:
        self._database = database
        self._lock = Lock()  # for the database, and for removing samples from memory
        self._tail = Tail()
        self._names: dict[str, None] = {}
        self._not_prompt: dict[str, None] = {}  # the parameters with such values
        self._dictionary: list[str] = []
        self._integers: set[str] = set()
        self._last_at = -inf
        self.set_parameters(parameters)

    def set_parameters(self, parameters: Iterable[Parameter]) -> None:
        """Note the names and kinds of a new dictionary. Earlier names stay."""
        self._dictionary = []
        for parameter in parameters:
            self._dictionary.append(parameter.name)
            self._names[parameter.name] = None
            if parameter.kind == "integer":
                self._integers.add(parameter.name)

    def __len__(self) -> int:
        """The number of samples in memory."""
        return sum(OWN_TIMES not in names for names in self._tail.rows().names)

    @property
    def names(self) -> Collection[str]:
        """The parameters of the dictionary, and those that have values."""
        return self._names.keys()

    @property
    def integers(self) -> Collection[str]:
        """The parameters whose numbers are whole, also if they are written as 3.0."""
        return self._integers

    def add(
        self,
        sample: Sample,
        *,
        late: bool = False,
        offset: int = 0,
        size: int = 0,
        at: float | None = None,
    ) -> None:
        """Add a sample of any time.

        Args:
            sample: its values.
            late: whether to flag it as late.
            offset: of its event. A sample that is added again, after a restart, is stored once.
            size: bytes of its JSON.
            at: POSIX seconds of its arrival; `None` for its own time.
        """
        if at is None or is_prompt(sample.t, at):
            if self._tail.add(sample, late=late, offset=offset, size=size):
                self._note_names(self._names, sample.values)
            return
        if self._last_at - SAME_S < at <= self._last_at:
            at = nextafter(self._last_at, inf)  # an arrival has one sample
        self._last_at = at
        by_time, by_arrival = twice(sample, at)
        is_new = self._tail.add(by_time, late=late, offset=offset, size=size)
        self._tail.add(by_arrival, late=late, offset=offset, size=size)
        if is_new:
            self._note_names(self._names, sample.values)
            self._note_names(self._not_prompt, sample.values)

    def _note_names(self, known: dict[str, None], names: Iterable[str]) -> None:
        for name in names:
            if len(known) < MAX_PARAMETERS:
                known[name] = None

    def read_names(self) -> None:
        """Add the names of the parameters in the archive."""
        with self._lock, suppress(sqlite3.Error, OSError):  # `archive` reports it
            stored = self._database.store().names
            self._names.update(parameters_of(stored))
            self._not_prompt.update(parameters_of(filter(is_by_time, stored)))

    def _series(self) -> list[str]:
        """The names under which values are stored."""
        if not self._not_prompt:
            return [*self._names]
        marks = BY_TIME, BY_ARRIVAL
        others = [mark + name for name in self._not_prompt for mark in marks]
        return [*self._names, *others, ARRIVALS, OWN_TIMES]

    def _all_of(self, fields: Collection[str] | None) -> dict[str, tuple[str, ...]]:
        """The series that have the values of parameters by their own time."""
        names = self._names if fields is None else fields
        return {
            name: (name, BY_TIME + name) if name in self._not_prompt else (name,) for name in names
        }

    def _prompt_of(self, fields: Collection[str] | None) -> dict[str, tuple[str, ...]]:
        return {name: (name,) for name in (self._names if fields is None else fields)}

    def _arrivals_of(self, fields: Collection[str] | None) -> dict[str, tuple[str, ...]]:
        """The series by arrival; none if all values were prompt."""
        names = [n for n in self._not_prompt if fields is None or n in fields]
        series = [*(BY_ARRIVAL + name for name in names), OWN_TIMES] if names else []
        return {one: (one,) for one in series}

    def load(
        self,
        since: float | None = None,
        until: float | None = None,
        fields: Collection[str] | None = None,
        max_points: int = MAX_LOADED_POINTS,
    ) -> Excerpt:
        """The values of a time range, or fewer points with the same spikes.

        Args:
            since: POSIX seconds, inclusive; `None` for no bound.
            until: POSIX seconds, exclusive; `None` for no bound.
            fields: names of parameters; `None` for all.
            max_points: number of points of each parameter that is enough for the caller.

        Raises:
            LogDamaged: the database cannot be read.
        """
        wanted = self._all_of(fields)
        begin, end = -inf if since is None else since, inf if until is None else until
        count = sum(map(len, wanted.values())) or 1
        enough = max(MIN_POINTS, min(max_points, MAX_LOADED_POINTS // (16 * count)))
        text_bytes = MAX_LOADED_TEXT // count

        def read(store: Reader, series: str) -> tuple[list[Points], bool]:
            return store.load(series, begin, end, enough, text_bytes)

        return self._excerpt(wanted, begin, end, read)

    def _excerpt(
        self,
        wanted: Mapping[str, Sequence[str]],
        since: float,
        until: float,
        read: Callable[[Reader, str], tuple[list[Points], bool]],
    ) -> Excerpt:
        """What `read` returns of the archive, and the samples in memory.

        Args:
            wanted: the series of each name of the excerpt.
            since: POSIX seconds.
            until: POSIX seconds, exclusive.
            read: returns the points of a series, and whether they are all.
        """
        with self._lock, self._reading() as store:
            tail = self._points_in_memory(_flat(wanted), store.archived)
            loaded = {one: read(store, one) for one in _flat(wanted)}
        return _together(wanted, loaded, tail, since, until)

    def kinds(
        self,
        since: float | None = None,
        until: float | None = None,
        fields: Collection[str] | None = None,
    ) -> dict[str, dict[str, str]]:
        """Letters of the types of values (`points.KINDS`), by parameter and component.

        Without `fields`, it has the parameters with values in the time range: those of the
        dictionary, in its order, and then the others in the order of their first values.

        Args:
            since: POSIX seconds, inclusive; `None` for no bound.
            until: POSIX seconds, exclusive; `None` for no bound.
            fields: names of parameters; `None` for all with values.

        Raises:
            LogDamaged: the database cannot be read.
        """
        begin, end = -inf if since is None else since, inf if until is None else until
        with self._lock, self._reading() as store:
            tail = self._points_in_memory(_flat(self._all_of(fields)), lambda _: 0)
            names: Collection[str] | None = fields
            if names is None:
                names = parameters_of([*self._dictionary, *store.names, *tail])
            found: dict[str, dict[str, str]] = {}
            for name, series in self._all_of(names).items():
                if fields is not None or any(
                    (one in tail and len(tail[one].between(begin, end)))
                    or store.has_values(one, begin, end)
                    for one in series
                ):
                    kinds = Stored(0, 0, {})
                    for one in series:
                        in_memory = tail[one].kinds() if one in tail else {}
                        for more in (store.kinds(one), in_memory):
                            kinds = kinds._replace(kinds=kinds.with_kinds(more))
                    found[name] = dict(kinds.kinds)
        return found

    def _points_in_memory(
        self, names: Collection[str], archived: Callable[[str], int]
    ) -> dict[str, Points]:
        return points_of(self._tail.rows(), dict.fromkeys(names), archived)

    def tables_before(self, until: float, fields: Collection[str] | None = None) -> Iterator[Table]:
        """A table of one row and one parameter, for each parameter's newest sample before a time.

        Args:
            until: POSIX seconds, exclusive.
            fields: names of parameters; `None` for all.

        Raises:
            LogDamaged: the database cannot be read.
        """
        for name, points in self._newest_points(self._all_of(fields), until):
            yield table_of(Excerpt({name: points[-1:]}), sys.maxsize)

    def prompt_before(self, until: float, fields: Collection[str] | None = None) -> Iterator[Table]:
        """The same of the samples of `prompt_tables`."""
        for name, points in self._newest_points(self._prompt_of(fields), until):
            yield table_of(Excerpt({name: points[newest_row(points)]}), sys.maxsize)

    def arrivals_before(
        self, until: float, fields: Collection[str] | None = None
    ) -> Iterator[Table]:
        """The same of the samples of `arrival_tables`."""
        wanted = self._arrivals_of(fields)
        wanted.pop(OWN_TIMES, None)
        for series, points in self._newest_points(wanted, until):
            at = float(points[newest_row(points)].t[0])
            yield from self._tables(
                {one: (one,) for one in (series, OWN_TIMES)}, at, nextafter(at, inf)
            )

    def _newest_points(
        self, wanted: Mapping[str, Sequence[str]], until: float
    ) -> Iterator[tuple[str, Points]]:
        def read(store: Reader, series: str) -> tuple[list[Points], bool]:
            points = store.newest_before(series, until)
            return ([] if points is None else [points]), True

        for name, points in self._excerpt(wanted, -inf, until, read).series.items():
            if points is not None and len(points):
                yield name, points

    def first(self) -> float:
        """The time of the oldest sample in POSIX seconds; infinite without any.

        Raises:
            LogDamaged: the database cannot be read.
        """
        return self._ends(_flat(self._all_of(None)))[0]

    def shown_ends(self) -> tuple[float, float]:
        """When a replay shows the first sample and the newest, in POSIX seconds.

        Without any, the first is infinite and the other -infinite.

        Raises:
            LogDamaged: the database cannot be read.
        """
        return self._ends([*_flat(self._prompt_of(None)), *self._arrivals_of(None)])

    def _ends(self, series: Iterable[str]) -> tuple[float, float]:
        series = frozenset(series)
        with self._lock, self._reading() as store:
            rows = self._tail.rows()
            pairs = zip(rows.t, rows.names, strict=True)
            times = [t for t, names in pairs if names and names[0] in series]
            return min([store.first(series), *times]), max([store.last(series), *times])

    def tables(
        self,
        since: float | None = None,
        until: float | None = None,
        fields: Collection[str] | None = None,
    ) -> Iterator[Table]:
        """All values of a time range in order of time, in tables of a limited size.

        The arguments and errors are those of `windows`.
        """
        return self._tables(self._all_of(fields), since, until)

    def prompt_tables(
        self, since: float, until: float, fields: Collection[str] | None = None
    ) -> Iterator[Table]:
        """The same of the samples that a replay shows at their own time."""
        return self._tables(self._prompt_of(fields), since, until)

    def arrival_tables(
        self, since: float, until: float, fields: Collection[str] | None = None
    ) -> Iterator[Table]:
        """The same of the others, by the time of their arrival.

        The columns are series (`rover.telemetry.arrivals`), and each row has one sample.
        """
        return self._tables(self._arrivals_of(fields), since, until)

    def _tables(
        self, wanted: Mapping[str, Sequence[str]], since: float | None, until: float | None
    ) -> Iterator[Table]:
        for window in self._windows(wanted, since, until):
            table = table_of(Excerpt(window), sys.maxsize)
            if len(table.t):
                yield table

    def windows(
        self,
        since: float | None = None,
        until: float | None = None,
        fields: Collection[str] | None = None,
    ) -> Iterator[Mapping[str, Points | None]]:
        """All values of consecutive time ranges of a limited size, by parameter.

        Args:
            since: POSIX seconds, inclusive; `None` for no bound.
            until: POSIX seconds, exclusive; `None` for no bound.
            fields: names of parameters; `None` for all.

        Raises:
            LogDamaged: the database cannot be read.
        """
        return self._windows(self._all_of(fields), since, until)

    def series_windows(
        self, since: float | None = None, until: float | None = None
    ) -> Iterator[dict[str, Points]]:
        """The same, by series by own time (`rover.telemetry.arrivals`)."""
        series = [*_flat(self._all_of(None)), ARRIVALS]
        wanted = {one: (one,) for one in series}
        return map(_present, self._windows(wanted, since, until))

    def arrival_windows(
        self, since: float | None = None, until: float | None = None
    ) -> Iterator[dict[str, Points]]:
        """The same, by series by arrival."""
        return map(_present, self._windows(self._arrivals_of(None), since, until))

    def _windows(
        self, wanted: Mapping[str, Sequence[str]], since: float | None, until: float | None
    ) -> Iterator[Mapping[str, Points | None]]:
        names = _flat(wanted)
        letters = self._letters(names)
        chunks = 1 if letters & {"s", "o"} else max(1, MAX_WINDOW_CHUNKS // (len(names) or 1))
        begin, end = -inf if since is None else since, inf if until is None else until
        tail: dict[str, Points] = {}
        removed = -1
        while begin < end:
            with self._lock, self._reading() as store:
                if removed != self._tail.removed:  # they are in the archive now
                    removed = self._tail.removed
                    tail = self._points_in_memory(names, store.archived)
                window_end = min(end, store.window_end(names, begin, chunks))
                loaded = {name: ([*store.read(name, begin, window_end)], True) for name in names}
            yield _together(wanted, loaded, tail, begin, window_end).series
            begin = window_end

    def _letters(self, names: Sequence[str]) -> set[str]:
        """The letters of all types of values of some series."""
        with self._lock, self._reading() as store:
            tail = self._points_in_memory(names, lambda _: 0)
            found = [store.kinds(name) for name in names]
            found += [points.kinds() for points in tail.values()]
        return {letter for parts in found for kinds in parts.values() for letter in kinds}

    @contextmanager
    def _reading(self) -> Iterator[Reader]:
        try:
            yield self._database.store()
        except (sqlite3.Error, OSError, ValueError) as exc:
            self._database.close()
            raise LogDamaged(f"the history cannot be read: {exc}") from exc

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()


def newest_row(points: Points) -> slice:
    """The newest of some points that was not late; the newest of all if each was."""
    rows = np.flatnonzero(~points.late)
    row = int(rows[-1]) if len(rows) else len(points) - 1
    return slice(row, row + 1)


def _present(window: Mapping[str, Points | None]) -> dict[str, Points]:
    return {name: points for name, points in window.items() if points is not None}


def _flat(wanted: Mapping[str, Sequence[str]]) -> list[str]:
    return [one for series in wanted.values() for one in series]


def _together(
    wanted: Mapping[str, Sequence[str]],
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
