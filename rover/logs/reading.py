"""Reading the records of `mission.db`. All functions block."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from itertools import chain, islice
from math import inf
from typing import TYPE_CHECKING

from rover.checksum import sum_column
from rover.connect import connect, connect_to_read
from rover.damage import Damaged, Lost, damage_of, readable_rows
from rover.errors import LogDamaged
from rover.logs.base import Record, up_to
from rover.logs.rows import COLUMNS, PACK_KIND, records_of_row
from rover.schema import HEADER_BYTES, MAX_OFFSET, OFFSET_BITS, SAMPLE_KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Unpack

    from rover.damage import Damage
    from rover.logs.base import Range
    from rover.logs.rows import StoredRow


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
    base, _ = id_range(stream)
    until = MAX_OFFSET if until is None else until
    previous = until + 1 if newest else after
    lost: list[Lost] = []  # since `previous`

    def damaged(low: int, high: int) -> Iterator[Record]:
        """What is lost between two offsets."""
        first = max(low + 1, min(one.first for one in lost))
        last = min(high - 1, max(one.last for one in lost))
        lost.clear()
        if first <= last:
            damage.note(_damaged_events(connection, key, Lost(base + first, base + last)))
        offsets = range(first, last + 1)
        yield from (Record(one, 0.0, "", "") for one in (offsets[::-1] if newest else offsets))

    for one in _in_rows(connection, stream, after, until, kinds, newest=newest):
        if isinstance(one, Lost):
            lost.append(one)
        elif one.offset < previous if newest else previous < one.offset <= until:
            if lost:
                yield from damaged(*sorted((previous, one.offset)))
            previous = one.offset
            if one.offset > after:
                yield one
    if lost:
        yield from damaged(*((after, previous) if newest else (previous, until + 1)))


def _in_rows(
    connection: sqlite3.Connection,
    stream: int,
    after: int,
    until: int,
    kinds: Collection[str] | None,
    *,
    newest: bool,
) -> Iterator[Record | Lost]:
    """The records of the rows that have those of a range, and what is damaged among them."""
    has_packs = kinds is None or not SAMPLE_KINDS.isdisjoint(kinds)
    condition, chosen = of_kinds({*kinds, PACK_KIND} if kinds and has_packs else kinds)
    columns = f"{COLUMNS}, {sum_column(connection, 'records')}"

    def select(low: int, high: int, careful: bool, limit: int, newest: bool) -> Iterable[StoredRow]:
        table = "records NOT INDEXED" if careful else "records"
        order = "id DESC" if newest else "id"
        sql = (
            f"SELECT {columns} FROM {table} WHERE id > ? AND id <= ?{condition} "  # noqa: S608
            f"ORDER BY {order} LIMIT ?"
        )
        return connection.execute(sql, (low, high, *chosen, limit))

    base, end = id_range(stream)
    high = base + until
    if has_packs:  # the row of the last record may have later ones too
        with suppress(sqlite3.DatabaseError):  # of a damaged page, which `select` reads too
            query = "SELECT id FROM records WHERE id >= ? AND id <= ? ORDER BY id LIMIT 1"
            high = (connection.execute(query, (high, end)).fetchone() or (high,))[0]
    for row in readable_rows(select, base + after, high, newest=newest):
        if isinstance(row, Lost):
            yield Lost(row.first & MAX_OFFSET, row.last & MAX_OFFSET)
            continue
        found = records_of_row(row)
        for one in reversed(found) if newest else found:
            if isinstance(one, Lost) or kinds is None or one.kind in kinds:
                yield one


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
    mode: str = "",
    *,
    limit: int | None = None,
    max_bytes: int | None = None,
    damaged: bool = False,
    unstored: Sequence[Record] = (),
    **range_: Unpack[Range],
) -> list[Record]:
    """Committed records of a stream; see `Log.read`.

    Args:
        path: of the file.
        key: of the stream.
        stream: its id.
        mode: of `connect`; empty for `connect_to_read`.
        limit: see `Selection`.
        max_bytes: see `Selection`.
        damaged: see `Selection`.
        unstored: records that follow all those in the file.
        range_: see `Range`.

    Raises:
        LogDamaged: the records cannot be read.
    """
    damage = damage_of(path)
    try:
        with closing(connect(path, mode) if mode else connect_to_read(path)) as connection:
            more = within(unstored, **range_)
            if more:  # else those that were stored meanwhile would appear twice
                range_["until"] = more[0].offset - 1
            found = records_of(connection, damage, key, stream, **range_)
            both = chain(more[::-1], found) if range_.get("newest") else chain(found, more)
            wanted = (one for one in both if damaged or one.data)
            records = up_to(islice(wanted, limit), max_bytes)
    except (sqlite3.Error, UnicodeError) as exc:
        damage.note(Damaged(key, f"events ({exc})"))
        raise LogDamaged(f"{path} cannot be read: {exc}") from exc
    return records[::-1] if range_.get("newest") else records


def within(
    records: Iterable[Record],
    *,
    after: int = 0,
    until: int | None = None,
    kinds: Collection[str] | None = None,
    newest: bool = False,  # part of a range
) -> list[Record]:
    """Those of some records that are in a range, the oldest first; see `Range`."""
    last = MAX_OFFSET if until is None else until
    return [
        one
        for one in records
        if after < one.offset <= last and (kinds is None or one.kind in kinds)
    ]


def note_truncation(path: Path, damage: Damage) -> None:
    """Note how much of the end of a file is missing.

    Nothing is known of a file with a write-ahead log, which may have the end.

    Source: https://sqlite.org/fileformat.html, 1.3.2 and 1.3.7.
    """
    if path.with_name(f"{path.name}-wal").exists():
        return
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    page_bytes, pages = (int.from_bytes(header[at:end]) for at, end in ((16, 18), (28, 32)))
    if header[24:28] != header[92:96]:  # an old version of SQLite did not update the number
        return
    missing = pages * (65_536 if page_bytes == 1 else page_bytes) - path.stat().st_size
    if missing > 0:
        damage.note(Damaged("the file", f"the last {missing:,} bytes"))


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
