"""Comma-separated values (RFC 4180): the time `t`, the values, and whether the row was `late`.

A missing value is an empty field, and an empty text is `""`. Numbers have all their digits. A text
that looks like a number or a boolean has quotation marks. If the values of a column have several
types, its texts are JSON, with quotation marks of their own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rover.exports.columns import exact_iso, is_mixed, json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rover.archive.table import Table
    from rover.exports.columns import Column

SPECIAL = frozenset(',"\r\n')

LITERAL = re.compile(r"true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""A boolean or a number. A text of this form is written with quotation marks."""


class CsvWriter:
    """Writes CSV in UTF-8.

    Args:
        columns: the columns.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        names = ["t", *(column.name for column in columns), "late"]
        self._header = ",".join(map(_text, names)) + "\r\n"

    def write(self, table: Table) -> bytes:
        """See `Writer.write`."""
        fields = [
            map(exact_iso, table.t.tolist()),
            *(
                map(_json if is_mixed(column.kinds) else _field, column.values(table))
                for column in self._columns
            ),
            map(_field, table.late.tolist()),
        ]
        lines = "".join(",".join(row) + "\r\n" for row in zip(*fields, strict=True))
        header, self._header = self._header, ""
        return (header + lines).encode("utf-8", "surrogatepass")

    def end(self) -> bytes:
        """See `Writer.end`."""
        return self._header.encode()


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float | int) else _text(json_text(value))


def _json(value: Any) -> str:
    return _field(value) if not isinstance(value, str) else _text(json_text(value))


def _text(value: str) -> str:
    is_plain = SPECIAL.isdisjoint(value) and value == value.strip() and value != ""
    if is_plain and LITERAL.fullmatch(value) is None:
        return value
    return '"' + value.replace('"', '""') + '"'
