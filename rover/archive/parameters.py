"""What is stored of each parameter, in a table of the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from rover.checksum import checksum, is_intact, sum_column
from rover.damage import Damage, Damaged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from sqlite3 import Connection


class Stored(NamedTuple):
    """What is stored of a parameter.

    Attributes:
        id: its id.
        archived: offset of the newest event whose value is stored.
        kinds: letters of the types of its values (`rover.archive.points.KINDS`) by component.
    """

    id: int
    archived: int
    kinds: Mapping[str, str]

    def with_kinds(self, kinds: Mapping[str, str]) -> Mapping[str, str]:
        """Its kinds, and others."""
        if all(letter in self.kinds.get(part, "") for part, letter in kinds.items()):
            return self.kinds
        parts = dict.fromkeys([*self.kinds, *kinds])
        return {
            part: "".join(sorted({*self.kinds.get(part, ""), *kinds.get(part, "")}))
            for part in parts
        }


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
        """What is stored of each parameter, by name. Damaged ones are left out, and noted.

        Raises:
            ValueError: a row without a checksum is damaged.
        """
        found = {}
        sum_ = sum_column(self._db, "parameter")
        columns = "id, CAST(name AS BLOB), archived, CAST(kinds AS BLOB)"
        query = f"SELECT {columns}, {sum_} FROM parameter ORDER BY id"  # noqa: S608
        for *row, sum_ in self._db.execute(query):
            id_, name, offset, kinds = row
            if is_intact(sum_, *row):
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
