"""Parses the header: the lines that start with `@`, before the first command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sources.simulated.findings import finding
from sources.simulated.sequence import NAME, SequenceHeader, parse_utc_ms
from sources.values.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.base import Finding

HEADERS = {
    "@sequence": "a name of 1 to 40 letters, digits, - or _",
    "@rover": "a name of 1 to 40 letters, digits, - or _",
    "@start": "a time in UTC, such as 2026-326T07:30:00",
    "@local": "the local time of the rover at the start, such as 09:30",
    "@battery": "the state of charge at the start, such as 80 %",
}
"""The value of each header line. Every line is required, once."""

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,3})?) ?%", re.ASCII)


def read_header(
    header: SequenceHeader, word: str, value: str, line: int, column: int, *, late: bool
) -> Iterator[Finding]:
    """Store one header line in `header`; yield findings about it."""
    name = word.removeprefix("@")
    if (first := header.lines.get(name)) is not None:
        yield finding(
            "syntax.header-twice",
            f"duplicate {word}; the one in line {first} counts",
            line,
            hint="delete one of the lines",
        )
        return
    header.lines[name] = line
    if late:
        yield finding(
            "syntax.header-late",
            f"{word} comes after the first command",
            line,
            hint="move it to the top of the file",
        )
    if not _store_value(header, name, value):
        yield finding(
            "syntax.header-value",
            f"{word} has the invalid value {quoted(value)}" if value else f"{word} has no value",
            line,
            column,
            f"{word} must be {HEADERS[word]}",
        )


def missing_headers(header: SequenceHeader) -> Iterator[Finding]:
    """Yield one finding that names all missing header lines."""
    missing = [word for word in HEADERS if word.removeprefix("@") not in header.lines]
    if missing:
        hint = "; ".join(f"{word} must be {HEADERS[word]}" for word in missing)
        if len(missing) > 2:
            hint = "docs/samples/pass-first-drive.rcs shows a complete header"
        yield finding(
            "syntax.header-missing", f"missing header lines: {', '.join(missing)}", hint=hint
        )


def _store_value(header: SequenceHeader, name: str, value: str) -> bool:
    match name:
        case "sequence" | "rover":
            if NAME.fullmatch(value) is None:
                return False
            setattr(header, name, value)
        case "start":
            header.start_ms = parse_utc_ms(value)
            return header.start_ms is not None
        case "local":
            if (clock := _CLOCK.fullmatch(value)) is None:
                return False
            hours, minutes, seconds = (int(part) for part in clock.groups(default="0"))
            header.local_h = hours + minutes / 60 + seconds / 3600
        case "battery":
            percent = _PERCENT.fullmatch(value)
            if percent is None or float(percent[1]) > 100:
                return False
            header.battery_percent = float(percent[1])
    return True
