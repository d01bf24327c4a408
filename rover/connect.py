"""Connections to an SQLite file."""

from __future__ import annotations

import sqlite3
from time import sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BUSY_TIMEOUT_S = 1.0
"""Seconds to wait for another program that writes to the file, such as the `sqlite3` shell."""

ATTEMPTS = 5
"""Number of attempts to open a file without writing beside it, which fail while another connection
of this process tries to write there."""

ATTEMPT_S = 0.02
"""Seconds between two of them."""

UNWRITABLE = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
)


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
    if mode != "rw":
        # without this, SQLite opens no truncated file; the pages that it lacks are damaged ones
        connection.execute("PRAGMA writable_schema = ON")
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that only reads, even if the disk is full or read-only.

    A reader usually writes `mission.db-shm`, the index of the write-ahead log. If that fails,
    SQLite keeps the index in memory. Close such a connection soon: while it is open, the process
    cannot write to the file.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    log, error = path.with_name(f"{path.name}-wal"), None
    for mode in ("ro", *["ro&readonly_shm=1"] * ATTEMPTS):
        connection = connect(path, mode)
        try:
            connection.execute("PRAGMA schema_version").fetchone()
        except sqlite3.Error as exc:
            connection.close()
            if not is_unwritable(exc):
                raise
            error = exc
        else:
            return connection
        if not (log.exists() and log.stat().st_size):  # all is in the file itself
            return connect(path, "ro&immutable=1")
        sleep(ATTEMPT_S)
    raise sqlite3.OperationalError(f"{path} cannot be read: {error}") from error


def is_unwritable(error: sqlite3.Error) -> bool:
    """Whether a file cannot be written, such as on a full or read-only disk."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in UNWRITABLE
