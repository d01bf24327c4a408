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

from rover.archive.parameters import Stored
from rover.archive.points import joined
from rover.archive.table import Excerpt, Table, table_of
from rover.errors import LogDamaged
from rover.telemetry.by_parameter import points_of
from rover.telemetry.series import (
    OWN_TIMES,
    SeriesNames,
    is_prompt,
    parameters_of,
    twice,
)
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

    Attributes:
        series: the parameters, and where their values are.
    """

    def __init__(
        self, parameters: Iterable[Parameter], database: ArchiveDatabase | RecordedArchive
    ) -> None:
        self._database = database
        self._lock = Lock()  # for the database, and for removing samples from memory
        self._tail = Tail()
        self.series = SeriesNames(MAX_PARAMETERS)
        self._dictionary: list[str] = []
        self._integers: set[str] = set()
        self._last_at = -inf
        self.set_parameters(parameters)

    def set_parameters(self, parameters: Iterable[Parameter]) -> None:
        """Note the names and kinds of a new dictionary. Earlier names stay."""
        self._dictionary = []
        for parameter in parameters:
            self._dictionary.append(parameter.name)
            self.series.parameters[parameter.name] = None
            if parameter.kind == "integer":
                self._integers.add(parameter.name)

    def __len__(self) -> int:
        """The number of samples in memory."""
        return sum(OWN_TIMES not in names for names in self._tail.rows().names)

    @property
    def names(self) -> Collection[str]:
        """The parameters of the dictionary, and those that have values."""
        return self.series.parameters.keys()

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
                self.series.note(sample.values, is_prompt=True)
            return
        if self._last_at - SAME_S < at <= self._last_at:
            at = nextafter(self._last_at, inf)  # an arrival has one sample
        self._last_at = at
        by_time, by_arrival = twice(sample, at)
        is_new = self._tail.add(by_time, late=late, offset=offset, size=size)
        self._tail.add(by_arrival, late=late, offset=offset, size=size)
        if is_new:
            self.series.note(sample.values, is_prompt=False)

    def read_names(self) -> None:
        """Add the names of the parameters in the archive."""
        unreadable = suppress(sqlite3.Error, OSError)  # `archive` reports it
        with self._lock, unreadable, self._database.reader() as reader:
            self.series.note_stored(reader.names)

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
        wanted = self.series.by_time(fields)
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
            tail = self._points_in_memory(_flat(self.series.by_time(fields)), lambda _: 0)
            names: Collection[str] | None = fields
            if names is None:
                names = parameters_of([*self._dictionary, *store.names, *tail])
            found: dict[str, dict[str, str]] = {}
            for name, series in self.series.by_time(names).items():
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
        for name, points in self.newest_of(self.series.by_time(fields), until):
            yield table_of(Excerpt({name: points[-1:]}), sys.maxsize)

    def newest_of(
        self, wanted: Mapping[str, Sequence[str]], until: float
    ) -> Iterator[tuple[str, Points]]:
        """Some of the newest points of series before a time.

        Args:
            wanted: the series of each name.
            until: POSIX seconds, exclusive.

        Raises:
            LogDamaged: the database cannot be read.
        """

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
        return self.ends_of(_flat(self.series.by_time()))[0]

    def ends_of(self, series: Iterable[str]) -> tuple[float, float]:
        """The times of the oldest and the newest sample of series in POSIX seconds.

        Without any, the first is infinite and the other -infinite.

        Raises:
            LogDamaged: the database cannot be read.
        """
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
        return self.tables_of(self.series.by_time(fields), since, until)

    def tables_of(
        self, wanted: Mapping[str, Sequence[str]], since: float | None, until: float | None
    ) -> Iterator[Table]:
        """The same of series; `wanted` has those of each column."""
        for window in self.windows_of(wanted, since, until):
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
        return self.windows_of(self.series.by_time(fields), since, until)

    def windows_of(
        self, wanted: Mapping[str, Sequence[str]], since: float | None, until: float | None
    ) -> Iterator[Mapping[str, Points | None]]:
        """The same of series; `wanted` has those of each name."""
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
        """The letters of all types of values of some series in the archive."""
        with self._lock, self._reading() as store:
            found = [store.kinds(name) for name in names]
        return {letter for parts in found for kinds in parts.values() for letter in kinds}

    @contextmanager
    def _reading(self) -> Iterator[Reader]:
        try:
            with self._database.reader() as reader:
                yield reader
        except (sqlite3.Error, OSError, ValueError) as exc:
            self._database.close()
            raise LogDamaged(f"the history cannot be read: {exc}") from exc

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()


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
