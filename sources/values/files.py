"""Opens command files, and the error for a file that cannot be read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def command_file(path: Path) -> Iterator[BinaryIO]:
    """The open file that a validator checks.

    Raises:
        SourceError: it cannot be read, also in this block.
    """
    try:
        with path.open("rb") as file:
            yield file
    except OSError as exc:
        raise SourceError(f"the command file cannot be read: {exc.strerror or exc}") from exc


def unreadable(path: Path, exc: OSError, hint: str = "") -> SourceError:
    """The error for a file or folder: `/data/drive.csv cannot be read: No such file or directory`.

    Args:
        path: shown as an absolute path.
        exc: why it cannot be read.
        hint: how to fix it; may be empty.
    """
    text = f"{path.absolute()} cannot be read: {exc.strerror or exc}"
    return SourceError(f"{text}; {hint}" if hint else text)
