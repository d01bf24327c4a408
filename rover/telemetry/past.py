"""The values of a mission by time: the newest samples in memory, and the archive.

A query reads both together, whatever its time range is.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import contextmanager, suppress
from math import inf
from threading import Lock
from typing import TYPE_CHECKING, Any

from rover.archive.parameters import Stored
from rover.archive.points import joined
from rover.archive.table import Excerpt, Table, table_of
from rover.errors import LogDamaged
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
        self._dictionary: list[str] = []
        self._integers: set[str] = set()
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
        return len(self._tail)

    @property
    def names(self) -> Collection[str]:
        """The parameters of the dictionary, and those that have values."""
        return self._names.keys()

    @property
    def integers(self) -> Collection[str]:
        """The parameters whose numbers are whole, also if they are written as 3.0."""
        return self._integers

    def add(self, sample: Sample, *, late: bool = False, offset: int = 0, size: int = 0) -> None:
        """Add a sample of any time.

        Args:
            sample: its values.
            late: whether to flag it as late.
            offset: of its event. A sample that is added again, after a restart, is stored once.
            size: bytes of its JSON.
        """
        if self._tail.add(sample, late=late, offset=offset, size=size):
            for name in sample.values:
                if len(self._names) < MAX_PARAMETERS:
                    self._names[name] = None

    def read_names(self) -> None:
        """Add the names of the parameters in the archive."""
        with self._lock, suppress(sqlite3.Error, OSError):  # `archive` reports it
            self._names.update(dict.fromkeys(self._database.store().names))

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
        names = list(self._names if fields is None else fields)
        begin, end = -inf if since is None else since, inf if until is None else until
        enough = max(MIN_POINTS, min(max_points, MAX_LOADED_POINTS // (16 * len(names) or 1)))
        text_bytes = MAX_LOADED_TEXT // (len(names) or 1)

        def read(store: Reader, name: str) -> tuple[list[Points], bool]:
            return store.load(name, begin, end, enough, text_bytes)

        return self._excerpt(names, begin, end, read)

    def _excerpt(
        self,
        names: Sequence[str],
        since: float,
        until: float,
        read: Callable[[Reader, str], tuple[list[Points], bool]],
    ) -> Excerpt:
        """What `read` returns of the archive, and the samples in memory."""
        with self._lock, self._reading() as store:
            tail = self._points_in_memory(names, store.archived)
            loaded = {name: read(store, name) for name in names}
        return _together(loaded, tail, since, until)

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
            tail = self._points_in_memory(self._names if fields is None else fields, lambda _: 0)
            names = fields
            if names is None:
                names = dict.fromkeys([*self._dictionary, *store.names, *tail])
            stored = {name: Stored(0, 0, store.kinds(name)) for name in names}
            present = [
                name
                for name in names
                if fields is not None
                or (name in tail and len(tail[name].between(begin, end)))
                or store.has_values(name, begin, end)
            ]
        return {
            name: dict(stored[name].with_kinds(tail[name].kinds() if name in tail else {}))
            for name in present
        }

    def _points_in_memory(
        self, names: Collection[str], archived: Callable[[str], int]
    ) -> dict[str, Points]:
        return points_of(self._tail.rows(), dict.fromkeys(names), archived)

    def newest_before(
        self, until: float, fields: Collection[str] | None = None
    ) -> dict[str, tuple[float, Any]]:
        """The time and value of each parameter's newest sample before a time.

        The arguments and errors are those of `tables_before`.
        """
        return {
            name: (float(table.t[-1]), table.as_columns(self._integers)[name][-1])
            for table in self.tables_before(until, fields)
            for name in table.columns
        }

    def tables_before(self, until: float, fields: Collection[str] | None = None) -> Iterator[Table]:
        """A table of one row and one parameter, for each parameter's newest sample before a time.

        Args:
            until: POSIX seconds, exclusive.
            fields: names of parameters; `None` for all.

        Raises:
            LogDamaged: the database cannot be read.
        """

        def read(store: Reader, name: str) -> tuple[list[Points], bool]:
            points = store.newest_before(name, until)
            return ([] if points is None else [points]), True

        names = list(self._names if fields is None else fields)
        for name, points in self._excerpt(names, -inf, until, read).series.items():
            if points is not None and len(points):
                yield table_of(Excerpt({name: points[-1:]}), sys.maxsize)

    def first(self) -> float:
        """The time of the oldest sample in POSIX seconds; infinite without any.

        Raises:
            LogDamaged: the database cannot be read.
        """
        with self._lock, self._reading() as store:
            return min([store.first(), *self._tail.times])

    def last(self) -> float:
        """The time of the newest sample in POSIX seconds; -infinite without any.

        Raises:
            LogDamaged: the database cannot be read.
        """
        with self._lock, self._reading() as store:
            return max([store.last(), *self._tail.times])

    def tables(
        self,
        since: float | None = None,
        until: float | None = None,
        fields: Collection[str] | None = None,
    ) -> Iterator[Table]:
        """All values of a time range in order of time, in tables of a limited size.

        The arguments and errors are those of `windows`.
        """
        for window in self.windows(since, until, fields):
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
        names = list(self._names if fields is None else fields)
        kinds = self.kinds(fields=names)
        letters = {letter for parts in kinds.values() for letter in parts.values()}
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
            yield _together(loaded, tail, begin, window_end).series
            begin = window_end

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


def _together(
    loaded: Mapping[str, tuple[list[Points], bool]],
    tail: Mapping[str, Points],
    since: float,
    until: float,
) -> Excerpt:
    """The points of the archive, with whether they are all, and those in memory."""
    for name, points in tail.items():
        if len(newest := points.between(since, until)):
            loaded[name][0].append(newest)
    return Excerpt(
        {name: joined(pieces) for name, (pieces, _) in loaded.items()},
        all(complete for _, complete in loaded.values()),
    )
