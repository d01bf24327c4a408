"""The values of one parameter in order of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan
from sys import getsizeof
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
"""The components of a parameter that is not a vector."""


@dataclass(frozen=True, slots=True)
class Points:
    """Values of one parameter, at least one, in order of time.

    Attributes:
        t: POSIX seconds, shape (n,).
        late: whether each value was late, shape (n,).
        parts: names of the components; `SCALAR` if it is not a vector.
        columns: one for each component, shape (n,) each: float64 (NaN: not measured), int64,
            booleans, or Python objects.
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

        If the first value is a vector, scalars are left out, and the reverse: a parameter is one or
        the other.

        Args:
            t: POSIX seconds, shape (n,).
            late: whether each value was late, shape (n,).
            values: n of them.
            types: of the values, if the caller knows them.
        """
        types = set(map(type, values)) if types is None else types
        vectors = {one for one in types - SCALAR_TYPES if issubclass(one, Mapping)}
        if vectors and len(types) > len(vectors):
            is_vector = type(values[0]) in vectors
            rows = [i for i, one in enumerate(values) if (type(one) in vectors) is is_vector]
            t, late, values = t[rows], late[rows], [values[i] for i in rows]
            types = set(map(type, values))
        if not types & vectors:
            return cls(t, late, SCALAR, (column_of(values, types),)).in_order()
        parts = tuple(dict.fromkeys(part for value in values for part in value))
        columns = tuple(
            np.array([number(value.get(part)) for value in values], float) for part in parts
        )
        return cls(t, late, parts, columns).in_order()

    def in_order(self) -> Points:
        """The same points, in order of time."""
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
        return "s" if all(isinstance(value, str) for value in column) else "o"
    return "b" if column.dtype == np.bool_ else "f"


def column_of(values: Sequence[Any], types: AbstractSet[type] | None = None) -> NDArray[Any]:
    """The values as an array of the narrowest type that holds each exactly.

    Args:
        values: JSON values.
        types: of the values, if the caller knows them.
    """
    kinds = set(map(type, values)) if types is None else types
    if kinds == {float}:
        return np.array(values, float)
    if kinds == {bool}:
        return np.array(values, bool)
    if kinds == {int} and all(value in INT64 for value in values):
        return np.array(values, np.int64)
    if kinds == {int, float} and all(
        type(value) is float or abs(value) <= MAX_EXACT_INTEGER for value in values
    ):
        return np.array(values, float)
    column = np.empty(len(values), object)
    column[:] = values
    return column


def joined(pieces: Sequence[Points]) -> Points | None:
    """All points in order of time; `None` without any.

    If the newest are of a vector, only vectors remain, and the reverse.
    """
    if not pieces:
        return None
    is_vector = pieces[-1].parts != SCALAR
    pieces = [piece for piece in pieces if (piece.parts != SCALAR) is is_vector]
    if len(pieces) == 1:
        return pieces[0]
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
    return column_of([value for column in columns for value in column.tolist()])


def number(value: object) -> float:
    """The value as a finite float; NaN if it is not a number or too large for a float."""
    try:
        found = float(value) if isinstance(value, int | float) else nan
    except OverflowError:
        return nan
    return found if isfinite(found) else nan
