"""The values of all parameters, in an SQLite database: reading them."""

from __future__ import annotations

from math import inf, nextafter
from typing import TYPE_CHECKING

from rover.archive.chunks import Chunks
from rover.archive.levels import LEVELS, Levels
from rover.archive.parameters import Parameters, Stored
from rover.archive.points import joined
from rover.archive.reduce import reduced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from sqlite3 import Connection

    from rover.archive.points import Points
    from rover.damage import Damage


class Reader:
    """Reads the values of all parameters.

    Args:
        db: an SQLite database with the tables of the archive.
        damage: of its file.
    """

    def __init__(self, db: Connection, damage: Damage) -> None:
        self._parameters = Parameters(db, damage)
        self._chunks = Chunks(db, damage)
        self._stored: dict[str, Stored] = {}  # by name
        self._levels = Levels(self._chunks)
        self._reload()

    @property
    def names(self) -> list[str]:
        """The names of the parameters that it has, or has had, values of."""
        return list(self._stored)

    def archived(self, name: str) -> int:
        """The offset of the newest event whose value of a parameter is stored; 0 without one."""
        return self._stored[name].archived if name in self._stored else 0

    def kinds(self, name: str) -> Mapping[str, str]:
        """Letters of the types of a parameter's values, by component (`points.KINDS`)."""
        return self._stored[name].kinds if name in self._stored else {}

    def _reload(self) -> None:
        self._stored = self._parameters.all()
        self._levels.forget()

    def read(self, name: str, since: float, until: float, level: int = 0) -> Iterator[Points]:
        """The points of a time range in order of time, in pieces that are not empty.

        Args:
            name: of the parameter.
            since: POSIX seconds.
            until: POSIX seconds, exclusive.
            level: 0 for all values, at most `LEVELS` - 1.
        """
        if name not in self._stored:
            return
        parameter = self._stored[name].id
        while level >= 0 and since < until:
            for chunk in self._chunks.between(parameter, level, since, until):
                points = self._chunks.load(chunk)
                if points is not None and len(points := points.between(since, until)):
                    yield points
            if (newest := self._levels.newest(parameter, level)) is not None:
                since = max(since, nextafter(newest.last, inf))
            level -= 1

    def has_values(self, name: str, since: float, until: float) -> bool:
        """Whether a parameter has readable values in a time range.

        Args:
            name: of the parameter.
            since: POSIX seconds.
            until: POSIX seconds, exclusive.
        """
        if name not in self._stored:
            return False
        parameter = self._stored[name].id
        start = self._chunks.start_after(parameter, nextafter(since, -inf), 1)
        if start is not None and start < until:
            return True
        chunks = self._chunks.between(parameter, 0, since, nextafter(since, inf))
        found = (self._chunks.load(chunk) for chunk in chunks)
        return any(points is not None and len(points.between(since, until)) for points in found)

    def newest_before(self, name: str, until: float) -> Points | None:
        """The points of the chunk with the newest value before a time; `None` if there is none."""
        if name not in self._stored:
            return None
        chunks = self._chunks.between(self._stored[name].id, 0, nextafter(until, -inf), until)
        found = (self._chunks.load(chunk) for chunk in chunks)
        pieces = (points.between(-inf, until) for points in found if points is not None)
        return joined([points for points in pieces if len(points)])

    def first(self, names: Iterable[str]) -> float:
        """The time of the oldest point of some parameters; infinite without any."""
        ids = (self._stored[name].id for name in names if name in self._stored)
        oldest = (self._chunks.oldest(parameter, 0) for parameter in ids)
        return min((chunk.first for chunk in oldest if chunk is not None), default=inf)

    def last(self, names: Iterable[str]) -> float:
        """The time of the newest point of some parameters; -infinite without any."""
        ids = (self._stored[name].id for name in names if name in self._stored)
        newest = (self._chunks.newest(parameter, 0) for parameter in ids)
        return max((chunk.last for chunk in newest if chunk is not None), default=-inf)

    def load(
        self,
        name: str,
        since: float,
        until: float,
        enough: int,
        max_object_bytes: float,
    ) -> tuple[list[Points], bool]:
        """Pieces of a time range, in order of time, and whether they have all of its points.

        Args:
            name: of the parameter.
            since: POSIX seconds.
            until: POSIX seconds, exclusive.
            enough: number of points from which a higher level is read.
            max_object_bytes: size of the texts from which only the changes are kept.
        """
        level = self.level_for(name, since, until, enough)
        pieces: list[Points] = []
        is_complete = level == 0
        object_bytes = 0
        for points in self.read(name, since, until, level):
            pieces.append(points)
            object_bytes += points.object_bytes()
            if object_bytes > max_object_bytes and (whole := joined(pieces)) is not None:
                pieces, is_complete = [reduced(whole)], False
                object_bytes = pieces[0].object_bytes()
        return pieces, is_complete

    def level_for(self, name: str, since: float, until: float, points: int) -> int:
        """The highest level that has at least that number of points in a time range."""
        if name not in self._stored:
            return 0
        parameter = self._stored[name].id
        for level in range(LEVELS - 1, 0, -1):
            chunks = self._chunks.between(parameter, level, since, until)
            if sum(chunk.points_between(since, until) for chunk in chunks) >= points:
                return level
        return 0

    def window_end(self, names: Iterable[str], since: float, chunks: int) -> float:
        """The end of a time range that has about that number of chunks of each parameter.

        It is infinite if there are fewer.
        """
        stored = (self._stored[name].id for name in names if name in self._stored)
        starts = (self._chunks.start_after(parameter, since, chunks) for parameter in stored)
        return min((start for start in starts if start is not None), default=inf)


def has_archive(db: Connection) -> bool:
    """Whether a database has the tables of the archive."""
    query = "SELECT 1 FROM sqlite_schema WHERE name = 'chunk'"
    return db.execute(query).fetchone() is not None
