"""Messages as JSON, JSON lines and CSV.

In CSV, a text that a spreadsheet could take for a formula, or that begins with an apostrophe, has
an apostrophe before it. So the exact text is the field without its first apostrophe.
"""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal

from rover.wire import dumps, iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rover.comms.history import Kept, Page

Format = Literal["json", "csv", "jsonl"]

FORMATS: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8; header=present",
    "jsonl": "application/jsonl",
}
"""The media type of each format."""

COLUMNS = ("id", "at", "from", "role", "ref", "text")

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "'")  # noqa: RUF001
"""Beginnings of formulas (OWASP, CSV Injection), and the apostrophe."""


def encode_page(page: Page, file_format: Format) -> bytes:
    """The page as a body of one of `FORMATS`."""
    if file_format == "csv":
        return _csv(page.messages).encode()
    rows = [_row(one) for one in page.messages]
    if file_format == "jsonl":
        return "".join(dumps(row) + "\n" for row in rows).encode()
    following = None if page.next is None else str(page.next)
    return dumps({"messages": rows, "more": following is not None, "next": following}).encode()


def _row(one: Kept) -> dict[str, Any]:
    event = one.event
    row = {"id": str(one.id), "at": iso(event.at), "from": event.name, "text": event.text}
    row |= event.content.as_json()
    if event.role:
        row["role"] = event.role
    return row if event.ref is None else {**row, "ref": event.ref}


def _csv(messages: Sequence[Kept]) -> str:
    file = StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for row in map(_row, messages):
        writer.writerow([_safe(row.get(name, "")) for name in COLUMNS])
    return file.getvalue()


def _safe(text: str) -> str:
    is_formula = text.startswith(FORMULA) or text.lstrip().startswith(FORMULA)
    return f"'{text}" if is_formula else text
