"""Whether a file has changed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

EDGE_BYTES = 4096
"""Bytes at the start and at the end of a file that are compared."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identifies a file and the content that it had; the file may grow at its end."""

    inode: tuple[int, int]
    size: int
    changed_ns: int
    edges: bytes

    @classmethod
    def of(cls, file: BinaryIO) -> Fingerprint:
        """The fingerprint of an open file as it is now; the file is left at its start."""
        stat = os.fstat(file.fileno())
        edges = _edges(file, stat.st_size)
        return cls((stat.st_dev, stat.st_ino), stat.st_size, stat.st_mtime_ns, edges)

    def matches(self, file: BinaryIO) -> bool:
        """Whether an open file is the same one, and still starts with the same content."""
        stat = os.fstat(file.fileno())
        if (stat.st_dev, stat.st_ino) != self.inode or stat.st_size < self.size:
            return False
        if (stat.st_size, stat.st_mtime_ns) == (self.size, self.changed_ns):
            return True
        return _edges(file, self.size) == self.edges


def _edges(file: BinaryIO, size: int) -> bytes:
    """The first and the last bytes of the first `size` bytes of a file."""
    file.seek(0)
    head = file.read(min(size, EDGE_BYTES))
    file.seek(max(0, size - EDGE_BYTES))
    tail = file.read(min(size, EDGE_BYTES))
    file.seek(0)
    return head + tail
