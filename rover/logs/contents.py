"""Reading `mission.db`. All functions block."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from rover.checksum import is_intact, sum_column
from rover.connect import connect_to_read
from rover.damage import Damaged, Lost, damage_of, is_unreadable, readable_rows
from rover.errors import RoverError
from rover.events import new_epoch
from rover.logs.base import Index, Record, Stream
from rover.logs.reading import id_range
from rover.logs.rows import COLUMNS, records_of_row
from rover.schema import MAX_OFFSET

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from rover.damage import Damage
    from rover.logs.rows import StoredRow


@dataclass(slots=True)
class Contents:
    """What a file holds when it is opened.

    Attributes:
        index: its streams and values.
        ids: the id of each stream.
        meta: what the run before wrote about itself.
        unsure: keys of streams that need an epoch, because their newest records or their epochs
            are damaged.
    """

    index: Index
    ids: dict[str, int]
    meta: dict[str, str]
    unsure: Collection[str] = ()


def contents_read_only(path: Path) -> Contents:
    """What a file holds that cannot be opened for writing; nothing if it cannot be read either.

    The disk may be full or read-only.
    """
    with suppress(Exception), closing(connect_to_read(path)) as connection:  # also damage
        return contents_of(connection, damage_of(path), is_written=True)
    return Contents(Index(), {}, {})


def set_aside(path: Path, suffix: str) -> Path:
    """Rename a file that cannot be used, and its side files, and return the new name."""
    kept = path.with_name(f"{path.name}.{suffix}")
    for side in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.rename(f"{path}{side}", f"{kept}{side}")  # noqa: PTH104 # not a `Path`
    return kept


def is_damage(error: Exception) -> bool:
    """Whether the file itself is wrong. Other errors, such as a full disk, may end by themselves.

    Text that is not UTF-8 raises a `UnicodeError`, or an error of SQLite without a code.
    """
    if isinstance(error, OSError | RoverError | sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & 0xFF in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,  # a table is missing
    )


def contents_of(
    connection: sqlite3.Connection, damage: Damage, *, is_written: bool = False
) -> Contents:
    """The streams and values. The time does not depend on the number of records.

    Args:
        connection: to the file.
        damage: of the file. Damaged rows are left out, and noted.
        is_written: whether the file is used for writing, which needs all pages of these tables.

    Raises:
        sqlite3.Error: the file is damaged.
    """

    def rows(table: str, columns: str, covered: int, damaged: set[Any]) -> list[tuple[Any, ...]]:
        query = f"SELECT {columns}, {sum_column(connection, table)} FROM {table} ORDER BY"  # noqa: S608
        if is_written:
            found = list(connection.execute(f"{query} 1, 2"))
        else:
            found = _rows_of_both_ends(connection, query, table, damage)
        return list(_intact(table, found, covered, damaged, damage))

    index = Index(values=dict(rows("items", "CAST(key AS BLOB), CAST(value AS BLOB)", 2, set())))
    unsure: set[int] = set()
    epochs: dict[int, list[tuple[str, int]]] = {}
    for id_, first, epoch in rows("epochs", "stream, first, CAST(epoch AS BLOB)", 3, unsure):
        epochs.setdefault(id_, []).append((epoch, first))
    damaged: set[int] = set()
    streams = rows("streams", "id, CAST(key AS BLOB), last", 2, damaged)
    for id_ in (epochs.keys() | unsure) - damaged - {one for one, *_ in streams}:
        damaged.add(id_)
        damage.note(Damaged("streams", f"the row {id_}"))
    ids = {f"damaged stream {id_}": id_ for id_ in damaged}  # no other stream has their records
    ids |= {key: id_ for id_, key, _ in streams}
    for id_, key, last in streams:
        newest, newest_at, is_certain = _newest(connection, key, id_, damage, is_written=is_written)
        if not is_certain:
            unsure.add(id_)
        found = epochs.get(id_) or ([(new_epoch(), 1)] if damage.parts else [])
        if found:
            index.streams[key] = Stream(key, found, max(last, newest), newest_at)
    meta = dict(rows("meta", "CAST(key AS BLOB), CAST(value AS BLOB)", 0, set()))
    return Contents(index, ids, meta, {key for key in index.streams if ids[key] in unsure})


def _intact(
    table: str, rows: Iterable[tuple[Any, ...]], covered: int, damaged: set[Any], damage: Damage
) -> Iterator[tuple[Any, ...]]:
    """The rows that are not damaged, with texts for bytes, and without their checksums.

    Args:
        table: of the rows.
        rows: their last column is the checksum.
        covered: number of columns that the checksum covers: the first ones.
        damaged: receives the first column of each damaged row.
        damage: of the file, which notes the row.
    """
    for *values, sum_ in rows:
        with suppress(UnicodeDecodeError):
            if None not in values and is_intact(sum_, *values[:covered]):
                yield tuple(one.decode() if isinstance(one, bytes) else one for one in values)
                continue
        damaged.add(values[0])
        damage.note(Damaged(table, f"the row {values[0]!r:.100}"))


def _rows_of_both_ends(
    connection: sqlite3.Connection, query: str, table: str, damage: Damage
) -> list[tuple[Any, ...]]:
    """The rows of a small table from its beginning and its end, each up to a damaged page."""
    ends: list[list[tuple[Any, ...]]] = []
    for order in ("1, 2", "1 DESC, 2 DESC"):
        found: list[tuple[Any, ...]] = []
        try:
            found.extend(connection.execute(f"{query} {order}"))
            return found
        except sqlite3.DatabaseError as exc:
            if not is_unreadable(exc):
                raise
            damage.note(Damaged(table, "some rows"))
        ends.append(found)
    return [*ends[0], *reversed(ends[1])]


def _newest(
    connection: sqlite3.Connection, key: str, stream: int, damage: Damage, *, is_written: bool
) -> tuple[int, float, bool]:
    """The offset and the time of the newest record of a stream, and whether they are certain.

    Without a record, the offset is 0, and the time -infinite.
    """

    def select(low: int, high: int, _: bool, limit: int, newest: bool) -> Iterable[StoredRow]:
        columns = f"{COLUMNS}, {sum_column(connection, 'records')}"
        query = f"SELECT {columns} FROM records WHERE id > ? AND id <= ? "  # noqa: S608
        order = "ORDER BY id DESC LIMIT ?" if newest else "ORDER BY id LIMIT ?"
        return connection.execute(query + order, (low, high, limit))

    newest, newest_at, is_certain = 0, -inf, True
    for row in readable_rows(select, *id_range(stream), newest=True):
        if isinstance(row, Lost):
            if is_written:
                raise sqlite3.DatabaseError("the page of the newest record is damaged")
            is_certain = False
            continue
        newest = max(newest, row[0] & MAX_OFFSET)
        if isinstance(record := records_of_row(row)[-1], Record):
            newest_at = record.at
            break
        is_certain = False
    if not is_certain:
        damage.note(Damaged(key, f"events after {newest}"))
    return newest, newest_at, is_certain
