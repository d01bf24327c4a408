"""The values of one parameter in order of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from sys import getsizeof
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

MAX_EXACT_INTEGER = 2**53
"""Largest integer up to which a float64 represents every integer."""

INT64 = range(-(2**63), 2**63)

KINDS = {
    "f": "float64",
    "i": "integers that a float64 can represent",
    "I": "64-bit integers",
    "b": "booleans",
    "s": "text",
    "o": "JSON values of several types",
}

SCALAR_TYPES = frozenset({float, int, bool, str})

SCALAR = ("",)
"""The components of a parameter that is not a vector. One that is sometimes a vector has this
component and those of the vector."""


@dataclass(frozen=True, slots=True)
class Points:
    """Values of one parameter, at least one, in order of time.

    Attributes:
        t: POSIX seconds, shape (n,).
        late: whether each value was late, shape (n,).
        parts: names of the components; `SCALAR` if it is not a vector.
        columns: one for each component, shape (n,) each: float64 (NaN: not measured), int64,
            booleans, or Python objects (`None`: not measured). The components of a vector are
            numbers.
    """

    t: NDArray[np.float64]
    late: NDArray[np.bool_]
    parts: tuple[str, ...]
    columns: tuple[NDArray[Any], ...]

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Points:
        columns = tuple(column[rows] for column in self.columns)
        return Points(self.t[rows], self.late[rows], self.parts, columns)

    @classmethod
    def of(
        cls,
        t: NDArray[np.float64],
        late: NDArray[np.bool_],
        values: Sequence[Any],
        types: AbstractSet[type] | None = None,
    ) -> Points:
        """Points in order of time, from values in any order.

        Args:
            t: POSIX seconds, shape (n,).
            late: whether each value was late, shape (n,).
            values: n of them.
            types: of the values, if the caller knows them.
        """
        types = set(map(type, values)) if types is None else types
        vectors = {one for one in types - SCALAR_TYPES if issubclass(one, Mapping)}
        if not vectors:
            return cls(t, late, SCALAR, (column_of(values, types),)).in_order()
        whole = [value if type(value) in vectors else {} for value in values]
        columns = {
            part: column_of([_component(value.get(part)) for value in whole])
            for part in dict.fromkeys(part for value in whole for part in value)
        }
        if len(types) > len(vectors):
            scalars = [None if type(value) in vectors else value for value in values]
            columns = {"": column_of(scalars), **columns}
        return cls(t, late, tuple(columns), tuple(columns.values())).in_order()

    def in_order(self) -> Points:
        """These points, in order of time."""
        if (self.t[1:] >= self.t[:-1]).all():
            return self
        return self[np.argsort(self.t, kind="stable")]

    def then(self, other: Points) -> Points:
        """These points and those of the same components, in order of time."""
        return joined([self, other]) or self

    def column(self, part: str) -> NDArray[Any]:
        """The values of a component; NaN if it was never measured."""
        if part in self.parts:
            return self.columns[self.parts.index(part)]
        return np.full(len(self), np.nan)

    def object_bytes(self) -> int:
        """The size of the values that are Python objects."""
        objects = (column for column in self.columns if column.dtype == object)
        return sum(sum(map(getsizeof, column)) for column in objects)

    def kinds(self) -> dict[str, str]:
        """A letter for the type of each component, as in `KINDS`."""
        return {
            part: kind_of(column) for part, column in zip(self.parts, self.columns, strict=True)
        }

    def between(self, since: float, until: float) -> Points:
        """The points in a time range; `until` is exclusive."""
        first, last = np.searchsorted(self.t, (since, until))
        return self[first:last]


def kind_of(column: NDArray[Any]) -> str:
    """The letter for the type of a column, as in `KINDS`."""
    if column.dtype == np.int64:
        small = np.abs(column).max() <= MAX_EXACT_INTEGER and column.min() > INT64.start
        return "i" if small else "I"
    if column.dtype == object:
        present = [value for value in column if value is not None]
        if all(isinstance(value, str) for value in present):
            return "s"
        return "o" if len(present) == len(column) else kind_of(column_of(present))
    return "b" if column.dtype == np.bool_ else "f"


def column_of(values: Sequence[Any], types: AbstractSet[type] | None = None) -> NDArray[Any]:
    """The values as an array of the narrowest type that holds each exactly.

    Args:
        values: JSON values; `None` for those that were not measured.
        types: of the values, if the caller knows them: `float` for an array of numbers.
    """
    kinds = set(map(type, values)) if types is None else types
    if kinds == {float}:
        return np.asarray(values, float)
    if kinds == {bool}:
        return np.array(values, bool)
    if kinds == {int} and all(value in INT64 for value in values):
        return np.array(values, np.int64)
    if kinds <= {int, float, NoneType} and all(
        type(value) is not int or abs(value) <= MAX_EXACT_INTEGER for value in values
    ):
        return np.array(values, float)  # `None` becomes NaN
    column = np.empty(len(values), object)
    column[:] = values
    return column


def joined(pieces: Sequence[Points]) -> Points | None:
    """All points in order of time; `None` without any."""
    if len(pieces) < 2:
        return pieces[0] if pieces else None
    parts = tuple(dict.fromkeys(part for piece in pieces for part in piece.parts))
    columns = [[piece.column(part) for piece in pieces] for part in parts]
    return Points(
        np.concatenate([piece.t for piece in pieces]),
        np.concatenate([piece.late for piece in pieces]),
        parts,
        tuple(map(_joined_column, columns)),
    ).in_order()


def _joined_column(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    if len({column.dtype for column in columns}) == 1:
        return np.concatenate(columns)
    return column_of([value for column in columns for value in values_of(column)])


def values_of(column: NDArray[Any]) -> list[Any]:
    """The values as Python objects; `None` for those that were not measured."""
    values: list[Any] = column.tolist()
    if column.dtype == np.float64:
        for row in np.flatnonzero(np.isnan(column)).tolist():
            values[row] = None
    return values


def _component(value: object) -> float | None:
    """The number of a vector's component; `None` if it is not a finite number."""
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) and isfinite(value) else None
