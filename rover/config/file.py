"""Reads a configuration file."""

from __future__ import annotations

import os
import stat
import tomllib
from typing import TYPE_CHECKING, Any

from rover.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_BYTES = 2**20
"""Maximum size of a configuration file."""


def read_toml(path: Path) -> dict[str, Any]:
    """The contents of a TOML file.

    Raises:
        ConfigError: it cannot be read, is too large or malformed.
    """
    try:
        return tomllib.loads(_read(path).decode("utf-8-sig"))
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise ConfigError(path, [f"line {line} is not UTF-8; save the file as UTF-8"]) from None
    except RecursionError:
        raise ConfigError(path, ["is not TOML: its values are nested too deeply"]) from None
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(path, [f"is not TOML: {exc}"]) from None
    except ValueError:  # of int()
        raise ConfigError(path, ["is not TOML: a number has too many digits"]) from None


def _read(path: Path) -> bytes:
    try:
        # a FIFO without a writer would block
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(path, ["must be a regular file"])
            content = file.read(MAX_FILE_BYTES + 1)
    except IsADirectoryError:
        raise ConfigError(path, ["must be a regular file"]) from None
    except (OSError, ValueError) as exc:  # ValueError: a null character in the path
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ConfigError(path, [f"cannot be read: {reason}"]) from None
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(path, [f"must have at most {MAX_FILE_BYTES:,} bytes"])
    return content
