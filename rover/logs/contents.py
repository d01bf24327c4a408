"""Reading `mission.db`. All functions block."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rover.errors import LogDamaged, RoverError
from rover.logs.base import Index, Record, Stream, up_to
from rover.schema import MAX_OFFSET, OFFSET_BITS

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

logger = logging.getLogger("rover.log")

COLUMNS = "id, CAST(at AS REAL), CAST(t AS REAL), CAST(kind AS BLOB), CAST(data AS BLOB)"
"""The columns of `decoded_record`. One damaged text would fail the whole query."""

damaged_records: Counter[Path] = Counter()
"""Number of damaged records that `read` has found, by file."""

BUSY_TIMEOUT_S = 1.0
"""Seconds to wait for another program that writes to the file, such as the `sqlite3` shell."""


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


def contents_of(connection: sqlite3.Connection) -> Contents:
    """The streams and values. The time does not depend on the number of records.

    Raises:
        sqlite3.Error: the file is damaged.
    """
    execute = connection.execute
    streams = list(execute("SELECT id, key, last FROM streams ORDER BY id"))
    ids = {key: id_ for id_, key, _ in streams}
    epochs: dict[int, list[tuple[str, int]]] = {id_: [] for id_ in ids.values()}
    for id_, first, epoch in execute("SELECT stream, first, epoch FROM epochs ORDER BY 1, 2"):
        epochs.setdefault(id_, []).append((epoch, first))
    index = Index(values=_readable_items(connection))
    for id_, key, last in streams:
        query = "SELECT max(id), CAST(data AS BLOB) FROM records WHERE id BETWEEN ? AND ?"
        newest, _ = execute(query, id_range(id_)).fetchone()
        if epochs[id_]:
            recorded = 0 if newest is None else newest & MAX_OFFSET
            index.streams[key] = Stream(key, epochs[id_], max(last, recorded))
    return Contents(index, ids, dict(execute("SELECT key, value FROM meta")))


def _readable_items(connection: sqlite3.Connection) -> dict[str, str]:
    """The named texts. A damaged one is left out, and logged."""
    items: dict[str, str] = {}
    for key, value in connection.execute(
        "SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM items"
    ):
        try:
            items[key.decode()] = value.decode()
        except UnicodeDecodeError as exc:
            logger.error("the saved value %r is damaged and is left out: %s", key, exc)
    return items


def decoded_record(row: tuple[int, float | None, float | None, bytes, bytes]) -> Record:
    """The record of a row with `COLUMNS`. A damaged one has empty data."""
    id_, at, t, kind, data = row
    try:
        return Record(id_ & MAX_OFFSET, at or 0.0, kind.decode(), data.decode(), t)
    except (UnicodeDecodeError, AttributeError):  # or a value has another type
        return Record(id_ & MAX_OFFSET, at or 0.0, _kind(kind), "")


def _kind(kind: bytes | None) -> str:
    return "" if kind is None else kind.decode(errors="replace")


def _report_damaged(connection: sqlite3.Connection, path: Path, stream: int, offset: int) -> None:
    damaged_records[path] += 1
    if damaged_records[path].bit_count() > 1:  # the 1st, 2nd, 4th, 8th … only
        return
    found = connection.execute("SELECT key FROM streams WHERE id = ?", (stream,)).fetchone()
    logger.error(
        "%s: the record %d of %s is damaged and is left out (%d so far); "
        "the others are served. Check the disk, and save the rest with rover record",
        path,
        offset,
        "an unknown stream" if found is None else found[0],
        damaged_records[path],
    )


def read(
    path: Path,
    stream: int,
    after: int,
    until: int | None,
    kinds: Collection[str] | None,
    limit: int | None,
    newest: bool,
    max_bytes: int | None,
    damaged: bool = False,
    mode: str = "ro",
) -> list[Record]:
    """Committed records of a stream; see `Log.read`.

    Raises:
        LogDamaged: the records cannot be read.
    """
    condition, chosen = of_kinds(kinds)
    query = (
        f"SELECT {COLUMNS} FROM records WHERE id > ? AND id <= ?{condition} "  # noqa: S608
        f"ORDER BY id {'DESC' if newest else ''} LIMIT ?"
    )
    first, last = id_range(stream)
    low, high = first + after, last if until is None else first + until
    readable: list[Record] = []
    try:
        with closing(connect(path, mode)) as connection:
            while not readable:
                args = (low, high, *chosen, -1 if limit is None else limit)
                records = up_to(map(decoded_record, connection.execute(query, args)), max_bytes)
                for one in records:
                    if not one.data:
                        _report_damaged(connection, path, stream, one.offset)
                readable = records if damaged else [one for one in records if one.data]
                if not records:
                    break
                end = first + records[-1].offset
                low, high = (low, end - 1) if newest else (end, high)
    except (sqlite3.Error, UnicodeError) as exc:
        raise LogDamaged(f"{path} cannot be read: {exc}") from exc
    return readable[::-1] if newest else readable


def connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """A connection to a file that exists.

    Args:
        path: of the file.
        mode: `rw`, `ro`, or `ro&immutable=1` for a file that never changes.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(
        uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )


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
