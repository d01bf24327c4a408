"""Whether a file is still the one that it was."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

EDGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells a file from another, or from itself rewritten; it may grow at its end."""

    inode: tuple[int, int]
    size: int
    changed_ns: int
    edges: bytes

    @classmethod
    def of(cls, file: BinaryIO) -> Fingerprint:
        """The print of an open file as it is now; it is left at its start."""
        stat = os.fstat(file.fileno())
        edges = _edges(file, stat.st_size)
        return cls((stat.st_dev, stat.st_ino), stat.st_size, stat.st_mtime_ns, edges)

    def matches(self, file: BinaryIO) -> bool:
        """Whether an open file is still that one, with everything it held then."""
        stat = os.fstat(file.fileno())
        if (stat.st_dev, stat.st_ino) != self.inode or stat.st_size < self.size:
            return False
        if (stat.st_size, stat.st_mtime_ns) == (self.size, self.changed_ns):
            return True
        return _edges(file, self.size) == self.edges


def _edges(file: BinaryIO, size: int) -> bytes:
    """The first and the last bytes of what a file held."""
    file.seek(0)
    head = file.read(min(size, EDGE_BYTES))
    file.seek(max(0, size - EDGE_BYTES))
    tail = file.read(min(size, EDGE_BYTES))
    file.seek(0)
    return head + tail
