"""One record of a table, or the reason why it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sources.values.cells import Cell


@dataclass(frozen=True, slots=True)
class Row:
    """One record.

    Attributes:
        line: of its start; 1 is the line where reading started.
        offset: of its start, in bytes.
        cells: by column.
    """

    line: int
    offset: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Fault:
    """A record that cannot be read, and why."""

    line: int
    reason: str
