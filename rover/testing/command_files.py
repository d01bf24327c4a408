"""The files that a command validator checks."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rover.testing.clauses import Clause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REJECTED_FILES: Mapping[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)) * 64,
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(4096),
}
"""Content that is not a sequence in any format: the validator must reject it."""

UNUSUAL_FILES: Mapping[str, bytes] = {
    "UTF-16": "\ufeffC00:00:00 MAST 0 0\n".encode("utf-16-le"),
    "Latin-1": "; température, größte\n".encode("latin-1") * 100,
    "one-line": b"A" * 1_000_000,
    "brackets": b"[" * 100_000,
    "empty-lines": b"\r\n" * 100_000,
    "long-number": b"9" * 1_000,
}
"""Content that clients may upload. The validator may accept or reject it, but must not fail."""


class CommandFiles:
    """Files in a folder of their own, with names without a suffix, as the server stores them.

    Args:
        folder: an empty folder.
        given: the content of each file, or a path to it, by a name for messages.
    """

    def __init__(self, folder: Path, given: Mapping[str, Path | bytes]) -> None:
        self._folder = folder
        self._contents = {
            name: content if isinstance(content, bytes) else content.read_bytes()
            for name, content in given.items()
        }
        self._paths = {name: folder / f"{number:02}" for number, name in enumerate(given)}
        for name, content in self._contents.items():
            self._paths[name].write_bytes(content)

    def path(self, name: str) -> Path:
        """Return the path of a file."""
        return self._paths[name]

    def missing_path(self) -> Path:
        """Return the path of a file that does not exist."""
        return self._folder / "no-such-file"

    def require_unchanged(self, name: str) -> None:
        """Return if the file still has its content.

        Raises:
            ContractBroken: a check changed or deleted the file.
        """
        path = self._paths[name]
        Clause.COMMANDS_UNCHANGED.require(
            path.is_file() and path.read_bytes() == self._contents[name],
            f"the {name} file was changed or deleted during its check",
        )

    def require_no_more(self) -> None:
        """Return if the folder has no other files.

        Raises:
            ContractBroken: a check left a file in the folder.
        """
        more = sorted(path.name for path in set(self._folder.iterdir()) - {*self._paths.values()})
        Clause.COMMANDS_UNCHANGED.require(
            not more,
            f"the check left {', '.join(more)} in the file's folder; use a temporary folder",
        )


@contextmanager
def create_files(given: Mapping[str, Path | bytes]) -> Iterator[CommandFiles]:
    """Files in a temporary folder, which is deleted after the block.

    Args:
        given: see `CommandFiles`.

    Raises:
        ContractBroken: after the block, if a check left a file in the folder.
    """
    with tempfile.TemporaryDirectory(prefix="rover-testing-") as folder:
        files = CommandFiles(Path(folder), given)
        yield files
        files.require_no_more()
