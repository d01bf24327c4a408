"""The syntax of F Prime's sequences: one command per line, with a time before it.

    R00:00:01.500 cmdDisp.CMD_STRING "text", 3.5, {x: 10, y: -0x1A}, [1, 2]  ; a comment
    A2026-175T21:12:40 cmdDisp.CMD_NO_OP

Source: the grammar of fprime-gds 4.4, `common/parsers/grammar.lark`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sources.values.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN = re.compile(
    r"""[ \t\f]*+(?:
        (?P<text>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')
        |(?P<mark>[\[\]{},:])
        |(?P<end>;.*|$)
        |(?P<word>[^\s\[\]{},:;"']++)
        |(?P<open>["'])
        |(?P<bad>.)
    )""",
    re.VERBOSE | re.DOTALL,
)

DIGITS = r"[0-9](?:_?[0-9])*+"
INTEGER = re.compile(r"[+-]?(?:[1-9](?:_?[0-9])*+|0(?:_?0)*+|0[xX](?:_?[0-9a-fA-F])++)")
FLOAT = re.compile(
    rf"[+-]?(?:{DIGITS}[eE][+-]?{DIGITS}|(?:{DIGITS})?\.{DIGITS}(?:[eE][+-]?{DIGITS})?)"
)
NAME = re.compile(r"\$?[^\W\d]\w*+(?:\.\w++)*+")

CLOSING = {"[": "]", "{": "}"}

MAX_DEPTH = 32
"""Maximum depth of arrays and objects in each other."""

Kind = Literal["integer", "float", "text", "name", "array", "object"]


class SyntaxMistake(Exception):
    """A statement does not have the syntax of a command.

    Attributes:
        code: of the finding.
        offset: in the statement, from 0.
        hint: how to fix it.
    """

    def __init__(self, code: str, message: str, offset: int, hint: str = "") -> None:
        self.code, self.offset, self.hint = code, offset, hint
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Value:
    """An argument, or a part of one.

    Attributes:
        kind: of its syntax.
        offset: in the statement, from 0.
        text: as written; that of a text without its quotes.
        items: of an array; the values of an object.
        keys: of an object, with their offsets.
    """

    kind: Kind
    offset: int
    text: str = ""
    items: Sequence[Value] = ()
    keys: Sequence[tuple[str, int]] = ()

    def __str__(self) -> str:
        """The value, for people."""
        if self.kind in ("array", "object"):
            return f"an {self.kind}"
        return f"the text {quoted(self.text)}" if self.kind == "text" else quoted(self.text)


def parse_arguments(statement: str, start: int) -> list[Value]:
    """The arguments of a statement, whose command name ends at `start`.

    Raises:
        SyntaxMistake: they are not arguments.
    """
    return _Parser(statement, start).arguments()


class _Parser:
    def __init__(self, statement: str, start: int) -> None:
        self._statement = statement
        self._at = start
        self._advance()

    def _advance(self) -> None:
        """Read the next token."""
        match = TOKEN.match(self._statement, self._at)
        assert match is not None  # noqa: S101 # the pattern matches anything
        self._kind = match.lastgroup or ""
        self._lexeme = match[self._kind]
        self._offset = match.start(self._kind)
        self._at = match.end()

    def arguments(self) -> list[Value]:
        found: list[Value] = []
        while self._kind != "end":
            if self._lexeme == ",":
                comma = self._offset
                self._advance()
                if self._kind == "end" or self._lexeme == ",":
                    raise SyntaxMistake(
                        "syntax.value", "a value is missing after the comma", comma, "delete it"
                    )
            found.append(self._value(0))
        return found

    def _value(self, depth: int) -> Value:
        kind, token, offset = self._kind, self._lexeme, self._offset
        if kind == "mark" and token in CLOSING:
            if depth == MAX_DEPTH:
                message = f"arrays and objects are nested deeper than {MAX_DEPTH}, the limit"
                raise SyntaxMistake("syntax.depth", message, offset)
            self._advance()
            return self._container(token, offset, depth + 1)
        self._advance()
        if kind == "text":
            return Value("text", offset, token[1:-1])
        if kind == "word":
            return _word(token, offset)
        if kind == "open":
            message, hint = "the text has no closing quote", f"end it with {token} in the same line"
            raise SyntaxMistake("syntax.unclosed", message, offset, hint)
        shown = "the end of the line" if kind == "end" else quoted(token)
        raise SyntaxMistake("syntax.value", f"must be a value, not {shown}", offset)

    def _container(self, mark: str, offset: int, depth: int) -> Value:
        items: list[Value] = []
        keys: list[tuple[str, int]] = []
        while self._lexeme != CLOSING[mark] or self._kind != "mark":
            if self._kind == "end":
                noun = "array" if mark == "[" else "object"
                message, hint = f"the {noun} is not closed", f"close it with {CLOSING[mark]}"
                raise SyntaxMistake("syntax.unclosed", message, offset, hint)
            if mark == "{":
                keys.append(self._key())
            items.append(self._value(depth))
            if self._lexeme == "," and self._kind == "mark":
                self._advance()
            elif not (self._kind == "end" or self._lexeme == CLOSING[mark]):
                message = f"must be a comma or {CLOSING[mark]}, not {quoted(self._lexeme)}"
                raise SyntaxMistake("syntax.value", message, self._offset)
        self._advance()
        return Value("array" if mark == "[" else "object", offset, "", items, keys)

    def _key(self) -> tuple[str, int]:
        token, offset = self._lexeme, self._offset
        if self._kind != "word" or NAME.fullmatch(token) is None:
            hint = "write it without quotes" if self._kind == "text" else ""
            message = f"must be the name of a field, not {quoted(token)}"
            raise SyntaxMistake("syntax.value", message, offset, hint)
        self._advance()
        if self._lexeme != ":":
            message = f"must be a colon after {token}"
            raise SyntaxMistake("syntax.value", message, self._offset, f"write {token}: VALUE")
        self._advance()
        return token, offset


def _word(token: str, offset: int) -> Value:
    if NAME.fullmatch(token):
        return Value("name", offset, token)
    if INTEGER.fullmatch(token):
        return Value("integer", offset, token)
    if FLOAT.fullmatch(token):
        return Value("float", offset, token)
    hint = ""
    if re.fullmatch(r"[+-]?0+[0-9]+", token):
        hint = "write the number without leading zeros"
    elif re.fullmatch(r"[+-]?[0-9]+\.", token):
        hint = f"write {token}0"
    elif token in ("+", "-"):
        hint = "write the sign next to the digits of a number"
    message = f"must be a number, a text in quotes or a name, not {quoted(token)}"
    raise SyntaxMistake("syntax.value", message, offset, hint)
