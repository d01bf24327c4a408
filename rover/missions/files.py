"""Files in a recorded mission: accepted command files and images, in pieces of limited size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

PIECE_BYTES = 2**20

FILES_SCHEMA = """
CREATE TABLE files (
    path TEXT NOT NULL, -- relative to the data folder
    piece INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (path, piece)
);
"""


def add_file(db: sqlite3.Connection, name: str, pieces: Iterator[bytes] | None) -> bool:
    """Add a file, unless there is one of that name; returns whether it is new.

    Args:
        db: the recorded mission.
        name: the path relative to the data folder.
        pieces: its bytes; `None` if it does not exist.
    """
    if pieces is None or db.execute("SELECT 1 FROM files WHERE path = ?", (name,)).fetchone():
        return False
    for index, data in enumerate(pieces):
        db.execute("INSERT INTO files VALUES (?, ?, ?)", (name, index, data))
    return True


def pieces_of_file(path: Path) -> Iterator[bytes] | None:
    """The bytes of a file, at least one piece; `None` if it cannot be opened."""
    try:
        file = path.open("rb")
    except OSError:
        return None

    def pieces() -> Iterator[bytes]:
        with file:
            data = file.read(PIECE_BYTES)
            yield data
            while data := file.read(PIECE_BYTES):
                yield data

    return pieces()


def stored_pieces(db: sqlite3.Connection, name: str) -> Iterator[bytes] | None:
    """The bytes of a file of a recorded mission; `None` if it does not have it."""
    query = "SELECT data FROM files WHERE path = ? ORDER BY piece"
    rows = db.execute(query, (name,))
    first = rows.fetchone()
    if first is None:
        return None

    def pieces() -> Iterator[bytes]:
        yield first[0]
        for (data,) in rows:
            yield data

    return pieces()


def extract(db: sqlite3.Connection, folder: Path) -> None:
    """Write all files of a recorded mission into a folder.

    Raises:
        OSError: the disk is full, for example.
        ValueError: the path of a file is not below the folder.
    """
    for (name,) in db.execute("SELECT DISTINCT path FROM files").fetchall():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{name!r} is not a path in a data folder")
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        with path.open("wb") as file:
            for piece in stored_pieces(db, name) or ():
                file.write(piece)
