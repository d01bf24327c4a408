"""JSON files as people write them: their mistakes, and the places of values, by line and column."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sources.base import Finding, Severity
from sources.values.files import command_file
from sources.values.text_blocks import BOM
from sources.values.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

MAX_DEPTH = 64
"""Maximum depth of arrays and objects in each other."""

MAX_DIGITS = 400
"""Maximum length of a number."""

MAX_EXACT = 2**53
"""Up to here, every program reads a whole number as it is written (RFC 8259, section 6)."""

TOKEN = re.compile(
    r"""[ \t\r\n]*+(?:
        (?P<mark>[\[\]{},:])
        |(?P<text>"(?:[^"\\\n]|\\.)*+")
        |(?P<word>[^\s\[\]{},:"]++)
    )""",
    re.VERBOSE,
)

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+-]?[0-9]++)?")

Pointer: TypeAlias = "tuple[str | int, ...]"
"""The keys and indexes that lead to a value."""

Event: TypeAlias = "tuple[Literal['key', 'value', 'close'], str, int]"
"""A key, the beginning of a value, or the end of an array or object; its text and offset."""


class JsonText:
    """The text of a JSON file.

    Args:
        text: of the file.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    @property
    def lines(self) -> int:
        """Number of lines."""
        return len(self._starts) - (self.text.endswith("\n"))

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the column of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def mistakes(self) -> Iterator[Finding]:
        """Yield what the parser accepts, but no other program reads in the same way.

        After too deep nesting or a number that is too long, nothing else is checked.
        """
        keys: list[set[str]] = []
        path: list[str | int | None] = []
        for kind, lexeme, offset in self._walk(path):
            if lexeme.startswith('"') and _has_half_a_pair(lexeme):
                message = f"{quoted(lexeme)} has half of a surrogate pair, which is not a character"
                yield self._finding("json.surrogate", message, offset, "")
            if kind == "close":
                keys.pop()
            elif kind == "key":
                key = str(path[-1])
                if key in keys[-1]:
                    message = f"the key {quoted(key)} is a duplicate"
                    yield self._finding("json.duplicate", message, offset, "delete one of both")
                keys[-1].add(key)
            elif lexeme in ("{", "["):
                if len(keys) == MAX_DEPTH:
                    message = f"it is nested deeper than {MAX_DEPTH}, the limit"
                    yield self._finding("json.depth", message, offset, "")
                    return
                keys.append(set())
            elif not lexeme.startswith('"'):
                if len(lexeme) > MAX_DIGITS:
                    message = f"the number is longer than {MAX_DIGITS} characters, the limit"
                    yield self._finding("json.number", message, offset, "")
                    return
                yield from self._word(lexeme, offset)

    def parse(self) -> Any:
        """The value of the whole text.

        Raises:
            ValueError: it is not JSON; its argument is a finding.
        """
        try:
            return json.loads(self.text)
        except json.JSONDecodeError as exc:
            hint = ""
            before = self.text[: exc.pos].rstrip()
            if before.endswith(",") and self.text[exc.pos : exc.pos + 1] in ("]", "}"):
                hint = "delete the comma before it"
            message = (
                f"the file is not JSON: {exc.msg[:1].lower()}{exc.msg[1:].removesuffix(' at')}"
            )
            raise ValueError(self._finding("json.syntax", message, exc.pos, hint)) from exc

    def locate(self, pointers: Collection[Pointer]) -> dict[Pointer, int]:
        """The offsets of values; a pointer that ends with a key has the offset of the key."""
        wanted, found = set(pointers), dict[Pointer, int]()
        path: list[str | int | None] = []
        for kind, _, offset in self._walk(path):
            if kind != "close" and (pointer := tuple(path)) in wanted:
                found.setdefault(pointer, offset)  # type: ignore[arg-type] # wanted has no `None`
        return found

    def locate_nearest(self, pointers: Collection[Pointer]) -> dict[Pointer, int]:
        """The offset of each value, or of the innermost value around it if it is missing."""
        around = {one: [one[:end] for end in range(len(one), -1, -1)] for one in pointers}
        found = self.locate({parent for parents in around.values() for parent in parents})
        return {
            one: next((found[parent] for parent in parents if parent in found), 0)
            for one, parents in around.items()
        }

    def _word(self, lexeme: str, offset: int) -> Iterator[Finding]:
        """Yield the mistake of a number or a name."""
        if lexeme in ("NaN", "Infinity", "-Infinity"):
            yield self._finding("json.number", f"{lexeme} is not JSON", offset, "use a number")
        elif match := NUMBER.fullmatch(lexeme):
            if not math.isfinite(float(lexeme)):
                message = f"{quoted(lexeme)} is too large for a number"
                yield self._finding("json.number", message, offset, "")
            elif not (match[1] or match[2]) and abs(int(lexeme)) > MAX_EXACT:
                message = f"{lexeme[:40]} has more digits than many programs keep"
                hint = "write it as a text"
                yield self._finding("json.precision", message, offset, hint, Severity.WARNING)

    def _walk(self, path: list[str | int | None]) -> Iterator[Event]:
        """Yield the events of the text; `path` leads to the value of each.

        It ends where the text is not JSON.
        """
        containers: list[str] = []
        at = 0
        while match := TOKEN.match(self.text, at):
            at = match.end()
            kind = match.lastgroup or ""
            lexeme, offset = match[kind], match.start(kind)
            if lexeme in ("{", "["):
                yield "value", lexeme, offset
                containers.append(lexeme)
                path.append(None if lexeme == "{" else 0)
            elif kind != "mark":
                if containers[-1:] == ["{"] and path[-1] is None:
                    try:
                        path[-1] = str(json.loads(lexeme))
                    except ValueError:
                        return
                    yield "key", lexeme, offset
                else:
                    yield "value", lexeme, offset
            elif lexeme != ":":
                if not containers:
                    return
                if lexeme == ",":
                    last = path[-1]
                    path[-1] = last + 1 if isinstance(last, int) else None
                else:
                    containers.pop()
                    path.pop()
                    yield "close", lexeme, offset

    def _finding(
        self, code: str, message: str, offset: int, hint: str, severity: Severity = Severity.ERROR
    ) -> Finding:
        line, column = self.place(offset)
        return Finding(severity, code, message, line, column, hint, "syntax")


def _has_half_a_pair(lexeme: str) -> bool:
    """Whether a text has half of a surrogate pair, such as an escaped d800 (RFC 8259, 8.2)."""
    if "\\ud" in lexeme or "\\uD" in lexeme:
        with suppress(json.JSONDecodeError):  # `parse` reports it
            try:
                json.loads(lexeme).encode()
            except UnicodeEncodeError:
                return True
    return False


def read_json_text(path: Path, max_bytes: int) -> JsonText:
    """The text of a JSON file in UTF-8; a byte order mark is left out.

    Raises:
        SourceError: it cannot be read.
        ValueError: it is not text; its argument is a finding.
    """
    with command_file(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        message = f"the file is larger than {max_bytes:,} bytes, the limit"
        raise ValueError(Finding(Severity.ERROR, "file.size", message, step="syntax"))
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4]:
        message, hint = "the file is UTF-16 or binary", "save it as UTF-8"
        raise ValueError(Finding(Severity.ERROR, "file.encoding", message, 1, 1, hint, "syntax"))
    try:
        return JsonText(data.removeprefix(BOM).decode())
    except UnicodeDecodeError as exc:
        before = data[: exc.start].removeprefix(BOM).decode()
        line, column = JsonText(before + "?").place(len(before))
        message = f"byte 0x{data[exc.start]:02x} is not UTF-8"
        raise ValueError(
            Finding(
                Severity.ERROR, "file.encoding", message, line, column, "save it as UTF-8", "syntax"
            )
        ) from exc
