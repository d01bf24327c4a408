"""The columns of an export: one for each parameter, and one for each component of a vector."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rover.archive.points import values_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rover.archive.table import Table

ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        parameter: its parameter.
        part: the component of a vector; empty for a scalar.
        kinds: letters of the types of its values (`rover.archive.points.KINDS`).
        unit: of the parameter; empty if it has none.
    """

    parameter: str
    part: str
    kinds: str
    unit: str = ""

    @property
    def name(self) -> str:
        """The name of the column: `speed`, or `location.lat`."""
        return f"{self.parameter}.{self.part}" if self.part else self.parameter

    def values(self, table: Table) -> list[Any]:
        """Its values in a table; `None` where there is none."""
        column = table.columns.get(self.parameter, {}).get(self.part)
        return [None] * len(table.t) if column is None else values_of(column)


class Writer(Protocol):
    """Writes a file piece by piece. It is made with the columns."""

    def write(self, table: Table) -> bytes:
        """Add rows; returns what is ready of the file."""
        ...

    def end(self) -> bytes:
        """End the file; returns the rest of it."""
        ...


def columns_of(
    kinds: Mapping[str, Mapping[str, str]], units: Mapping[str, str]
) -> Sequence[Column]:
    """The columns of parameters, in their order.

    The column of a parameter that is sometimes a vector is before those of its components.

    Args:
        kinds: types of each component, by parameter.
        units: by parameter.
    """
    return [
        Column(parameter, part, letters, units.get(parameter, ""))
        for parameter, parts in kinds.items()
        for part, letters in sorted((parts or {"": ""}).items(), key=lambda one: bool(one[0]))
    ]


def exact_text(t: float) -> str:
    """A time with 3, 6 or 9 decimals: as few as give the same number again."""
    texts = (f"{t:.{decimals}f}" for decimals in (3, 6))
    return next((text for text in texts if float(text) == t), f"{t:.9f}")


def exact_iso(t: float) -> str:
    """A time in UTC with the decimals of `exact_text` (RFC 3339)."""
    seconds, _, fraction = exact_text(t).partition(".")
    whole = int(seconds)
    if t < 0 and int(fraction):
        whole, fraction = whole - 1, _complement(fraction)
    return f"{np.datetime64(whole, 's')}.{fraction}Z"


def nanoseconds(t: float) -> int:
    """A time as whole nanoseconds, the same time as the text of `exact_iso`."""
    return int(Decimal(exact_text(t)) * 10**9)


def exact_posix(text: str) -> float:
    """The number of a text of `exact_iso`.

    Raises:
        ValueError: the text is not such a time.
    """
    if not text.endswith("Z"):
        raise ValueError(text)
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    whole = int(np.datetime64(seconds, "s").astype(np.int64))
    if whole < 0 and int(fraction or "0"):
        return float(f"{whole + 1 or '-0'}.{_complement(fraction)}")
    return float(f"{whole}.{fraction or '0'}")


def _complement(fraction: str) -> str:
    """The decimals of 1 minus a fraction that is not 0."""
    return f"{10 ** len(fraction) - int(fraction):0{len(fraction)}d}"


def is_mixed(kinds: str) -> bool:
    """Whether values of several types are in a column that no single type holds exactly."""
    return not any(set(kinds) <= set(one) for one in ("fi", "iI", "b", "s"))


def json_text(value: object) -> str:
    """A value as JSON."""
    return ENCODER.encode(value)
