"""Encodes commands that are written in the usual form, ten times faster than the parser.

For each command, one regular expression matches its arguments: fields in the order of the
dictionary, numbers without underscores, and so on. For anything else, also for a mistake, the
result is `None`, and the parser decides. A test compares both for random arguments.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, TypeAlias

from sources.fprime.types import Array, Boolean, Enum, Float, Integer, Struct, Text, Type

if TYPE_CHECKING:
    from collections.abc import Callable

    from sources.fprime.dictionary import Command

    Converter: TypeAlias = Callable[[str], bytes]

MAX_LEAVES = 32
"""Maximum number of numbers and texts in the arguments of a command."""

GAP = r"(?:[ \t]++,?+[ \t]*+|,[ \t]*+)"
"""Between the name of the command and the arguments. Possessive, so that no line takes long."""

COMMA = r"[ \t]*+,[ \t]*+"

WHOLE = r"([+-]?(?:0|[1-9][0-9]{0,18}+))"
DECIMAL = r"([+-]?(?:[0-9]{1,15}+\.[0-9]{1,15}+|0|[1-9][0-9]{0,6}+))"
"""A whole number of at most seven digits, which is the same in 32 bits, or one with a fraction."""

TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")

UNUSUAL = (KeyError, ValueError, OverflowError, struct.error)
"""Exceptions of converters for values that the parser decides about."""


class _TooLarge(Exception):
    """The type has more than `MAX_LEAVES` leaves."""


class UsualForm:
    """The usual form of the arguments of a command.

    Args:
        command: its definition.
    """

    def __init__(self, command: Command) -> None:
        self._converters: list[Converter] = []
        try:
            patterns = [GAP + self._pattern(one.type) for one in command.parameters]
        except _TooLarge:
            patterns = ["(?!)"]  # matches nothing
        self._match = re.compile("".join(patterns) + r"[ \t]*+(?:;.*)?+").fullmatch
        self._header = command.header
        self._has_parameters = bool(command.parameters)

    def encode(self, arguments: str) -> bytes | None:
        """The command with its arguments, or `None` if the parser must decide.

        Args:
            arguments: the line after the name of the command.
        """
        if not arguments and not self._has_parameters:
            return self._header
        match = self._match(arguments)
        if match is None:
            return None
        texts = zip(self._converters, match.groups(), strict=True)
        try:
            return self._header + b"".join([convert(text) for convert, text in texts])
        except UNUSUAL:
            return None

    def _pattern(self, type_: Type) -> str:
        """The pattern of a type, with one group for each leaf."""
        match type_:
            case Array(size=size):
                if size > MAX_LEAVES:
                    raise _TooLarge
                items = COMMA.join(self._pattern(type_.element) for _ in range(size))
                return rf"\[[ \t]*+{items}[ \t]*+\]"
            case Struct(members=members):
                if len(members) > MAX_LEAVES:
                    raise _TooLarge
                items = COMMA.join(
                    rf"{re.escape(name)}[ \t]*+:[ \t]*+{self._pattern(member)}"
                    for name, member in members.items()
                )
                return rf"\{{[ \t]*+{items}[ \t]*+\}}"
            case _:
                return self._leaf(type_)

    def _leaf(self, type_: Type) -> str:
        if len(self._converters) == MAX_LEAVES:
            raise _TooLarge
        match type_:
            case Integer(code=code):
                integer = struct.Struct(code).pack
                self._converters.append(lambda text: integer(int(text)))
                return WHOLE
            case Float(code=code):
                number = struct.Struct(code).pack
                self._converters.append(lambda text: number(float(text)))
                return DECIMAL
            case Boolean(true=true, false=false):
                words = dict.fromkeys(TRUE, true) | dict.fromkeys(FALSE, false)
                self._converters.append(words.__getitem__)
                return f"({'|'.join(words)})"
            case Enum(members=members):
                self._converters.append(members.__getitem__)
                return r"([A-Za-z_][A-Za-z0-9_]*+)"
            case Text(size=size, length_code=code):
                self._converters.append(_text_converter(size, struct.Struct(code).pack))
                return r"""("[^"\\]*+"|'[^'\\]*+')"""
        raise _TooLarge


def _text_converter(size: int, length: Callable[[int], bytes]) -> Converter:
    def convert(text: str) -> bytes:
        encoded = text[1:-1].encode()
        if len(encoded) > size:
            raise ValueError(text)
        return length(len(encoded)) + encoded

    return convert
