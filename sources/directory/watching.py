"""The changes in a folder that the operating system reports.

Network file systems, and those of FUSE, do not report the changes of other machines. Folders on
them are scanned again and again.

Source: inotify(7), "Limitations and caveats"; proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import awatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from anyio import Event

MOUNTS = Path("/proc/self/mountinfo")

LOCAL = frozenset(
    ("bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "msdos", "ntfs3")
    + ("overlay", "ramfs", "tmpfs", "vfat", "xfs", "zfs")
)
"""File systems of Linux that report all changes."""

DEBOUNCE_MS, STEP_MS = 160, 80
"""Milliseconds for which changes are collected, and without a change that end it earlier.

The watcher wakes up after each step, which is most of the cost of a folder without changes.
"""


def reports_changes(path: Path) -> bool:
    """Whether the system reports all changes in the folder and in its subfolders. It blocks."""
    return sys.platform != "linux" or _file_systems(os.path.realpath(path)) <= LOCAL


async def changed_names(
    path: Path, folders: Collection[str], timeout_s: float, stop: Event
) -> AsyncIterator[set[str]]:
    """Yield the names of files and subfolders that have changed; none after `timeout_s`.

    The first changes are those after the first iteration has begun.

    Args:
        path: of the folder.
        folders: names of the folders in it that are watched. They are not watched recursively,
            because inotify would follow symlinks out of the folder.
        timeout_s: seconds.
        stop: ends the iteration within 80 ms; set it before a cancellation, which waits for that.

    Raises:
        OSError: the folder does not exist, or a limit of the system is reached.
    """
    root = _absolute(path)
    try:
        async for changes in awatch(
            *(root / folder for folder in folders or ("",)),
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            rust_timeout=max(int(1000 * timeout_s), 1),
            yield_on_timeout=True,
            stop_event=stop,
            recursive=False,
            ignore_permission_denied=True,
        ):
            yield {_name_in(root, changed) for _, changed in changes} - {"."}
    except RuntimeError as exc:  # `WatchfilesRustInternalError`, which is not exported
        raise OSError(str(exc)) from exc


def _absolute(path: Path) -> Path:
    return path.absolute()  # not resolved: the names of changes begin with it


def _name_in(root: Path, path: str) -> str:
    return os.path.relpath(path, root)


def _file_systems(path: str) -> set[str]:
    """The kinds of the file systems of a folder and of those mounted below it; empty if unknown."""
    longest, kind = "", ""
    below: dict[str, str] = {}
    with suppress(OSError), MOUNTS.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            mount, _, system = line.partition(" - ")
            point = _unescaped(mount.split(" ")[4])
            is_above = path == point or path.startswith(point.rstrip("/") + "/")
            if is_above and len(point) >= len(longest):  # a later one hides an earlier one
                longest, kind = point, system.split(" ")[0]
            elif point.startswith(path.rstrip("/") + "/"):
                below[point] = system.split(" ")[0]
    return {kind, *below.values()}


def _unescaped(point: str) -> str:
    for code in ("\\040", "\\011", "\\012", "\\134"):
        point = point.replace(code, chr(int(code[1:], 8)))
    return point
