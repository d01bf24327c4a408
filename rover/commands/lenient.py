"""Reads small mistakes in what a validator yields as what they mean.

The contract suite of `rover.testing` reports these mistakes. A check does not fail because of them,
but no spelling of `error` lets a file pass.
"""

from __future__ import annotations

from dataclasses import replace

from sources.base import Finding, Severity

SPELLINGS = {
    **dict.fromkeys(("error", "err", "fatal", "fatal error", "critical"), Severity.ERROR),
    **dict.fromkeys(("warning", "warn"), Severity.WARNING),
    **dict.fromkeys(("info", "information", "note", "hint", "notice", "remark"), Severity.INFO),
}
"""What validators call a severity, in lower case."""


def lenient(item: object, lines: int) -> object:
    """The item with a valid severity and place, if it is a finding with a small mistake.

    Args:
        item: an item that the validator yielded.
        lines: number of lines of the file. A finding may also be at its end, one line below.
    """
    if not isinstance(item, Finding):
        return item
    severity: object = item.severity
    if not isinstance(severity, Severity) and (known := severity_of(severity)) is not None:
        item = replace(item, severity=known)
    line, column = item.line, item.column
    if line is not None and type(line) is int and not 1 <= line <= max(lines, 1) + 1:
        plural = "" if lines == 1 else "s"
        message = f"{item.message} (at line {line}, but the file has {lines:,} line{plural})"
        return replace(item, message=message, line=None, column=None)
    if column is not None and (line is None or (type(column) is int and column < 1)):
        return replace(item, column=None)
    return item


def severity_of(word: object) -> Severity | None:
    """The severity that a word or the member of an enum means; `None` if it is unknown."""
    word = getattr(word, "value", word)
    return SPELLINGS.get(word.strip().lower()) if isinstance(word, str) else None
