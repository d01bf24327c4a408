"""The identity of a file and of its content."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import os


class Signature(NamedTuple):
    """Identifies a file and its content; differs after every change."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """The signature of a file with this status."""
        return cls(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )

    def is_same_file(self, other: Signature) -> bool:
        """Whether both are of one file, with any content."""
        return self[:2] == other[:2]

    def is_same_content(self, other: Signature) -> bool:
        """Whether nothing was written in between; unlike `==`, the file may have been unlinked."""
        return self[:4] == other[:4]
