"""The newest samples, in memory until they go to the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sources.base import Sample, Value

SAMPLE_BYTES = 200
"""Size of a sample in memory without its values."""

VALUE_BYTES = 60
"""Size of a value in memory without its text."""

MAX_NAMES = 10_000
"""Maximum number of sets of names that are remembered, to share them between samples."""


class Entry(NamedTuple):
    """One sample in memory.

    Attributes:
        offset: of its event; 0 without one.
        late: whether it was late.
        t: POSIX seconds.
        names: of its parameters; the same object for most samples of the same parameters.
        values: by parameter, in the order of the names.
        size: its approximate size in bytes.
    """

    offset: int
    late: bool
    t: float
    names: tuple[str, ...]
    values: Mapping[str, Value]
    size: int


class Tail:
    """Samples in the order of their arrival.

    `add` is called on the event loop; other threads may read meanwhile.

    Attributes:
        entries: the samples.
        size: their approximate size in bytes.
        removed: the number of samples that were removed so far.
    """

    def __init__(self) -> None:
        self.removed = 0
        self.entries: list[Entry] = []
        self.size = 0
        self._last: tuple[str, ...] = ()
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def add(self, sample: Sample, *, late: bool, offset: int, size: int) -> bool:
        """Add a sample, and return whether no earlier one had the same parameters.

        The arguments are those of `History.add`.
        """
        names, is_new = tuple(sample.values), False
        if names != self._last:
            is_new = names not in self._known
            if is_new and len(self._known) >= MAX_NAMES:
                self._known.clear()
            self._last = self._known.setdefault(names, names)
        size += SAMPLE_BYTES + VALUE_BYTES * len(names)
        self.entries.append(Entry(offset, late, sample.t, self._last, sample.values, size))
        self.size += size
        return is_new

    def remove(self, count: int) -> None:
        """Remove the oldest samples."""
        del self.entries[:count]
        self.removed += count
        # summed again, because `add` may change it at the same time in another thread
        self.size = sum(entry.size for entry in self.entries)
