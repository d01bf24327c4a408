"""The tables of `mission.db`, and the steps from each version of them to the next.

    records   one row for each event; its id is `stream << 40 | offset`. Samples are packed: the
              data of a row has many, and its id is that of the newest
    streams   the streams by name; `last` is a lower bound of the newest offset
    epochs    the epochs of each stream, by their first offset
    holes     offsets that were published while nothing was recorded
    items     named texts: alarms, newest values, uploads
    meta      the run that wrote last, and whether it closed the file
    parameter, times, chunk     the archive of the telemetry

One version covers all tables of the file. A change of any of them is a further migration, and what
reads a recorded mission, which is never written, must also read the tables of earlier versions.

Rows have a checksum of their other columns (`rover.checksum`), because SQLite finds damaged pages
only by their structure. It is -1 in rows of versions before 3; packs have checksums of their own.

One integer as the key of a record keeps the records of a stream together and in order, and needs no
second index. The view `events` shows stream, offset and times for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

APPLICATION_ID = 0x524F5652
"""Marks the file as a mission: `ROVR`."""

FILE_NAME = "mission.db"

MAGIC = b"SQLite format 3\0"

HEADER_BYTES = 100
"""Size of the header of an SQLite file. Source: https://sqlite.org/fileformat.html, 1.3."""

OFFSET_BITS = 40
"""Bits of an offset: at 1,000 events a second, they last 34 years."""

MAX_OFFSET = (1 << OFFSET_BITS) - 1

SAMPLE_KINDS = frozenset({"behind", "late", "sample"})
"""Kinds of the samples. `sample`, which nearly all are, is not indexed by kind: `NOT IN` with all
three doubled the cost of a record."""

VERSION_1 = """
CREATE TABLE streams (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, last INTEGER NOT NULL
);
CREATE TABLE epochs (
    stream INTEGER NOT NULL, first INTEGER NOT NULL, epoch TEXT NOT NULL,
    PRIMARY KEY (stream, first)
) WITHOUT ROWID;
CREATE TABLE records (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, t REAL, kind TEXT NOT NULL, data TEXT NOT NULL
);
CREATE INDEX named ON records (kind, id) WHERE kind <> 'sample';
CREATE TABLE holes (
    stream INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    since REAL NOT NULL, until REAL NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (stream, first)
) WITHOUT ROWID;
CREATE TABLE items (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE VIEW events AS
    SELECT streams.key AS stream, records.id & 1099511627775 AS "offset",
        strftime('%Y-%m-%dT%H:%M:%fZ', at, 'unixepoch') AS at, t, kind, data
    FROM records JOIN streams ON streams.id = records.id >> 40;
"""

VERSION_2 = """
CREATE TABLE IF NOT EXISTS parameter (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE NOT NULL,
    archived INTEGER NOT NULL, -- offset of the newest event whose values are stored
    kinds TEXT NOT NULL -- types of its values by component, as JSON: `{"": "fi"}`
);
CREATE TABLE IF NOT EXISTS times (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS chunk (
    id INTEGER PRIMARY KEY,
    parameter INTEGER NOT NULL,
    level INTEGER NOT NULL,
    first REAL NOT NULL, -- time of the first point, POSIX seconds
    last REAL NOT NULL,
    points INTEGER NOT NULL,
    open INTEGER NOT NULL, -- 1 if newer points may be added
    stored REAL NOT NULL, -- time of the last change, POSIX seconds
    times INTEGER, -- those of level 0, which parameters of the same samples share
    own_times BLOB, -- those of other levels
    parts TEXT, -- names of a vector's components
    late BLOB, -- NULL if no point was late
    data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS chunk_by_time ON chunk (parameter, level, first, last, points, open);
CREATE INDEX IF NOT EXISTS chunk_by_age ON chunk (stored);
CREATE INDEX IF NOT EXISTS chunk_by_times ON chunk (times);
"""
"""The tables of the archive."""

SUM = "ADD COLUMN sum INTEGER NOT NULL DEFAULT -1;"

ARCHIVE_SUMS = f"ALTER TABLE parameter {SUM} ALTER TABLE chunk {SUM}"

ARCHIVE = VERSION_2 + ARCHIVE_SUMS
"""The tables of the archive in a database in memory."""

TABLES_WITH_SUMS = ("records", "items", "streams", "epochs")

VERSION_3 = " ".join(f"ALTER TABLE {table} {SUM}" for table in TABLES_WITH_SUMS) + ARCHIVE_SUMS

MIGRATIONS = (VERSION_1, VERSION_2, VERSION_3)
"""The statements from version 0, an empty file, to 1, from 1 to 2, and so on."""


def is_mission(path: Path) -> bool:
    """Whether a path is a recorded mission: a file of `rover record`, or a data folder.

    The header of a `mission.db` that is in use may still be in its write-ahead log.
    """
    if path.is_dir() or path.name == FILE_NAME:
        return (path if path.name == FILE_NAME else path / FILE_NAME).is_file()
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError:
        return False
    return header[:16] == MAGIC and header[68:72] == APPLICATION_ID.to_bytes(4, "big")


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables from a version to the newest, in one transaction."""
    steps = "".join(MIGRATIONS[version:])
    connection.executescript(
        f"BEGIN IMMEDIATE;{steps}PRAGMA application_id = {APPLICATION_ID};"
        f"PRAGMA user_version = {len(MIGRATIONS)};COMMIT;"
    )
