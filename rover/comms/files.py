"""Messages as JSON, JSON lines and CSV.

In CSV, a text that a spreadsheet could take for a formula, or that begins with an apostrophe, has
an apostrophe before it. Control characters that a terminal could obey become U+FFFD. So the exact
text of other messages is the field without its first apostrophe.
"""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal

from rover.comms.changes import FIELDS
from rover.wire import dumps, iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rover.comms.events import MessageEvent
    from rover.comms.history import Page
    from rover.events import EventId

Format = Literal["json", "csv", "jsonl"]

FORMATS: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8; header=present",
    "jsonl": "application/jsonl",
}
"""The media type of each format."""

COLUMNS = ("id", "at", "from", "role", "ref", "text", "kind", "data")

CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
"""Control characters, except tabs and the ends of lines."""

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "'")  # noqa: RUF001
"""Beginnings of formulas (OWASP, CSV Injection), and the apostrophe."""


def encode_page(page: Page, file_format: Format) -> bytes:
    """The page as a body of one of `FORMATS`."""
    rows = [{**row_of(*one), **page.changes.of(one.id)} for one in page.messages]
    if file_format == "csv":
        return _csv(rows).encode()
    if file_format == "jsonl":
        return "".join(dumps(row) + "\n" for row in rows).encode()
    following = None if page.next is None else str(page.next)
    return dumps({"messages": rows, "more": following is not None, "next": following}).encode()


def row_of(event_id: EventId, event: MessageEvent) -> dict[str, Any]:
    """The fields of a message. Those that it does not have are missing."""
    row = {"id": str(event_id), "at": iso(event.at), "from": event.name, "text": event.text}
    row |= event.content.as_json()
    if event.role:
        row["role"] = event.role
    return row if event.ref is None else {**row, "ref": event.ref}


def csv_line(values: Iterable[Any]) -> str:
    """A line of CSV (RFC 4180). Objects become JSON."""
    file = StringIO(newline="")
    csv.writer(file).writerow(map(_safe, values))
    return file.getvalue()


def _csv(rows: Iterable[Mapping[str, Any]]) -> str:
    columns = (*COLUMNS, *FIELDS.values())
    lines = (csv_line([row.get(name, "") for name in columns]) for row in rows)
    return csv_line(columns) + "".join(lines)


def _safe(value: Any) -> str:
    text = CONTROLS.sub("\ufffd", value if isinstance(value, str) else dumps(value))
    is_formula = text.startswith(FORMULA) or text.lstrip().startswith(FORMULA)
    return f"'{text}" if is_formula else text
