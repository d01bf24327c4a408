"""The formats of log lines. In both, text of a client cannot begin a line of its own."""

from __future__ import annotations

import logging
import re
import sys

from rover.log_lines.uvicorn import access_fields
from rover.masking import masked
from rover.request import request_id
from rover.wire import dumps_ascii, iso

FIELDS = ("client", "source", "channel", "upload")
"""Attributes of a record that become members of a JSON line, if they are there."""

UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Line ends, control characters, bidirectional marks and lone surrogates."""

COLORS = {logging.WARNING: 33, logging.ERROR: 31, logging.CRITICAL: 91}
"""Colors of levels in a terminal (ECMA-48, SGR)."""

INDENT = "    "


class TextFormatter(logging.Formatter):
    """`LEVEL:    message`, as uvicorn writes it. The lines of an exception are indented.

    Args:
        colors: whether to color the level; by default in a terminal only.
    """

    def __init__(self, *, colors: bool | None = None) -> None:
        super().__init__()
        self._colors = sys.stderr.isatty() if colors is None else colors

    def format(self, record: logging.LogRecord) -> str:
        """The line, and those of the exception."""
        level = f"{record.levelname}:"
        padding = " " * (9 - len(level))
        if self._colors and record.levelno in COLORS:
            level = f"\x1b[{COLORS[record.levelno]}m{level}\x1b[0m"
        notes = {"client": masked(str(getattr(record, "client", ""))), "request_id": request_id()}
        message = escaped(masked(record.getMessage().strip()))
        shown = "".join(
            f" {name}={escaped(text)}" for name, text in notes.items() if text not in message
        )
        lines = [f"{level}{padding} {message}{shown}"]
        if exception := _exception(record):
            lines += [INDENT + escaped(line) for line in exception.split("\n")]
        return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """One JSON object per line, in ASCII.

    Its members are `time` (RFC 3339, UTC), `level`, `logger`, `message`, and where they are known
    `request_id`, `client` (an IP address), `source`, `channel`, `upload`, and `exception` as one
    text. Lines about requests also have `port` of the client, `method`, `path`, `http_version` and
    `status`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields: dict[str, object] = {
            "time": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().strip(),
            "request_id": request_id(),
        }
        fields |= {name: getattr(record, name, None) for name in FIELDS}
        fields |= access_fields(record)
        fields["exception"] = _exception(record)
        return dumps_ascii(
            {
                name: masked(value) if isinstance(value, str) else value
                for name, value in fields.items()
                if value
            }
        )


def escaped(text: str) -> str:
    r"""The text on one line: `\n`, `\x1b` and others as Python writes them."""
    return UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def _exception(record: logging.LogRecord) -> str:
    """The traceback and the stack of the record; empty without them."""
    parts = []
    if record.exc_info:
        parts.append(logging.Formatter().formatException(record.exc_info))
    if record.stack_info:
        parts.append(record.stack_info)
    return masked("\n".join(parts))
