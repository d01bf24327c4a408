"""The formats of a transcript: CSV, JSON lines, Markdown and text.

CSV and JSON lines have the fields of each message. Markdown and text are for people: they have a
heading for each day, and times in UTC. Nothing in a message has an effect on a terminal, on a
spreadsheet or on the layout of a page. Only JSON lines have each text exactly.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rover.comms.files import COLUMNS, csv_line, row_of
from rover.comms.files import FORMATS as PAGE_FORMATS
from rover.comms.frames import safe_lines
from rover.wire import dumps, iso

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rover.comms.events import MessageEvent
    from rover.events import EventId

FORMATS = {
    "csv": PAGE_FORMATS["csv"],
    "jsonl": PAGE_FORMATS["jsonl"],
    "md": "text/markdown; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}
"""The media type of each format."""

MARKUP = re.compile(r"[\\`*_\[\]<>&#~|]")
"""Characters that may begin markup within a line (CommonMark 0.31, 2.4 and 6; GFM tables)."""

BLOCK = re.compile(r"\s*([-+=]|\d+[.)])")
"""Beginnings of a list or an underline (CommonMark 0.31, 4.3 and 5.2)."""

DATE = slice(0, 10)
"""The date in an ISO 8601 time."""

TIME = slice(11, 19)
"""The time of the day, to seconds."""


class Line(NamedTuple):
    """A message of one of several channels."""

    channel: str
    id: EventId
    event: MessageEvent


class Writer(Protocol):
    """Writes one format."""

    def head(self) -> str:
        """The beginning of the file; may be empty."""
        ...

    def line(self, line: Line) -> str:
        """The next message."""
        ...


class CsvWriter:
    """Comma-separated values, with the name of the channel first."""

    def __init__(self, channels: Sequence[str]) -> None:
        del channels
        self._columns = ("channel", *COLUMNS)

    def head(self) -> str:
        """The names of the columns."""
        return csv_line(self._columns)

    def line(self, line: Line) -> str:
        """See `Writer.line`."""
        row = {"channel": line.channel, **row_of(line.id, line.event)}
        return csv_line([row.get(name, "") for name in self._columns])


class JsonLinesWriter:
    """One JSON object in each line, with the name of the channel first."""

    def __init__(self, channels: Sequence[str]) -> None:
        del channels

    def head(self) -> str:
        """Nothing."""
        return ""

    def line(self, line: Line) -> str:
        """See `Writer.line`."""
        return dumps({"channel": line.channel, **row_of(line.id, line.event)}) + "\n"


class TextWriter:
    """Plain text. The lines of a message after its first are indented.

    Args:
        channels: of the file. If there are several, each message has the name of its channel.
    """

    title, day, between = "Comms: {}\n", "\n{}\n", "\n    "

    def __init__(self, channels: Sequence[str]) -> None:
        self._channels = channels
        self._date = ""

    def head(self) -> str:
        """The names of the channels."""
        return self.title.format(", ".join(map(self.escape, self._channels)))

    def line(self, line: Line) -> str:
        """See `Writer.line`."""
        at, event = iso(line.event.at), line.event
        heading = self.day.format(at[DATE]) if at[DATE] != self._date else ""
        self._date = at[DATE]
        where = f" {self.escape(line.channel)}" if len(self._channels) > 1 else ""
        role = f" ({self.escape(event.role)})" if event.role else ""
        who = f"{self.name(self.escape(event.name))}{role}"
        texts = [self.escape(text) for text in safe_lines(event.text)]
        texts[1:] = map(self.continued, texts[1:])
        if kind := event.content.kind:
            data = "" if event.content.data is None else f" {dumps(event.content.data)}"
            texts[-1] += self.escape(f" [{kind}{' '.join(safe_lines(data))}]")
        return f"{heading}{self.prefix(at[TIME])}{where} {who}: {self.between.join(texts)}\n"

    def prefix(self, time: str) -> str:
        """The beginning of a line."""
        return time

    def name(self, name: str) -> str:
        """The name of a sender, escaped."""
        return name

    def escape(self, text: str) -> str:
        """A text without markup."""
        return text

    def continued(self, text: str) -> str:
        """A line of a message after its first, escaped."""
        return text


class MarkdownWriter(TextWriter):
    """Markdown: a list for each day. Messages have no markup of their own."""

    title, day, between = "# Comms: {}\n", "\n## {}\n\n", "\\\n  "

    def prefix(self, time: str) -> str:
        """See `TextWriter.prefix`."""
        return f"- {time}"

    def name(self, name: str) -> str:
        """See `TextWriter.name`."""
        return f"**{name}**"

    def escape(self, text: str) -> str:
        """See `TextWriter.escape`."""
        return MARKUP.sub(r"\\\g<0>", text)

    def continued(self, text: str) -> str:
        """See `TextWriter.continued`."""
        found = BLOCK.match(text)
        return text if found is None else f"{text[: found.end() - 1]}\\{text[found.end() - 1 :]}"


WRITERS: dict[str, Callable[[Sequence[str]], Writer]] = {
    "csv": CsvWriter,
    "jsonl": JsonLinesWriter,
    "md": MarkdownWriter,
    "txt": TextWriter,
}
"""The class that writes each format."""
