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


class Rows(NamedTuple):
    """Samples as lists of equal length.

    Attributes:
        offsets: of their events; 0 without one.
        late: whether they were late.
        t: POSIX seconds.
        names: of their parameters; the same object for most samples of the same parameters.
        values: by parameter, in the order of the names.
        sizes: approximate sizes in bytes.
    """

    offsets: list[int]
    late: list[bool]
    t: list[float]
    names: list[tuple[str, ...]]
    values: list[Mapping[str, Value]]
    sizes: list[int]


class Tail:
    """Samples in the order of their arrival.

    `add` is called on the event loop; other threads may read meanwhile. The samples are in lists,
    one for each attribute: thousands of small objects would start the garbage collector.

    Attributes:
        size: their approximate size in bytes.
        removed: the number of samples that were removed so far.
    """

    def __init__(self) -> None:
        self.removed = 0
        self.size = 0
        self._rows = Rows([], [], [], [], [], [])
        self._last: tuple[str, ...] = ()
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._rows.sizes)

    def rows(self, count: int | None = None) -> Rows:
        """The oldest samples; by default all."""
        end = len(self) if count is None else count
        return Rows._make(column[:end] for column in self._rows)

    def whole_events(self, count: int) -> int:
        """That number of samples, or a few more, so that all samples of an event are among them."""
        offsets = self._rows.offsets
        while 0 < count < len(self) and offsets[count] == offsets[count - 1] != 0:
            count += 1
        return count

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
        rows = self._rows
        rows.offsets.append(offset)
        rows.late.append(late)
        rows.t.append(sample.t)
        rows.names.append(self._last)
        rows.values.append(sample.values)
        rows.sizes.append(size)  # last: the sample counts from now on
        self.size += size
        return is_new

    def remove(self, count: int) -> None:
        """Remove the oldest samples."""
        for column in reversed(self._rows):
            del column[:count]
        self.removed += count
        # summed again, because `add` may change it at the same time in another thread
        self.size = sum(self._rows.sizes)
