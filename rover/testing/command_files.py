"""The files that a command validator is given."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rover.testing.clauses import Clause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NO_TEXT: Mapping[str, bytes] = {
    "an empty file": b"",
    "a binary file": bytes(range(256)) * 64,
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(4096),
}
"""None of these is a sequence in any format, so each is rejected."""

ODD: Mapping[str, bytes] = {
    "text in UTF-16": "\ufeffC00:00:00 MAST 0 0\n".encode("utf-16-le"),
    "text in Latin-1": "; température, größte\n".encode("latin-1") * 100,
    "one line of a million characters": b"A" * 1_000_000,
    "a hundred thousand brackets": b"[" * 100_000,
    "a hundred thousand empty lines": b"\r\n" * 100_000,
    "a number of a thousand digits": b"9" * 1_000,
}
"""Somebody will send these. A validator may make of them what it likes, but in a verdict."""


@contextmanager
def laid_out(contents: Mapping[str, bytes]) -> Iterator[Mapping[str, Path]]:
    """The files, in a folder that must hold nothing else after the block."""
    with tempfile.TemporaryDirectory(prefix="rover-testing-") as folder:
        files = {name: Path(folder, f"{number:02}") for number, name in enumerate(contents)}
        for name, content in contents.items():
            files[name].write_bytes(content)
        yield files
        more = sorted(path.name for path in set(Path(folder).iterdir()) - {*files.values()})
        Clause.COMMANDS_UNCHANGED.require(
            not more, f"the check left {', '.join(more)} beside the file"
        )


def content_of(given: Path | bytes) -> bytes:
    """Return the content of a file, or the bytes themselves."""
    return given if isinstance(given, bytes) else given.read_bytes()
