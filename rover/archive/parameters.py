"""What is stored of each parameter, in a table of the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

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
    """

    def __init__(self, db: Connection) -> None:
        self._db = db

    def all(self) -> dict[str, Stored]:
        """What is stored of each parameter, by name."""
        rows = self._db.execute("SELECT name, id, archived, kinds FROM parameter ORDER BY id")
        return {name: Stored(id_, offset, json.loads(kinds)) for name, id_, offset, kinds in rows}

    def add(self, name: str) -> int:
        """Add a parameter without values; returns its id."""
        sql = "INSERT INTO parameter (name, archived, kinds) VALUES (?, 0, '{}') RETURNING id"
        return int(self._db.execute(sql, (name,)).fetchone()[0])

    def update(self, stored: Stored) -> None:
        """Note what is stored of a parameter."""
        self._db.execute(
            "UPDATE parameter SET archived = ?, kinds = ? WHERE id = ?",
            (stored.archived, json.dumps(stored.kinds), stored.id),
        )
