"""The file of the named tokens, `<data_dir>/tokens.json`. All functions block.

A change replaces the file under a lock, so several processes may change it at the same time, and a
server reads either the old or the new file.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from rover.errors import TokensUnreadable
from rover.tokens.token import Token
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME = "tokens.json"

VERSION = 1

MAX_FILE_BYTES = 4 * 2**20

FOLDER_MODE = 0o700
FILE_MODE = 0o600

Named = dict[str, Token]
"""Tokens by id, oldest first."""


class Stamp(NamedTuple):
    """Differs after a change of the file."""

    modified_ns: int
    changed_ns: int
    inode: int
    size: int


class TokensFile:
    """The file of the named tokens.

    Args:
        path: of the file. Its folder is created by the first change.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> Stamp | None:
        """The stamp of the file; `None` if it does not exist.

        Raises:
            TokensUnreadable: the folder cannot be searched.
        """
        try:
            return _stamp(self.path.stat())
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise TokensUnreadable(self.path, describe(exc)) from exc

    def read(self) -> Named | None:
        """The tokens; `None` if the file does not exist.

        Raises:
            TokensUnreadable: it cannot be read, or it is damaged.
        """
        try:
            # a FIFO would block without O_NONBLOCK
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise TokensUnreadable(self.path, "it is not a regular file")
                data = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise TokensUnreadable(self.path, describe(exc)) from exc
        if len(data) > MAX_FILE_BYTES:
            raise TokensUnreadable(self.path, f"it has more than {MAX_FILE_BYTES:,} bytes")
        try:
            return _decode(data)
        except (ValueError, RecursionError) as exc:
            raise TokensUnreadable(self.path, str(exc)) from exc

    @contextmanager
    def changing(self) -> Iterator[Named]:
        """The tokens, for the block to change. At its end, they replace the file.

        Waits until other processes have finished their changes.

        Raises:
            TokensUnreadable: the file is damaged; it is not changed.
            OSError: the folder cannot be written.
        """
        folder = self.path.parent
        folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        lock = _open_lock(self.path.with_name(f"{self.path.name}.lock"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            tokens = self.read() or {}
            yield tokens
            self._replace(tokens)
        finally:
            os.close(lock)

    def _replace(self, tokens: Named) -> None:
        """Replace the file, so that it survives a power failure."""
        folder = self.path.parent
        data = _encode(tokens)
        new = self.path.with_name(f"{self.path.name}.new")
        with suppress(FileNotFoundError):
            new.unlink()  # of a process that was killed
        try:
            _write(new, data, os.O_CREAT | os.O_EXCL)
        except OSError as exc:
            with suppress(FileNotFoundError):
                new.unlink()
            if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._overwrite(data, exc)
            return
        new.replace(self.path)
        entries = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(entries)
        finally:
            os.close(entries)

    def _overwrite(self, data: bytes, full: OSError) -> None:
        """Write into the file itself, so that a token can be revoked while the disk is full.

        If the machine fails meanwhile, the file is damaged, and no named token gives access.
        """
        if not self.path.exists() or len(data) > self.path.stat().st_size:
            raise full
        _write(self.path, data)


def _write(path: Path, data: bytes, flags: int = 0) -> None:
    """Write the file, so that it survives a power failure."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        if flags:
            _give_to_owner(descriptor, path.parent)
        file.write(data)
        file.flush()
        file.truncate()
        os.fsync(descriptor)


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)


def _open_lock(path: Path) -> int:
    with suppress(FileExistsError):
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        _give_to_owner(lock, path.parent)
        return lock
    return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)


def _give_to_owner(descriptor: int, folder: Path) -> None:
    """Let the server use a new file that root has created in its folder."""
    if os.geteuid() == 0:
        status = folder.stat()
        os.fchown(descriptor, status.st_uid, status.st_gid)


def _encode(tokens: Named) -> bytes:
    listed = [token.as_json() for token in tokens.values()]
    text = json.dumps({"version": VERSION, "tokens": listed}, ensure_ascii=False, indent=1)
    return text.encode() + b"\n"


def _decode(data: bytes) -> Named:
    content = json.loads(data)
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise ValueError(f"it must be an object with `version` {VERSION}")
    listed = content.get("tokens")
    if not isinstance(listed, list):
        raise ValueError("`tokens` must be a list")  # of the file, not of code
    tokens: Named = {}
    for number, fields in enumerate(listed, 1):
        try:
            token = Token.from_json(fields)
        except ValueError as exc:
            raise ValueError(f"token {number}: {exc}") from None
        if token.id in tokens:
            raise ValueError(f"token {number}: another token has the id {token.id}")
        tokens[token.id] = token
    return tokens
