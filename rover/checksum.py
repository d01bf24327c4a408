"""Checksums of rows of `mission.db`, in their column `sum`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from sqlite3 import Connection

UNKNOWN = -1
"""The checksum of rows that were written before there were checksums."""


def checksum(*values: float | bytes | None) -> int:
    """The CRC-32 of the values of a row, except `sum`. Texts are given as UTF-8."""
    return crc32(repr(values).encode())


def is_intact(found: int, *values: float | bytes | None) -> bool:
    """Whether a row has the values that were written; also if that is unknown.

    Args:
        found: its column `sum`.
        values: its other columns, as for `checksum`.
    """
    return found in (UNKNOWN, checksum(*values))


def sum_column(db: Connection, table: str) -> str:
    """The expression for the checksum in a query: recorded missions may be of older versions."""
    query = "SELECT 1 FROM pragma_table_info(?) WHERE name = 'sum'"
    return str(UNKNOWN) if db.execute(query, (table,)).fetchone() is None else "sum"
