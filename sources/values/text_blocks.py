"""The lines of a text file, in blocks of bounded size, however long the file and its lines are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sources.base import Finding, Severity
from sources.values.files import command_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK_BYTES = 2**17

MAX_LINE_BYTES = 2**16
"""Maximum size of a line. A longer one is reported and not read."""

BOM = b"\xef\xbb\xbf"

CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters except the tab, and characters that reorder or break a line on screen, so that
people read it differently from the parser (Unicode TR 36, "Trojan Source", CVE-2021-42574)."""


@dataclass(frozen=True, slots=True)
class LineError:
    """Why a line cannot be read.

    Attributes:
        code: stable, for programs.
        message: the problem.
        line: from 1.
        column: from 1, in characters; `None` if it is the whole line.
        hint: how to fix it.
    """

    code: str
    message: str
    line: int
    column: int | None
    hint: str

    def finding(self) -> Finding:
        """The finding about it."""
        return Finding(
            Severity.ERROR, self.code, self.message, self.line, self.column, self.hint, "syntax"
        )


class NotText(Exception):
    """The file is not text, so that no line of it can be read.

    Attributes:
        error: why, and where.
    """

    def __init__(self, error: LineError) -> None:
        self.error = error
        super().__init__(error.message)


@dataclass(slots=True)
class Block:
    """Consecutive lines.

    Attributes:
        first: number of the first line, from 1.
        lines: without line ends; empty in place of those that cannot be read.
        errors: those of lines that cannot be read.
        end: position in the file after the block, in bytes.
    """

    first: int
    lines: list[str]
    errors: list[LineError] = field(default_factory=list)
    end: int = 0


def text_blocks(path: Path) -> Iterator[Block]:
    r"""The blocks of a UTF-8 file. Lines end with `\n` or `\r\n`; a byte order mark is left out.

    Raises:
        NotText: the file is empty, or contains a NUL byte.
        SourceError: the file cannot be read.
    """
    with command_file(path) as file:
        number, rest, start = 1, b"", 0
        while data := file.read(BLOCK_BYTES):
            start += len(data)
            if (zero := data.find(b"\0")) >= 0:
                raise NotText(_binary(rest + data, start - len(data) + zero, number))
            if number == 1 and not rest:
                data = data.removeprefix(BOM)
            whole, line_end, after = (rest + data).rpartition(b"\n")
            rest = after[: MAX_LINE_BYTES + 1]
            if line_end:
                block = _block(whole, number, start)
                number += len(block.lines)
                yield block
        if start == 0:
            raise NotText(LineError("file.empty", "the file is empty", 1, None, ""))
        if rest:
            yield _block(rest, number, start)


def count_lines(path: Path) -> int:
    """Number of lines of a file.

    Raises:
        SourceError: the file cannot be read.
    """
    count, last = 0, b""
    with command_file(path) as file:
        while data := file.read(BLOCK_BYTES):
            count += data.count(b"\n")
            last = data[-1:]
    return count + (last not in (b"", b"\n"))


def _binary(data: bytes, position: int, number: int) -> LineError:
    hint = "a sequence is plain UTF-8 text; check that this is the right file"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or position < 2:
        hint = "the file is probably UTF-16; save it as UTF-8"
    line = number + data.count(b"\n", 0, data.find(b"\0"))
    message = f"the file is not text: byte {position:,} is NUL"
    return LineError("file.binary", message, line, None, hint)


def _block(data: bytes, first: int, end: int) -> Block:
    """The lines of some bytes, which are decoded in one piece where no line has an error."""
    data = data.replace(b"\r\n", b"\n").removesuffix(b"\r")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if CONTROL.search(text.replace("\n", " ")) is None:
        lines = text.split("\n")
        if len(max(lines, key=len)) <= MAX_LINE_BYTES // 4:
            return Block(first, lines, [], end)
    block = Block(first, [], [], end)
    for number, raw in enumerate(data.split(b"\n"), first):
        line = _line(raw, number)
        if isinstance(line, LineError):
            block.errors.append(line)
        block.lines.append(line if isinstance(line, str) else "")
    return block


def _line(raw: bytes, number: int) -> str | LineError:
    if len(raw) > MAX_LINE_BYTES:
        message = f"the line is longer than {MAX_LINE_BYTES:,} bytes, the limit"
        return LineError("file.line-length", message, number, None, "split the line")
    try:
        text = raw.decode()
    except UnicodeDecodeError as exc:
        column = len(raw[: exc.start].decode()) + 1
        message = f"byte 0x{raw[exc.start]:02x} is not UTF-8"
        return LineError("file.encoding", message, number, column, "save the file as UTF-8")
    if (control := CONTROL.search(text)) is not None:
        message = f"the character U+{ord(control.group()):04X} is not allowed in a sequence"
        return LineError(
            "file.control", message, number, control.start() + 1, "delete the character"
        )
    return text
