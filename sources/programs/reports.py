"""Reads what a program writes about a file: JSON lines, or the messages of compilers and linters.

Source: GNU Coding Standards, "Formatting Error Messages" (`FILE:LINE:COLUMN: error: TEXT`).
"""

from __future__ import annotations

import json
import re
from typing import Any

from sources.base import Finding, Progress, Severity, SourceError, Verdict

GCC = re.compile(
    r"(?P<file>[^\s:][^:]*):(?P<line>\d{1,9}):(?:(?P<column>\d{1,6}):)?\s*"
    r"(?:(?P<severity>fatal error|error|warning|note|info|style|hint)s?:)?",
    re.IGNORECASE,
)
"""The beginning of a message. The rest is found without a pattern, which would backtrack."""

CODE = re.compile(r"[^\[\]\s]{1,80}")

SEVERITIES = {"fatal error": Severity.ERROR, "error": Severity.ERROR, "warning": Severity.WARNING}
"""The severities of compilers; all others are `info`. A message without one is an error."""

REPORT = re.compile(r'"type"\s*:\s*"(?:progress|finding|verdict)"')
"""In a line that is not JSON: it would be a report, which must not be lost."""

MAX_LINE_BYTES = 64 * 2**10
"""Longer lines of a program are truncated."""

MAX_CHARACTERS = 2_000
"""Maximum length of a message."""

Report = Progress | Finding | Verdict


def read_line(text: str, step: str, file: str) -> tuple[Report | None, dict[str, Any]]:
    """What a line says; `None` if it says nothing about the file.

    Args:
        text: the line.
        step: the name of the step that findings without one belong to.
        file: the path of the checked file. Messages about other files have no place in it.

    Returns:
        The report, and the fields of its JSON.

    Raises:
        SourceError: the line is a JSON report that is truncated or has wrong fields.
    """
    if text.startswith("{"):
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as exc:
            if REPORT.search(text):
                raise SourceError(
                    f"the program wrote a report that is not JSON, or has more than "
                    f"{MAX_LINE_BYTES:,} bytes: {text[:80]}"
                ) from exc
            return None, {}
        return (_json_report(fields, step), fields) if "type" in fields else (None, {})
    match = GCC.match(text)
    message, code = ("", "") if match is None else _message(text[match.end() :])
    if match is None or not message:
        return None, {}
    word = match["severity"]
    is_about_file = file.endswith(match["file"].rpartition("/")[2])
    if word is None and not is_about_file:  # a time, for example
        return None, {}
    severity = Severity.ERROR if word is None else SEVERITIES.get(word.lower(), Severity.INFO)
    column = None if match["column"] is None else int(match["column"])
    return (
        Finding(
            severity,
            code or "message",
            message[:MAX_CHARACTERS],
            int(match["line"]) if is_about_file else None,
            column if is_about_file else None,
            "" if is_about_file else f"in {match['file']}:{match['line']}",
            step,
        ),
        {},
    )


def _message(text: str) -> tuple[str, str]:
    """The text and the code of `TEXT [CODE]`; the code may be empty."""
    text = text.strip()
    head, _, tail = text.rpartition("[")
    if head[-1:].isspace() and head.strip() and tail[-1:] == "]" and CODE.fullmatch(tail[:-1]):
        return head.rstrip(), tail[:-1]
    return text, ""


def _json_report(fields: dict[str, Any], step: str) -> Report:
    """The report of a JSON line. The server checks the types of its values."""
    kind = fields["type"]
    get = fields.get
    if kind == "progress":
        return Progress(
            get("step", step),
            get("fraction", 0.0),
            get("detail", ""),
            get("skipped", False),
            get("line"),
            get("lines"),
        )
    if kind == "finding":
        return Finding(
            get("severity", "error"),
            get("code", "message"),
            get("message", ""),
            get("line"),
            get("column"),
            get("hint") or "",
            get("step", step),
        )
    if kind == "verdict":
        if "accepted" not in fields:
            raise SourceError('a verdict of the program lacks "accepted"')
        return Verdict(
            fields["accepted"],
            get("errors", 0),
            get("warnings", 0),
            get("detail") or ("accepted" if fields["accepted"] else "rejected"),
            get("summary") or {},
        )
    raise SourceError(
        f"the program wrote a line of the type {kind!r}: must be one of progress, finding, verdict"
    )


def json_line(report: Report, artifact: str | None = None) -> str:
    """The line for a report. An artifact is the name of a file in the working folder."""
    if isinstance(report, Progress):
        fields: dict[str, Any] = {
            "type": "progress",
            "step": report.step,
            "fraction": report.fraction,
            "detail": report.detail,
            "skipped": report.skipped,
            "line": report.line,
            "lines": report.lines,
        }
    elif isinstance(report, Finding):
        fields = {
            "type": "finding",
            "severity": report.severity,
            "code": report.code,
            "message": report.message[:MAX_CHARACTERS],
            "line": report.line,
            "column": report.column,
            "hint": report.hint[:MAX_CHARACTERS],
            "step": report.step,
        }
    else:
        fields = {
            "type": "verdict",
            "accepted": report.accepted,
            "errors": report.errors,
            "warnings": report.warnings,
            "detail": report.detail,
            "summary": dict(report.summary),
            "artifact": artifact,
            "artifact_type": report.artifact_type,
        }
    return json.dumps(fields)
