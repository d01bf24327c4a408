"""The rows of a log's tables, with their checksums. Samples are written in packs.

A pack has consecutive samples of a stream: a row for each sample costs half as much again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.checksum import checksum, is_intact
from rover.damage import Lost
from rover.logs.base import Record
from rover.logs.codec import decode
from rover.schema import MAX_OFFSET, OFFSET_BITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rover.logs.batch import Pack
    from rover.logs.codec import Row

PACK_KIND = "sample"
"""The kind of the row of a pack."""

PACK_SUM = 0
"""The checksum of the row of a pack, whose records have their own."""

INSERT_ITEM = "INSERT OR REPLACE INTO items VALUES (?, ?, ?)"
"""Writes a row of `item_row`."""

INSERT_STREAM = (
    "INSERT INTO streams VALUES (?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET last = max(last, excluded.last)"
)
"""Writes a row of `stream_row`."""

INSERT_EPOCH = "INSERT INTO epochs VALUES (?, ?, ?, ?)"
"""Writes a row of `epoch_row`."""

COLUMNS = (
    "id, CAST(at AS REAL), CAST(t AS REAL), CAST(kind AS BLOB), CAST(data AS BLOB), "
    "typeof(data) = 'blob'"
)
"""The columns of `records_of_row`, which the checksum follows. One damaged text would fail the
whole query."""

StoredRow = tuple[int, float | None, float | None, bytes, bytes, bool, int]
"""A row with `COLUMNS` and its checksum."""


def insert_of(count: int) -> str:
    """The statement that writes that number of rows of `rows_of` or `row_of`."""
    places = ", ".join(["(?, ?, ?, ?, ?, ?)"] * count)
    return f"INSERT OR IGNORE INTO records VALUES {places}"  # noqa: S608


def rows_of(packs: Iterable[Pack]) -> Iterator[tuple[object, ...]]:
    """The rows for `insert_of`."""
    for pack in packs:
        if pack.row is not None:
            yield row_of(pack.row)
        else:
            yield pack.last, pack.until, None, PACK_KIND, b"".join(pack.records), PACK_SUM


def row_of(row: Row) -> tuple[object, ...]:
    """The row for `insert_of` of one record."""
    id_, at, t, kind, data = row
    sum_ = checksum(id_, float(at), None if t is None else float(t), kind.encode(), data.encode())
    return id_, at, t, kind, data, sum_


def record_of(row: Row) -> Record:
    """The record of a row of the journal."""
    id_, at, t, kind, data = row
    return Record(id_ & MAX_OFFSET, at, kind, data, t)


def item_row(key: str, value: str) -> tuple[object, ...]:
    """The row of a named text."""
    return key, value, checksum(key.encode(), value.encode())


def stream_row(stream: int, key: str, last: int) -> tuple[object, ...]:
    """The row of a stream. Its checksum excludes `last`, which changes."""
    return stream, key, last, checksum(stream, key.encode())


def epoch_row(stream: int, first: int, epoch: str) -> tuple[object, ...]:
    """The row of an epoch of a stream."""
    return stream, first, epoch, checksum(stream, first, epoch.encode())


def records_of_row(row: StoredRow) -> list[Record | Lost]:
    """The records of a row in the order of their offsets, and between them what is damaged.

    The first offset of what is damaged may be too low: it is after the row before.
    """
    id_, at, t, kind, data, is_pack, sum_ = row
    offset = id_ & MAX_OFFSET
    if is_pack:
        return _records_of_pack(id_, data)
    if is_intact(sum_, id_, at, t, kind, data):
        try:
            return [Record(offset, at or 0.0, kind.decode(), data.decode(), t)]
        except (UnicodeDecodeError, AttributeError):  # or a value has another type
            pass
    return [Lost(1 if sum_ == PACK_SUM else offset, offset)]


def _records_of_pack(id_: int, data: bytes) -> list[Record | Lost]:
    stream, last = id_ >> OFFSET_BITS, id_ & MAX_OFFSET
    found: list[Record | Lost] = []
    newest, is_damaged = 0, False
    for row in decode(data, 0, len(data)):
        if row is None or not stream << OFFSET_BITS | newest < row[0] <= id_:
            is_damaged = True
            continue
        offset = row[0] & MAX_OFFSET
        if is_damaged:
            found.append(Lost(newest + 1, offset - 1))
        newest, is_damaged = offset, False
        found.append(Record(offset, row[1], row[3], row[4], row[2]))
    if newest != last:
        found.append(Lost(newest + 1, last))
    return found
