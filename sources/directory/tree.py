"""The files in a folder and in its subfolders, without leaving the folder.

A name is a path relative to the folder, with `/`. Cameras link to their newest image: a symlink
counts as the file that it leads to, if that is in the folder too. Symlinks to folders are skipped.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from sources.values.images import is_temporary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_DEPTH = 16
"""Maximum number of folders in a name."""

SKIPPED = ("CACHEDIR.TAG", "mission.db")
"""Subfolders with such a file are skipped: caches, and data folders of this server.

The server writes copies of images to its data folder, and would show these as new images.
Source: Cache Directory Tagging Specification 0.6.
"""

ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags that neither follow a symlink nor wait for a pipe."""


class Found(NamedTuple):
    """A regular file.

    Attributes:
        name: its own, or that of a symlink.
        target: the name of the file itself.
        status: of the file.
    """

    name: str
    target: str
    status: os.stat_result


class Tree:
    """A folder with its subfolders. All functions block.

    Args:
        path: of the folder; may be a symlink.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def walk(self, folders: set[str]) -> Iterator[Found]:
        """All regular files; adds the names of the folders, of which the first is empty.

        Raises:
            OSError: the folder, or the rest of one, cannot be listed.
        """
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                entries = os.scandir(self.path / folder)
            except OSError:
                if not folder:
                    raise
                continue  # deleted after it was listed, or without permission
            prefix = f"{folder}/" if folder else ""
            with entries:
                if folder and self._is_skipped(folder):
                    continue
                folders.add(folder)
                for entry in entries:
                    name = prefix + entry.name
                    if is_temporary(entry.name):
                        continue
                    with suppress(FileNotFoundError):  # deleted after it was listed
                        if entry.is_dir(follow_symlinks=False):
                            if name.count("/") < MAX_DEPTH:
                                waiting.append(name)
                        elif entry.is_symlink():
                            if found := self.find(name):
                                yield found
                        elif stat.S_ISREG((status := entry.stat()).st_mode):
                            yield Found(name, name, status)

    def _is_skipped(self, folder: str) -> bool:
        return any((self.path / folder / name).exists() for name in SKIPPED)

    def find(self, name: str) -> Found | None:
        """The regular file with that name; `None` if there is none in the folder."""
        root = os.path.realpath(self.path)
        place = os.path.join(root, name)  # noqa: PTH118 # faster, and keeps `..`
        try:
            folder = os.path.dirname(place)  # noqa: PTH120
            if os.path.realpath(folder) != folder:
                return None
            target = os.path.realpath(place)
            inner = os.path.relpath(target, root)
            status = os.lstat(target)
        except (OSError, ValueError):
            return None
        if inner.split("/")[0] == ".." or not stat.S_ISREG(status.st_mode):
            return None
        return Found(name, inner, status)

    def is_folder(self, name: str) -> bool:
        """Whether the name is that of a subfolder."""
        try:
            return stat.S_ISDIR(os.lstat(self.path / name).st_mode)
        except (OSError, ValueError):
            return False

    def open(self, target: str) -> BinaryIO:
        """Open a file by its own name, without following a symlink or waiting for a pipe.

        Raises:
            OSError: the name is not of a regular file, or the file cannot be read.
        """
        *folders, name = target.split("/")
        place = os.open(self.path, ENTER)
        try:
            for folder in folders:
                outer, place = place, os.open(folder, ENTER | os.O_NOFOLLOW, dir_fd=place)
                os.close(outer)
            file = os.fdopen(os.open(name, READ, dir_fd=place), "rb")
        finally:
            os.close(place)
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OSError(errno.EINVAL, "not a regular file")
        return file

    def identity(self) -> tuple[int, int] | None:
        """The device and inode of the folder; `None` if it does not exist."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino
