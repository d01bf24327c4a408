"""The error for a file that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.base import SourceError

if TYPE_CHECKING:
    from pathlib import Path


def unreadable(path: Path, exc: OSError, hint: str = "") -> SourceError:
    """The error for a file or folder: `/data/drive.csv cannot be read: No such file or directory`.

    Args:
        path: shown as an absolute path.
        exc: why it cannot be read.
        hint: how to fix it; may be empty.
    """
    text = f"{path.absolute()} cannot be read: {exc.strerror or exc}"
    return SourceError(f"{text}; {hint}" if hint else text)
