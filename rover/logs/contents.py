"""Reading `mission.db`. All functions block."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rover.damage import Damaged, Lost, is_unreadable, readable_rows
from rover.errors import RoverError
from rover.events import new_epoch
from rover.logs.base import Index, Stream
from rover.logs.reading import Row, connect, id_range
from rover.schema import MAX_OFFSET

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rover.damage import Damage

logger = logging.getLogger("rover.log")


@dataclass(slots=True)
class Contents:
    """What a file holds when it is opened.

    Attributes:
        index: its streams and values.
        ids: the id of each stream.
        meta: what the run before wrote about itself.
    """

    index: Index
    ids: dict[str, int]
    meta: dict[str, str]


def contents_read_only(path: Path) -> Contents:
    """What a file holds that cannot be opened for writing; nothing if it cannot be read either.

    An exclusive connection needs no file beside the database: the disk may be full.
    """
    for mode in ("rw", "ro&immutable=1"):
        with suppress(Exception), closing(connect(path, mode)) as connection:  # also damage
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            return contents_of(connection)
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


def contents_of(connection: sqlite3.Connection, damage: Damage | None = None) -> Contents:
    """The streams and values. The time does not depend on the number of records.

    Args:
        connection: to the file.
        damage: of the file, to leave out what is on damaged pages; `None` to raise.

    Raises:
        sqlite3.Error: the file is damaged.
    """

    def rows(table: str, columns: str) -> list[tuple[Any, ...]]:
        query = f"SELECT {columns} FROM {table} ORDER BY"  # noqa: S608
        if damage is None:
            return list(connection.execute(f"{query} 1, 2"))
        return _rows_of_both_ends(connection, query, table, damage)

    index = Index(values=_readable_items(rows("items", "CAST(key AS BLOB), CAST(value AS BLOB)")))
    streams = rows("streams", "id, key, last")
    ids = {key: id_ for id_, key, _ in streams}
    epochs: dict[int, list[tuple[str, int]]] = {id_: [] for id_ in ids.values()}
    for id_, first, epoch in rows("epochs", "stream, first, epoch"):
        epochs.setdefault(id_, []).append((epoch, first))
    for id_, key, last in streams:
        newest = _newest(connection, key, id_, damage)
        if not epochs[id_] and damage is not None and damage.parts:
            epochs[id_] = [(new_epoch(), 1)]
        if epochs[id_]:
            index.streams[key] = Stream(key, epochs[id_], max(last, newest))
    return Contents(index, ids, dict(rows("meta", "key, value")))


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


def _newest(connection: sqlite3.Connection, key: str, stream: int, damage: Damage | None) -> int:
    """The offset of the newest record of a stream; 0 if there is none."""
    try:
        query = "SELECT max(id), CAST(data AS BLOB) FROM records WHERE id BETWEEN ? AND ?"
        newest, _ = connection.execute(query, id_range(stream)).fetchone()
        return 0 if newest is None else int(newest & MAX_OFFSET)
    except sqlite3.DatabaseError as exc:
        if damage is None or not is_unreadable(exc):
            raise

    def select(low: int, high: int, _: bool) -> Iterable[Row]:
        query = (
            "SELECT id, CAST(data AS BLOB) FROM records WHERE id > ? AND id <= ? ORDER BY id DESC"
        )
        return connection.execute(query, (low, high))

    newest = 0
    for row in readable_rows(select, *id_range(stream), newest=True):
        if not isinstance(row, Lost):
            newest = row[0] & MAX_OFFSET
            break
    damage.note(Damaged(key, f"events after {newest}"))
    return newest


def _readable_items(rows: Iterable[tuple[Any, ...]]) -> dict[str, str]:
    """The named texts. A damaged one is left out, and logged."""
    items: dict[str, str] = {}
    for key, value in rows:
        try:
            items[key.decode()] = value.decode()
        except (UnicodeDecodeError, AttributeError) as exc:  # or a value has another type
            logger.error("the saved value %r is damaged and is left out: %s", key, exc)
    return items
