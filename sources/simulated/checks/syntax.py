"""Parses the text of a sequence, and reports each error with its line and column."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sources.simulated.checks.arguments import read_arguments
from sources.simulated.checks.header import HEADERS, missing_headers, read_header
from sources.simulated.dictionary import DICTIONARY
from sources.simulated.findings import SLICE_LINES, Check, finding
from sources.simulated.sequence import (
    BOM,
    MAX_BYTES,
    MAX_LINE_CHARACTERS,
    MAX_LINES,
    ChecksumLine,
    Instruction,
    Sequence,
    StartTime,
    parse_duration_ms,
    parse_utc_ms,
)
from sources.values.languages import HINTS, OTHER_LANGUAGE, first_language
from sources.values.wording import quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.base import Finding

_WORD = re.compile(r"[^\s,]+")
_DIRECTIVE = re.compile(r"\s*(@\S*)\s*(.*)")

# Control characters except the tab, and characters that reorder or break a line on screen, so that
# people read it differently from the parser (Unicode TR 36, "Trojan Source", CVE-2021-42574).
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

LANGUAGE_BYTES = 2**16
"""Maximum size of comments before the line that shows the language of a file."""

_DECIMAL_COMMA = re.compile(r"[+-]?[\d.]*\d(?:,\d[\d.]*)+", re.ASCII)

TIME_HINT = (
    "start the line with C00:00:05 (5 s after the command above ends), R00:00:05 (5 s after it "
    "starts) or A2026-326T07:30:00 (UTC)"
)


def parse(data: bytes, into: Sequence) -> Check:
    """Parse the bytes of a file into `into`, line by line."""
    if (unreadable := _unreadable(data)) is not None:
        into.readable = False
        yield unreadable
        return {}
    lines = data.split(b"\n")
    offset, has_error = 0, False
    for number, raw in enumerate(lines, start=1):
        for found in _read_line(raw, number, offset, into):
            has_error = True
            yield found
        offset += len(raw) + 1
        if number % SLICE_LINES == 0:
            yield number / len(lines)
    if into.last_line == 0:
        into.readable = False  # nothing can be checked
    else:
        for found in missing_headers(into.header):
            has_error = True
            yield found
    if not into.instructions and not has_error:
        yield finding(
            "syntax.empty",
            "the file contains no command",
            hint="an example of a command line: C00:00:00 WAIT 10",
        )
    return {
        "sequence": into.header.sequence,
        "rover": into.header.rover,
        "commands": len(into.instructions),
    }


def _unreadable(data: bytes) -> Finding | None:
    """The finding that makes the whole file unreadable, if there is one."""
    if (zero := data.find(b"\0")) >= 0:
        hint = "a sequence is plain UTF-8 text; check that this is the right file"
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            hint = "the file is probably UTF-16; save it as UTF-8"
        line = data.count(b"\n", 0, zero) + 1
        return finding(
            "syntax.binary", f"the file is not text: byte {zero:,} is NUL", line, hint=hint
        )
    split = "split it into several sequences"
    if len(data) > MAX_BYTES:
        return finding(
            "syntax.too-big", f"the file is larger than {MAX_BYTES:,} bytes, the limit", hint=split
        )
    count = data.count(b"\n") + (not data.endswith(b"\n"))
    if count > MAX_LINES:
        message = f"the file has {count:,} lines; the limit is {MAX_LINES:,}"
        return finding("syntax.too-many-lines", message, MAX_LINES + 1, hint=split)
    return _other_language(data)


def _other_language(data: bytes) -> Finding | None:
    """The finding about a file in another language, by its first line that is not a comment."""
    start = data[:LANGUAGE_BYTES].removeprefix(BOM).decode(errors="replace")
    number, found = first_language(start.split("\n"))
    if found in ("", "sim"):
        return None
    return finding("syntax.language", OTHER_LANGUAGE, number, hint=HINTS[found])


def _read_line(raw: bytes, number: int, offset: int, into: Sequence) -> Iterator[Finding]:
    if number == 1:
        raw = raw.removeprefix(BOM)
    raw = raw.removesuffix(b"\r")
    try:
        text = raw.decode()
    except UnicodeDecodeError as exc:
        yield finding(
            "syntax.encoding",
            f"byte 0x{raw[exc.start]:02x} is not UTF-8",
            number,
            len(raw[: exc.start].decode()) + 1,
            "save the sequence as UTF-8",
        )
        into.last_line, into.is_whole = number, False
        return
    if not text.strip():
        return
    into.last_line = number
    if len(text) > MAX_LINE_CHARACTERS:
        yield finding(
            "syntax.line-length",
            f"the line has {len(text):,} characters; the limit is {MAX_LINE_CHARACTERS}",
            number,
            MAX_LINE_CHARACTERS + 1,
            "split the comment into several lines",
        )
        into.is_whole = False
        return
    if (control := _CONTROL.search(text)) is not None:
        yield finding(
            "syntax.control",
            f"the character U+{ord(control.group()):04X} is not allowed in a sequence",
            number,
            control.start() + 1,
            "delete the character",
        )
        into.is_whole = False
        return
    text = text.partition(";")[0].rstrip()
    if (directive := _DIRECTIVE.match(text)) is not None:
        yield from _read_directive(directive, number, offset, into)
    elif text:
        before = len(into.instructions)
        yield from _read_instruction(text, number, into)
        if len(into.instructions) == before:
            into.is_whole = False


def _read_directive(
    directive: re.Match[str], number: int, offset: int, into: Sequence
) -> Iterator[Finding]:
    word, value = directive.groups()
    column = directive.start(2 if value else 1) + 1
    if word == "@crc32":
        into.checksum_lines.append(ChecksumLine(number, column, offset, value))
    elif word in HEADERS:
        late = bool(into.instructions)
        yield from read_header(into.header, word, value, number, column, late=late)
    else:
        yield finding(
            "syntax.directive",
            f"unknown header line {quoted(word)}",
            number,
            directive.start(1) + 1,
            suggestion(word, [*HEADERS, "@crc32"]),
        )


def _read_instruction(text: str, number: int, into: Sequence) -> Iterator[Finding]:
    words = list(_WORD.finditer(text)) or list(re.finditer(",", text))[:1]
    first, rest = words[0], words[1:]
    time = _read_time(first.group())
    if time is None:
        message = f"{quoted(first.group())} is not a time"
        yield finding("syntax.time", message, number, first.start() + 1, TIME_HINT)
        # The line may be other text: check it further only if it contains a known command.
        starts = [index for index in (0, 1) if words[index:] and words[index].group() in DICTIONARY]
        if not starts:
            return
        rest = words[starts[0] :]
    elif not rest:
        yield finding(
            "syntax.no-command",
            "the line has a time, but no command",
            number,
            len(text),
            "write a command after the time, or delete the line",
        )
        return
    name = rest[0]
    command = DICTIONARY.get(name.group())
    comma = _DECIMAL_COMMA.search(text)
    if comma is not None and (command is not None or comma.start() < name.start()):
        yield finding(
            "syntax.decimal-comma",
            f"{comma.group()} has a comma between digits",
            number,
            comma.start() + 1,
            f"write {_readings(comma.group())}",
        )
        return
    if command is None:
        yield finding(
            "syntax.command",
            f"unknown command {quoted(name.group())}",
            number,
            name.start() + 1,
            suggestion(name.group(), DICTIONARY),
        )
        return
    arguments = yield from read_arguments(command, rest[1:], number, len(text))
    if time is not None and arguments is not None:
        into.instructions.append(Instruction(number, name.start() + 1, time, command, arguments))


def _readings(text: str) -> str:
    """The possible meanings of a text with commas between digits."""
    separate = f"{text.replace(',', ', ')} for {text.count(',') + 1} arguments"
    is_decimal = text.count(",") == 1 and "." not in text
    return f"{text.replace(',', '.')} for a number, or {separate}" if is_decimal else separate


def _read_time(text: str) -> StartTime | None:
    match text[:1]:
        case "A":
            ms = parse_utc_ms(text[1:])
            return None if ms is None else StartTime("A", ms)
        case "R" | "C" as kind:
            ms = parse_duration_ms(text[1:])
            return None if ms is None else StartTime(kind, ms)
        case _:
            return None
