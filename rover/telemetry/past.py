"""The values of a mission by time: the newest samples in memory, and the archive.

A query reads both together, whatever its time range is.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import suppress
from math import inf, nextafter
from threading import Lock
from typing import TYPE_CHECKING

from rover.archive.parameters import merged_kinds
from rover.archive.table import Excerpt, table_of
from rover.telemetry.series import OWN_TIMES, SeriesNames, is_prompt, parameters_of, twice
from rover.telemetry.series_reader import SeriesReader, bounds, flat
from rover.telemetry.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from rover.archive.database import ArchiveDatabase, RecordedArchive
    from rover.archive.points import Points
    from rover.archive.reader import Reader
    from rover.archive.table import Table
    from sources.base import Parameter, Sample

MAX_LOADED_POINTS = 4_000_000
"""Approximate maximum number of points that a query reads."""

MAX_LOADED_TEXT = 32 * 2**20
"""Approximate maximum size of the texts that a query reads; of more, it keeps the changes."""

MIN_POINTS = 64
"""Minimum number of points of each parameter that a query reads, if there are that many."""

SAME_S = 1e-3
"""Seconds before the last arrival within which a sample counts as arriving after it."""


class Past:
    """The values by time.

    `add` is called on the event loop. The queries block, and may be called in any thread. They
    raise `LogDamaged` if the database cannot be read.

    Args:
        parameters: the dictionary.
        database: the archive.

    Attributes:
        series: the parameters, and the names of the series that have their values.
        reader: reads series.
    """

    def __init__(
        self, parameters: Iterable[Parameter], database: ArchiveDatabase | RecordedArchive
    ) -> None:
        self._database = database
        self._lock = Lock()
        self._tail = Tail()
        self.reader = SeriesReader(database, self._tail, self._lock)
        self.series = SeriesNames()
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
        """The parameters whose numbers are whole, even if they are written as 3.0."""
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
        else:
            if self._last_at - SAME_S < at <= self._last_at:
                at = nextafter(self._last_at, inf)  # an arrival has one sample
            self._last_at = at
            by_time, by_arrival = twice(sample, at)
            is_new = self._tail.add(by_time, late=late, offset=offset, size=size)
            self._tail.add(by_arrival, late=late, offset=offset, size=size)
            if is_new:
                self.series.note(sample.values, is_prompt=False)
        self._note_added()

    def _note_added(self) -> None:
        """Called after a sample was added."""

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
        """
        wanted = self.series.by_time(fields)
        begin, end = bounds(since, until)
        count = len(flat(wanted)) or 1
        enough = max(MIN_POINTS, min(max_points, MAX_LOADED_POINTS // (16 * count)))
        text_bytes = MAX_LOADED_TEXT // count

        def read(store: Reader, series: str) -> tuple[list[Points], bool]:
            return store.load(series, begin, end, enough, text_bytes)

        return self.reader.excerpt(wanted, begin, end, read)

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
        """
        begin, end = bounds(since, until)
        with self.reader.reading() as store:
            tail = self.reader.in_memory(flat(self.series.by_time(fields)))
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
                    archived = [store.kinds(one) for one in series]
                    recent = [tail[one].kinds() for one in series if one in tail]
                    found[name] = merged_kinds(*archived, *recent)
        return found

    def tables_before(self, until: float, fields: Collection[str] | None = None) -> Iterator[Table]:
        """A table of one row and one parameter, for each parameter's newest sample before a time.

        Args:
            until: POSIX seconds, exclusive.
            fields: names of parameters; `None` for all.
        """
        for name, points in self.reader.newest(self.series.by_time(fields), until):
            yield table_of(Excerpt({name: points[-1:]}), sys.maxsize)

    def ends(self) -> tuple[float, float]:
        """The times of the oldest and the newest sample in POSIX seconds.

        Without any, the first is infinite and the other -infinite.
        """
        return self.reader.ends(flat(self.series.by_time()))

    def tables(
        self,
        since: float | None = None,
        until: float | None = None,
        fields: Collection[str] | None = None,
    ) -> Iterator[Table]:
        """All values of a time range in order of time, in tables of a limited size.

        Args:
            since: POSIX seconds, inclusive; `None` for no bound.
            until: POSIX seconds, exclusive; `None` for no bound.
            fields: names of parameters; `None` for all.
        """
        return self.reader.tables(self.series.by_time(fields), *bounds(since, until))

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()
