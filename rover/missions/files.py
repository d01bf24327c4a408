"""Files in a recorded mission: accepted command files and images, in pieces of limited size."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, BinaryIO

from rover.damage import MAX_ROW, Damaged, Lost, is_unreadable, readable_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rover.damage import Damage

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
        pieces: its bytes; `None` if it does not exist. If it raises, nothing is added.
    """
    if pieces is None or db.execute("SELECT 1 FROM files WHERE path = ?", (name,)).fetchone():
        return False
    try:
        for index, data in enumerate(pieces):
            db.execute("INSERT INTO files VALUES (?, ?, ?)", (name, index, data))
    except BaseException:
        db.execute("DELETE FROM files WHERE path = ?", (name,))
        raise
    return True


def pieces_of_file(path: Path) -> Iterator[bytes] | None:
    """The bytes of a file, at least one piece; `None` if it cannot be opened."""
    try:
        return pieces_of(path.open("rb"))
    except OSError:
        return None


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """The rest of an open file, at least one piece; closes it."""
    with file:
        data = file.read(PIECE_BYTES)
        yield data
        while data := file.read(PIECE_BYTES):
            yield data


class StoredFiles:
    """The files of a recorded mission.

    Args:
        db: a connection to it. A `mission.db` has no such files.
        damage: of it. Files of which a piece cannot be read are left out, and noted.

    Raises:
        sqlite3.Error: the list of files cannot be read, for another reason than damaged pages.
    """

    def __init__(self, db: sqlite3.Connection, damage: Damage) -> None:
        self._db, self._damage = db, damage
        self._rows: dict[str, list[int]] = {}  # of the pieces of each file
        if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'files'").fetchone():
            for name in self._read_rows():
                self._rows.pop(name, None)
                damage.note(Damaged("files", name))

    def _read_rows(self) -> set[str]:
        """Read which rows each file has; returns the files that lack some.

        The rows of a file follow each other. A piece of full size before lost rows may not be the
        last one of its file.
        """

        def select(
            low: int, high: int, careful: bool, limit: int, newest: bool
        ) -> Iterable[tuple[int, str, int, int]]:
            order = "rowid DESC" if newest else "rowid"
            query = (
                "SELECT rowid, path, piece, length(data) FROM files NOT INDEXED "  # noqa: S608
                f"WHERE rowid > ? AND rowid <= ? ORDER BY {order} LIMIT ?"
            )
            return self._db.execute(query, (low, high, limit))

        incomplete: set[str] = set()
        newest, is_full = "", False
        for row in readable_rows(select, 0, MAX_ROW):
            if isinstance(row, Lost):
                self._damage.note(Damaged("files", "some of them"))
                if is_full:
                    incomplete.add(newest)
                continue
            id_, newest, piece, size = row
            rows = self._rows.setdefault(newest, [])
            if piece != len(rows):
                incomplete.add(newest)
            rows.append(id_)
            is_full = size >= PIECE_BYTES
        return incomplete

    def pieces(self, name: str) -> Iterator[bytes] | None:
        """The bytes of a file; `None` if it does not exist, or is damaged, which is noted.

        Args:
            name: its path relative to the data folder.
        """
        rows = self._rows.get(name)
        if rows is None:
            return None
        try:
            for id_ in rows:
                self._piece(id_)
        except sqlite3.DatabaseError as exc:
            if not is_unreadable(exc):
                raise
            self._damage.note(Damaged("files", name))
            return None
        return map(self._piece, rows)

    def _piece(self, id_: int) -> bytes:
        query = "SELECT data FROM files WHERE rowid = ?"
        return bytes(self._db.execute(query, (id_,)).fetchone()[0])

    def extract(self, folder: Path) -> None:
        """Write all files into a folder.

        Raises:
            OSError: the disk is full, for example.
            ValueError: the path of a file is not below the folder.
        """
        for name in self._rows:
            path = folder / name
            if not path.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"{name!r} is not a path in a data folder")
            if (pieces := self.pieces(name)) is None:
                continue
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
            with path.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
