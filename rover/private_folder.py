"""The modes of the data folder: folders have 0700 and files 0600, also those that exist already.

A folder that somebody has created with `mkdir` usually has 0755, and restored backups have any
mode. Without this, other users of the machine could read the mission.
"""

from __future__ import annotations

import logging
import os
import stat
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("rover.data")

FOLDER_MODE = 0o700
FILE_MODE = 0o600
OTHERS = 0o077
"""The bits of a mode that give access to other users."""

OWN = (
    *("audit.*", "incoming", "incoming.lock", "commands", "artifacts"),
    *("images", "spool", "thumbnails", "mission.*", "tokens.json*"),
)
"""Patterns of the names in a data folder that this program creates."""

HARMLESS = ("lost+found", "rover.toml", ".*")
"""Patterns of names that other programs and people create in a folder of this program."""


def make_private(folder: Path) -> str:
    """Give only the owner access to a data folder and to the files of this program in it.

    A folder that has files of others, such as `/tmp` or a home folder, keeps its mode; only this
    program's files in it change. Blocks.

    Returns:
        Why other users still have access; empty if they have none.
    """
    try:
        folder = folder.resolve()  # it may be a link
        before = folder.stat()
        foreign = [
            path.name for path in folder.iterdir() if not _matches(path.name, OWN + HARMLESS)
        ]
        reason = _restrict(folder, before, foreign)
        failures = [_failure(path) for path in _own_paths(folder)]
    except FileNotFoundError:
        return ""  # it is created later, with the right mode
    except OSError as exc:
        reason, failures = describe(exc), []
    if reason := reason or next(filter(None, failures), ""):
        logger.warning("other users of this machine may read %s: %s", folder, reason)
    return reason


def _restrict(folder: Path, before: os.stat_result, foreign: list[str]) -> str:
    """Restrict the folder itself; returns why that is not possible, or an empty text."""
    mode = stat.S_IMODE(before.st_mode)
    if not mode & OTHERS:
        return ""
    if foreign:
        return (
            f"its mode is {mode:04o}, and it has files of others, such as {foreign[0]!r}; use a "
            "folder of its own (`ROVER_DATA_DIR`)"
        )
    if failure := _failure(folder):
        return failure
    logger.info("%s now has mode %04o instead of %04o", folder, FOLDER_MODE, mode)
    return ""


def _own_paths(folder: Path) -> Iterator[Path]:
    """The files and folders of this program, without links."""
    for entry in os.scandir(folder):
        if _matches(entry.name, OWN) and not entry.is_symlink():
            yield Path(entry.path)
            if entry.is_dir():
                for parent, folders, files in os.walk(entry.path):
                    yield from (Path(parent, name) for name in (*folders, *files))


def _failure(path: Path) -> str:
    """Take the access of others from a file or folder; returns why it is not possible."""
    try:
        status = path.lstat()
        if not status.st_mode & OTHERS or stat.S_ISLNK(status.st_mode):
            return ""
        if status.st_uid != os.geteuid():
            return f"{path} belongs to the user {status.st_uid}, not to that of the server"
        path.chmod(FOLDER_MODE if stat.S_ISDIR(status.st_mode) else FILE_MODE)
        if path.lstat().st_mode & OTHERS:
            return f"{path}: its file system has no modes"
    except FileNotFoundError:
        return ""  # deleted since
    except OSError as exc:
        return f"{path}: {describe(exc)}"
    return ""


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
