"""One command with its time, in one line or in several that end with a backslash."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from sources.fprime.syntax import TOKEN

MAX_CHARACTERS = 2**17
"""Maximum length of a statement. A line beyond it does not continue the statement."""


@dataclass(slots=True)
class Statement:
    """The text of a command.

    Attributes:
        text: its lines, without backslashes and line ends.
        line: number of its first line.
        starts: where its further lines start in the text.
    """

    text: str
    line: int
    starts: list[int] = field(default_factory=list)
    is_open: bool = False

    def __post_init__(self) -> None:
        """Learn whether the next line belongs to it."""
        self._end_line(0)

    def append(self, text: str) -> None:
        """Append the next line."""
        start = len(self.text)
        self.starts.append(start)
        self.text += text
        self._end_line(start)

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the column of an offset in the text."""
        index = bisect_right(self.starts, offset)
        start = self.starts[index - 1] if index else 0
        return self.line + index, offset - start + 1

    def _end_line(self, start: int) -> None:
        """Remove a backslash at the end, unless it is in a comment, and note that it was there."""
        text = self.text.rstrip(" \t\f")
        self.is_open = False
        if not text.endswith("\\") or len(text) > MAX_CHARACTERS:
            return
        for token in TOKEN.finditer(text, start):
            if token["end"] is not None:
                self.is_open = not token["end"].startswith(";")
                break
        if self.is_open:
            self.text = text[:-1] + " "
