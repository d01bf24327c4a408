"""Reading the records of `mission.db`. All functions block."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

from rover.damage import Damaged, Lost, damage_of, readable_rows
from rover.errors import LogDamaged
from rover.logs.base import Record, up_to
from rover.schema import MAX_OFFSET, OFFSET_BITS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path
    from typing import Unpack

    from rover.damage import Damage
    from rover.logs.base import Range

COLUMNS = "id, CAST(at AS REAL), CAST(t AS REAL), CAST(kind AS BLOB), CAST(data AS BLOB)"
"""The columns of `decoded_record`. One damaged text would fail the whole query."""

Row = tuple[int, float | None, float | None, bytes, bytes]
"""A row with `COLUMNS`."""

BUSY_TIMEOUT_S = 1.0
"""Seconds to wait for another program that writes to the file, such as the `sqlite3` shell."""


def decoded_record(row: Row) -> Record:
    """The record of a row with `COLUMNS`. A damaged one has empty data."""
    id_, at, t, kind, data = row
    try:
        return Record(id_ & MAX_OFFSET, at or 0.0, kind.decode(), data.decode(), t)
    except (UnicodeDecodeError, AttributeError):  # or a value has another type
        return Record(id_ & MAX_OFFSET, at or 0.0, _kind(kind), "")


def _kind(kind: bytes | None) -> str:
    return "" if kind is None else kind.decode(errors="replace")


def records_of(
    connection: sqlite3.Connection,
    damage: Damage,
    key: str,
    stream: int,
    *,
    after: int = 0,
    until: int | None = None,
    kinds: Collection[str] | None = None,
    newest: bool = False,
) -> Iterator[Record]:
    """The records of a stream. Those that cannot be read have empty data, and are noted.

    Args:
        connection: to the file.
        damage: of the file.
        key: of the stream.
        stream: its id.
        after: the offset before the first.
        until: the last offset; `None` for no bound.
        kinds: of the records; `None` for all.
        newest: whether to begin with the newest.

    Raises:
        sqlite3.Error: the file cannot be read, for another reason than damaged pages.
    """
    condition, chosen = of_kinds(kinds)
    order = "id DESC" if newest else "id"

    def select(low: int, high: int, careful: bool) -> Iterable[Row]:
        table = "records NOT INDEXED" if careful else "records"
        sql = f"SELECT {COLUMNS} FROM {table} WHERE id > ? AND id <= ?{condition} ORDER BY {order}"  # noqa: S608
        return connection.execute(sql, (low, high, *chosen))

    base, end = id_range(stream)
    high = end if until is None else base + until
    for row in readable_rows(select, base + after, high, newest=newest):
        if isinstance(row, Lost):
            damage.note(_damaged_events(connection, key, row))
            lost = range(row.first & MAX_OFFSET, (row.last & MAX_OFFSET) + 1)
            yield from (Record(one, 0.0, "", "") for one in (reversed(lost) if newest else lost))
        else:
            record = decoded_record(row)
            if not record.data:
                damage.note(_damaged_events(connection, key, Lost(row[0], row[0])))
            yield record


def _damaged_events(connection: sqlite3.Connection, key: str, lost: Lost) -> Damaged:
    """What is lost, with the times of the events beside it."""
    first, last = lost.first & MAX_OFFSET, lost.last & MAX_OFFSET
    content = f"event {first}" if first == last else f"events {first} to {last}"
    begin, end = id_range(lost.first >> OFFSET_BITS)
    times = [-inf, inf]
    for place, order, low, high in ((0, "DESC", begin, lost.first - 1), (1, "", lost.last, end)):
        query = f"SELECT at FROM records WHERE id > ? AND id <= ? ORDER BY id {order} LIMIT 1"  # noqa: S608
        with suppress(sqlite3.Error, TypeError, ValueError):
            if found := connection.execute(query, (low, high)).fetchone():
                times[place] = float(found[0])
    return Damaged(key, content, *times)


def read(
    path: Path,
    key: str,
    stream: int,
    mode: str = "ro",
    *,
    limit: int | None = None,
    max_bytes: int | None = None,
    damaged: bool = False,
    **range_: Unpack[Range],
) -> list[Record]:
    """Committed records of a stream; see `Log.read`.

    Raises:
        LogDamaged: the records cannot be read.
    """
    damage = damage_of(path)
    try:
        with closing(connect(path, mode)) as connection:
            found = records_of(connection, damage, key, stream, **range_)
            wanted = (one for one in found if damaged or one.data)
            records = up_to(islice(wanted, limit), max_bytes)
    except (sqlite3.Error, UnicodeError) as exc:
        damage.note(Damaged(key, f"events ({exc})"))
        raise LogDamaged(f"{path} cannot be read: {exc}") from exc
    return records[::-1] if range_.get("newest") else records


def connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """A connection to a file that exists.

    Args:
        path: of the file.
        mode: `rw`, `ro`, or `ro&immutable=1` for a file that never changes.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA cell_size_check = ON")  # finds more damage
    return connection


def id_range(stream: int) -> tuple[int, int]:
    """The lowest and the highest id of the records of a stream."""
    return stream << OFFSET_BITS, stream << OFFSET_BITS | MAX_OFFSET


def of_kinds(kinds: Collection[str] | None) -> tuple[str, tuple[str, ...]]:
    """The condition of a query for records of some kinds, and its parameters."""
    if kinds is None:
        return "", ()
    # SQLite uses a partial index only for a query with its condition
    named = "" if "sample" in kinds else " AND kind <> 'sample'"
    return f"{named} AND kind IN ({', '.join('?' * len(kinds))})", tuple(kinds)
