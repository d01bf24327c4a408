"""Lines of a text file, and the offset of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_LINE_BYTES = 1024 * 1024
"""Maximum bytes of one line."""

BOM = b"\xef\xbb\xbf"


class Lines:
    """The lines of a file as text.

    A line is UTF-8, or Latin-1 if it is not UTF-8. This is decided for each line, so that a single
    Latin-1 `°` needs no second pass.

    Attributes:
        line: lines read so far.
        offset: bytes read so far.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self.line = 0
        self.offset = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(MAX_LINE_BYTES + 1)
        if not raw:
            raise StopIteration
        if len(raw) > MAX_LINE_BYTES:
            raise SourceError(
                f"line {self.line + 1} of {self._path.name} is longer than 1 MiB, the limit"
            )
        text = raw if self.offset else raw.removeprefix(BOM)
        self.offset += len(raw)
        self.line += 1
        try:
            return text.decode()
        except UnicodeDecodeError:
            return text.decode("latin-1")

    def seek(self, offset: int) -> None:
        """Go to the offset of a line. The line count continues from the last line read."""
        self._file.seek(offset)
        self.offset = offset

    def skip_to(self, offset: int) -> None:
        """Read and count the lines before an offset."""
        while self.offset < offset:
            next(self)


def check_text(head: bytes, path: Path) -> None:
    """Check the first bytes of a file.

    Raises:
        SourceError: the file is not text in lines; the text says how to convert it.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{path.name} is UTF-16; save it as UTF-8")
    if b"\0" in head:
        raise SourceError(f"{path.name} is a binary file; replay reads CSV and JSON lines")
    if b"\r" in head and b"\n" not in head:
        raise SourceError(f"the lines of {path.name} end in CR only; save it with LF or CRLF")
    if head.removeprefix(BOM).lstrip().startswith(b"["):
        raise SourceError(f"{path.name} is one JSON array; write one object a line (jq -c '.[]')")
