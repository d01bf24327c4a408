"""A piece of the past, cut out of the history: thinned for a plot, told as columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Span:
    """Samples in the order of their time.

    Attributes:
        t: POSIX seconds, n of them.
        late: whether each came late.
        columns: by parameter, then by a vector's part (`""` for a plain value): n values each.
            Numbers are float64 with NaN for what was not measured.
        whole: names of the parameters whose numbers are integers.
    """

    t: NDArray[np.float64]
    late: NDArray[np.bool_]
    columns: Mapping[str, Mapping[str, NDArray[Any]]]
    whole: frozenset[str]

    def thinned(self, max_points: int) -> Span:
        """At most `max_points` of the samples, in which no spike is missing.

        The samples are cut into equal runs, and each number's minimum and maximum of each run is
        kept, with the first sample and the last where there is room. Where the numbers are so many
        that a single run has more extremes than `max_points`, all of these are kept. Without
        numbers, samples are taken evenly.

        Plain numpy: libraries that do this trip over NaN, which is what a rover's data is full of
        (predict-idlab/tsdownsample, issue 73).
        """
        if len(self.t) <= max_points:
            return self
        plain = (column for parts in self.columns.values() for column in parts.values())
        numbers = [column for column in map(_as_numbers, plain) if not np.isnan(column).all()]
        if not numbers:
            return self._rows(np.linspace(0, len(self.t) - 1, max_points).astype(np.intp))
        runs = max(1, (max_points - 2) // (2 * len(numbers)))
        starts = np.linspace(0, len(self.t), runs + 1).astype(np.intp)[:-1]
        run_of = np.searchsorted(starts, np.arange(len(self.t)), side="right") - 1
        keep = np.zeros(len(self.t), dtype=bool)
        for values in numbers:
            missing = np.isnan(values)
            for worst, extreme in ((np.inf, np.minimum), (-np.inf, np.maximum)):
                filled = np.where(missing, worst, values)
                hits = np.flatnonzero(filled == extreme.reduceat(filled, starts)[run_of])
                _, firsts = np.unique(run_of[hits], return_index=True)
                chosen = hits[firsts]
                keep[chosen[~missing[chosen]]] = True
        if np.count_nonzero(keep) + 2 <= max_points:
            keep[[0, -1]] = True
        return self._rows(np.flatnonzero(keep))

    def _rows(self, rows: NDArray[np.intp]) -> Span:
        columns = {
            name: {part: column[rows] for part, column in parts.items()}
            for name, parts in self.columns.items()
        }
        return Span(self.t[rows], self.late[rows], columns, self.whole)

    def as_columns(self) -> dict[str, list[Any]]:
        """Columns of equal length: `t` in POSIX seconds, one a parameter, and `late`."""
        values = {name: self._values(name) for name in self.columns}
        return {"t": self.t.tolist(), **values, "late": self.late.tolist()}

    def _values(self, name: str) -> list[Any]:
        parts = {part: _plain(column) for part, column in self.columns[name].items()}
        if not parts:  # a vector that was never measured
            return [None] * len(self.t)
        if "" in parts:
            if name in self.whole:
                return [None if value is None else int(value) for value in parts[""]]
            return parts[""]
        rows = [dict(zip(parts, row, strict=True)) for row in zip(*parts.values(), strict=True)]
        return [row if any(v is not None for v in row.values()) else None for row in rows]


def _as_numbers(column: NDArray[Any]) -> NDArray[np.float64]:
    """The numbers of a column, for comparisons only; NaN for everything else."""
    if _numeric(column):
        return column
    return np.array(
        [v if isinstance(v, int | float) and not isinstance(v, bool) else np.nan for v in column],
        dtype=np.float64,
    )


def _numeric(column: NDArray[Any]) -> bool:
    return column.dtype == np.float64


def _plain(column: NDArray[Any]) -> list[Any]:
    if _numeric(column):
        return [None if math.isnan(value) else value for value in column.tolist()]
    return list(column)
