"""The text of single lines of a command file, for the findings about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAX_TEXT_CHARACTERS = 200
"""Maximum length of the text of a line. Of a longer one, the part around the column is kept."""

MAX_LINE_BYTES = 2**20
"""What follows in a line is not read."""

BLOCK_BYTES = 64 * 2**10
"""Size of the parts in which lines are skipped: one line may be as large as the file."""

MARKED_LINES = 1_000
"""Every 1,000th line can be found without reading the lines before it."""


class FileLines:
    """Reads lines of a file, which does not change. In the order of the file, it reads it once.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks = [0]  # offsets of the lines 1, 1,001, 2,001 and so on
        self._newest = (1, 0)

    def text(self, line: int, column: int | None = None) -> str | None:
        """The text around a place in the file; `None` if it has no such line or column. It blocks.

        Args:
            line: from 1.
            column: from 1, in characters.

        Raises:
            OSError: the file cannot be read.
        """
        mark = min((line - 1) // MARKED_LINES, len(self._marks) - 1)
        number, offset = mark * MARKED_LINES + 1, self._marks[mark]
        if number < self._newest[0] <= line:
            number, offset = self._newest
        with self._path.open("rb") as file:
            file.seek(offset)
            while number < line:
                block = file.readline(BLOCK_BYTES)
                if not block:
                    return None
                if block.endswith(b"\n"):
                    number += 1
                    if number == len(self._marks) * MARKED_LINES + 1:
                        self._marks.append(file.tell())
            self._newest = (number, file.tell())
            data = file.readline(MAX_LINE_BYTES)
        text = data.decode(errors="replace").rstrip("\r\n")
        return None if not data or (column or 1) > len(text) + 1 else _around(text, column or 1)


def _around(text: str, column: int) -> str:
    if len(text) <= MAX_TEXT_CHARACTERS:
        return text
    start = min(max(0, column - MAX_TEXT_CHARACTERS // 2), len(text) - MAX_TEXT_CHARACTERS)
    end = start + MAX_TEXT_CHARACTERS
    return f"{'…' * (start > 0)}{text[start:end]}{'…' * (end < len(text))}"
