"""The newest samples, in memory until they go to the archive."""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rover.archive.points import Points

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sources.base import Sample

YIELD_ROWS = 64
"""Number of samples that are converted in one step, during which other threads cannot run."""


class Entry(NamedTuple):
    """One sample in memory.

    Attributes:
        offset: of its event; 0 without one.
        late: whether it was late.
        sample: the sample.
        size: its approximate size in bytes.
    """

    offset: int
    late: bool
    sample: Sample
    size: int


def points_of(
    entries: Sequence[Entry], names: Collection[str], archived: Callable[[str], int]
) -> dict[str, Points]:
    """The values of samples by parameter.

    Args:
        entries: the samples.
        names: parameters to include.
        archived: the offset up to which a parameter is left out.
    """
    rows: dict[str, list[int]] = {name: [] for name in names}
    values: dict[str, list[Any]] = {name: [] for name in names}
    first = {name: archived(name) for name in names}
    newest = max(first.values(), default=0)
    for row, (offset, _, sample, _) in enumerate(entries):
        if row % YIELD_ROWS == 0:
            sleep(0)
        is_new = offset > newest or offset == 0
        for name, value in sample.values.items():
            if value is not None and name in rows and (is_new or offset > first[name]):
                rows[name].append(row)
                values[name].append(value)
    t = np.array([entry.sample.t for entry in entries], float)
    late = np.array([entry.late for entry in entries], bool)
    found = {}
    for name, chosen in rows.items():
        if chosen:
            every = len(chosen) == len(entries)
            where = slice(None) if every else np.array(chosen)
            found[name] = Points.of(t[where], late[where], values[name])
    return found
