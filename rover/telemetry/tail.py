"""The newest samples, in memory until they go to the archive."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rover.archive.points import Points, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sources.base import Sample, Value


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
    groups: dict[tuple[str, ...], tuple[list[int], list[tuple[Value, ...]]]] = {}
    for row, (_, _, sample, _) in enumerate(entries):  # samples of the same parameters together
        key = tuple(sample.values)
        if key not in groups:
            groups[key] = ([], [])
        rows, values = groups[key]
        rows.append(row)
        values.append(tuple(sample.values.values()))
    t = np.array([entry.sample.t for entry in entries], float)
    late = np.array([entry.late for entry in entries], bool)
    offsets = np.array([entry.offset for entry in entries], np.int64)
    archived_to = {name: archived(name) for name in names}
    may_be_old = bool(((offsets > 0) & (offsets <= max(archived_to.values(), default=0))).any())
    found: dict[str, list[Points]] = {}
    for parameters, (rows, values) in groups.items():
        where = np.array(rows)
        every = slice(None) if len(rows) == len(entries) else where
        for name, column in zip(parameters, zip(*values, strict=True), strict=True):
            if name not in names:
                continue
            types = set(map(type, column))
            if NoneType in types or may_be_old:
                is_new = (offsets[where] > archived_to[name]) | (offsets[where] == 0)
                keep = [i for i, value in enumerate(column) if is_new[i] and value is not None]
                if keep:
                    some = where[keep]
                    one = Points.of(t[some], late[some], [column[i] for i in keep])
                    found.setdefault(name, []).append(one)
            else:
                found.setdefault(name, []).append(Points.of(t[every], late[every], column, types))
    whole = ((name, joined(pieces)) for name, pieces in found.items())
    return {name: points for name, points in whole if points is not None}
