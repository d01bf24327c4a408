"""Opens and reads files, and the error for a file that cannot be read."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


MAX_DICTIONARY_BYTES = 64 * 2**20
"""Maximum size of a dictionary that a validator checks against."""


@contextmanager
def command_file(path: Path) -> Iterator[BinaryIO]:
    """The open file that a validator checks.

    Raises:
        SourceError: it cannot be read; the block may raise it too.
    """
    try:
        with path.open("rb") as file:
            yield file
    except OSError as exc:
        raise SourceError(f"the command file cannot be read: {exc.strerror or exc}") from exc


def read_dictionary_file(path: Path) -> bytes:
    """The bytes of a dictionary that a validator checks against.

    Raises:
        SourceError: it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DICTIONARY_BYTES + 1)
    except OSError as exc:
        raise unreadable(path, exc) from exc
    if len(data) > MAX_DICTIONARY_BYTES:
        raise SourceError(f"{path.name}: must have at most {MAX_DICTIONARY_BYTES:,} bytes")
    return data


def read_json_dictionary(path: Path) -> tuple[bytes, Any]:
    """The bytes of a dictionary in JSON, and its content.

    Raises:
        SourceError: it cannot be read, is too large, or is not JSON.
    """
    data = read_dictionary_file(path)
    try:
        return data, json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise SourceError(f"{path.name}: is not valid JSON: {exc}") from exc


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON (RFC 8259, section 6)")


def unreadable(path: Path, exc: OSError, hint: str = "") -> SourceError:
    """The error for a file or folder: `/data/drive.csv cannot be read: No such file or directory`.

    Args:
        path: shown as an absolute path.
        exc: why it cannot be read.
        hint: how to fix it; may be empty.
    """
    text = f"{path.absolute()} cannot be read: {exc.strerror or exc}"
    return SourceError(f"{text}; {hint}" if hint else text)
