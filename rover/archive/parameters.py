"""The table of the database with a row for each stored parameter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from rover.checksum import checksum, is_intact, sum_column
from rover.damage import MAX_ROW, Damage, Damaged, Lost, readable_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from sqlite3 import Connection


class Stored(NamedTuple):
    """A row of the table.

    Attributes:
        id: its id.
        archived: offset of the newest event whose value is stored.
        kinds: letters of the types of its values (`rover.archive.points.KINDS`) by component.
    """

    id: int
    archived: int
    kinds: Mapping[str, str]


def merged_kinds(*kinds: Mapping[str, str]) -> dict[str, str]:
    """The letters of all, by component."""
    merged: dict[str, set[str]] = {}
    for one in kinds:
        for part, letters in one.items():
            merged.setdefault(part, set()).update(letters)
    return {part: "".join(sorted(letters)) for part, letters in merged.items()}


class Parameters:
    """The table of parameters.

    Args:
        db: the database. The caller begins and commits the transactions.
        damage: of its file.
    """

    def __init__(self, db: Connection, damage: Damage | None = None) -> None:
        self._db = db
        self._damage = damage or Damage()

    def all(self) -> dict[str, Stored]:
        """The row of each parameter, by name. Damaged ones are left out, and noted.

        Raises:
            ValueError: a row without a checksum is damaged.
        """
        found = {}
        sum_name = sum_column(self._db, "parameter")
        columns = f"id, CAST(name AS BLOB), archived, CAST(kinds AS BLOB), {sum_name}"

        def select(
            low: int, high: int, careful: bool, limit: int, newest: bool
        ) -> Iterable[tuple[int, bytes, int, bytes, int]]:
            order = "id DESC" if newest else "id"
            query = (
                f"SELECT {columns} FROM parameter NOT INDEXED "  # noqa: S608
                f"WHERE id > ? AND id <= ? ORDER BY {order} LIMIT ?"
            )
            return self._db.execute(query, (low, high, limit))

        for row in readable_rows(select, 0, MAX_ROW):
            if isinstance(row, Lost):
                self._damage.note(Damaged("archive", "all values of some parameters"))
                continue
            id_, name, offset, kinds, sum_ = row
            if is_intact(sum_, id_, name, offset, kinds):
                found[name.decode()] = Stored(id_, offset, json.loads(kinds))
            else:
                shown = name.decode(errors="replace")
                self._damage.note(Damaged(shown, "all values in the archive"))
        return found

    def add(self, name: str) -> int:
        """Add a parameter without values; returns its id. It replaces a damaged one."""
        sql = "INSERT OR REPLACE INTO parameter (name, archived, kinds) VALUES (?, 0, '{}')"
        return int(self._db.execute(f"{sql} RETURNING id", (name,)).fetchone()[0])

    def update(self, name: str, stored: Stored) -> None:
        """Note what is stored of a parameter."""
        id_, archived, kinds = stored.id, stored.archived, json.dumps(stored.kinds)
        self._db.execute(
            "UPDATE parameter SET archived = ?, kinds = ?, sum = ? WHERE id = ?",
            (archived, kinds, checksum(id_, name.encode(), archived, kinds.encode()), id_),
        )
