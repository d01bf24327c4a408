"""Lines of a text file, and the place of each in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_LINE_BYTES = 1024 * 1024

BOM = b"\xef\xbb\xbf"


class Lines:
    """A file's lines as text, and how far they were read.

    UTF-8, and Latin-1 where a line is none: decided line by line, so that the one ° in an old
    logger's file costs no pass of its own.

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
                f"line {self.line + 1} of {self._path.name} is over 1 MiB long: this is no table"
            )
        text = raw if self.offset else raw.removeprefix(BOM)
        self.offset += len(raw)
        self.line += 1
        try:
            return text.decode()
        except UnicodeDecodeError:
            return text.decode("latin-1")

    def seek(self, offset: int) -> None:
        """Go to where a line begins; lines are counted on from the last."""
        self._file.seek(offset)
        self.offset = offset

    def skip_to(self, offset: int) -> None:
        """Read and drop the lines before an offset, and count them."""
        while self.offset < offset:
            next(self)


def refuse_binary(head: bytes, path: Path) -> None:
    """Tell a text of lines from what is none, by its first bytes.

    Raises:
        SourceError: it is none; the text says what to make of it.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{path.name} is UTF-16; save it as UTF-8")
    if b"\0" in head:
        raise SourceError(f"{path.name} is a binary file, neither CSV nor JSON lines")
    if b"\r" in head and b"\n" not in head:
        raise SourceError(f"the lines of {path.name} end in CR alone; save it with LF or CRLF")
    if head.removeprefix(BOM).lstrip().startswith(b"["):
        raise SourceError(f"{path.name} is one JSON array; write one object a line (jq -c '.[]')")
