"""Reading an SQLite file around its damaged pages, and notes of its unreadable parts.

SQLite ends a query at the first damaged page. Rows with an integer key can be found again after it:
a query that begins at a later key does not read that page.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from rover.wire import iso_or_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

logger = logging.getLogger("rover.log")

Row = TypeVar("Row", bound=tuple[Any, ...])

Select: TypeAlias = Callable[[int, int, bool, int, bool], Iterable[Row]]
"""Returns the rows with keys above the first and up to the second number, in order. The third is
whether to read only the table, because its indexes may be damaged. The fourth is the maximum number
of rows, -1 for all: `sqlite3` reads one row ahead, and loses a row if it cannot read the next. The
fifth is whether to begin at the last key, and go down."""

MAX_ROW = 2**63 - 1
"""The highest key of a row of SQLite."""

UNREADABLE = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
)

MAX_PARTS = 10_000
"""Maximum number of damaged parts of a file that are noted."""

MAX_LISTED = 100
"""Maximum number of damaged parts in `/readyz`, newest first."""


class Lost(NamedTuple):
    """Keys whose rows cannot be read.

    Attributes:
        first: the lowest.
        last: the highest.
    """

    first: int
    last: int


class _OutOfOrder(sqlite3.DatabaseError):
    """A damaged page gives rows that do not belong there."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def is_unreadable(error: Exception) -> bool:
    """Whether SQLite has found a damaged page, or the disk cannot read one."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    return code in UNREADABLE or code & 0xFF == sqlite3.SQLITE_CORRUPT


def readable_rows(
    select: Select[Row], low: int, high: int, *, newest: bool = False
) -> Iterator[Row | Lost]:
    """The readable rows of a range, and in their places the keys of those that are lost.

    Args:
        select: a query. Its first column is the key.
        low: the key before the first.
        high: the last key.
        newest: whether to begin at the last key, and go down.

    Raises:
        sqlite3.Error: a query fails for another reason than damage.
    """

    def rows(skipped: int = 0, *, careful: bool, limit: int = -1) -> Iterator[Row | Lost]:
        begin, end = (low, high - skipped) if newest else (low + skipped, high)
        held: Row | None = None  # until the next row shows that its key is not damaged
        try:
            for row in select(begin, end, careful, limit, newest):
                if not begin < (key := row[0]) <= end:
                    raise _OutOfOrder
                if held is not None and (key < held[0] if newest else held[0] < key):
                    yield held
                    begin, end = (begin, held[0] - 1) if newest else (held[0], end)
                elif held is not None and (key < end if newest else begin + 1 < key):
                    yield Lost(key + 1, end) if newest else Lost(begin + 1, key - 1)
                held = row
        except sqlite3.DatabaseError:
            if held is not None:
                yield held
            raise
        if held is not None:
            yield held

    def is_readable_after(skipped: int) -> bool:
        try:
            next(rows(skipped, careful=True, limit=1), None)
        except sqlite3.DatabaseError as exc:
            if is_unreadable(exc):
                return False
            raise
        return True

    def has_more() -> bool:
        """Whether a damaged key beyond the range has ended the query early."""
        try:
            return next(iter(select(low, high, careful, 1, not newest)), None) is not None
        except sqlite3.DatabaseError as exc:
            if is_unreadable(exc):
                return True
            raise

    careful, limit = False, -1
    while low < high:
        count = 0
        try:
            for row in rows(careful=careful, limit=limit):
                key = row.last if isinstance(row, Lost) and not newest else row[0]
                low, high = (low, key - 1) if newest else (key, high)
                count += 1
                yield row
        except sqlite3.DatabaseError as exc:
            if not is_unreadable(exc):
                raise
            if not careful:
                careful = True
            elif limit < 0:
                limit = 1
            else:
                lost = _smallest(is_readable_after, high - low)
                if newest:
                    yield Lost(high - lost + 1, high)
                    high -= lost
                else:
                    yield Lost(low + 1, low + lost)
                    low += lost
                limit = -1
        else:
            if count != limit:
                break
            limit = -1
    if low < high and has_more():
        yield from reversed([*readable_rows(select, low, high, newest=not newest)])


def _smallest(is_enough: Callable[[int], bool], limit: int) -> int:
    """About the smallest number after 0 that is enough, or the limit.

    The steps grow slowly, so that few readable rows between two damaged pages are lost.
    """
    too_small, found = 0, 1
    while found < limit and not is_enough(found):
        too_small, found = found, found + 1 + found // 8
    found = min(found, limit)
    while found - too_small > 1:
        middle = (too_small + found) // 2
        if is_enough(middle):
            found = middle
        else:
            too_small = middle
    return found


@dataclass(frozen=True, slots=True)
class Damaged:
    """A part of a mission that cannot be read.

    Attributes:
        part: a stream of events, such as `telemetry`, or a parameter.
        content: the lost data, for people: `events 12 to 40`.
        since: POSIX seconds before which nothing of it is lost; -infinite if unknown.
        until: POSIX seconds after which nothing of it is lost; infinite if unknown.
    """

    part: str
    content: str
    since: float = -inf
    until: float = inf

    def as_json(self) -> dict[str, Any]:
        """The part as clients see it."""
        times = {"since": self.since, "until": self.until}
        known = {name: iso_or_text(t) if abs(t) < inf else None for name, t in times.items()}
        return {"part": self.part, "content": self.content, **known}


class Damage:
    """The parts of one file that were found damaged. Any thread may use it.

    Attributes:
        parts: each once, in the order in which they were found.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.parts: dict[tuple[str, str], Damaged] = {}

    def note(self, damaged: Damaged) -> None:
        """Note a part, and log it if it is new: the 1st, 2nd, 4th, 8th … only."""
        key = damaged.part, damaged.content
        if key in self.parts or len(self.parts) == MAX_PARTS:
            return
        self.parts[key] = damaged
        if len(self.parts).bit_count() == 1:
            shown = damaged.as_json()
            logger.error(
                "%s: %s of %s (%s to %s) cannot be read, because the file is damaged (%d parts so "
                "far); the rest is served. Check the disk, and save the rest with rover record",
                self._path,
                damaged.content,
                damaged.part,
                shown["since"] or "unknown",
                shown["until"] or "unknown",
                len(self.parts),
            )

    def clear(self) -> None:
        """Forget all parts: another file replaces this one."""
        self.parts.clear()

    def as_json(self) -> dict[str, Any]:
        """The number of damaged parts, and the newest of them."""
        newest = list(self.parts.values())[-MAX_LISTED:]
        return {"count": len(self.parts), "parts": [one.as_json() for one in reversed(newest)]}


_damage: WeakValueDictionary[Path, Damage] = WeakValueDictionary()
_damage_lock = Lock()


def damage_of(path: Path) -> Damage:
    """The damage of a file. It is the same one for all that use the file at the same time."""
    with _damage_lock:
        return _damage.setdefault(path.absolute(), Damage(path))
