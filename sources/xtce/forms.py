"""The two forms of command files: lines of text, and JSON.

DRIVE distance=12.5, mode=VISUAL    # names and values
/Rover/Mobility/DRIVE(12.5, VISUAL)
{"commands": [{"name": "DRIVE", "args": {"distance": 12.5, "mode": "VISUAL"}}]}
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sources.values.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.values.json_text import JsonText, Pointer

NAME = re.compile(r"\s*([\w/.$-]+)")
ARGUMENT_NAME = re.compile(r"([A-Za-z_]\w*)\s*[=:]\s*")
SINGLE_QUOTED = re.compile(r"'([^']*)'")
BARE = re.compile(r"[^\s,()=\"'#]+")
BLANK = re.compile(r"\s*")

_decode = json.JSONDecoder().raw_decode


class FormMistake(Exception):
    """A command does not have the form of one.

    Attributes:
        line: from 1.
        column: from 1.
        hint: how to fix it; may be empty.
    """

    def __init__(self, message: str, line: int, column: int, hint: str = "") -> None:
        self.line, self.column, self.hint = line, column, hint
        super().__init__(message)


@dataclass(slots=True)
class Given:
    """An argument as a file gives it.

    Attributes:
        name: of the argument; `None` if it is given by its position.
        value: a JSON value.
        line: from 1.
        column: of the value, from 1.
    """

    name: str | None
    value: Any
    line: int
    column: int


@dataclass(slots=True)
class Call:
    """A command as a file gives it.

    Attributes:
        name: of the command.
        line: from 1.
        column: of its name, from 1.
        arguments: in order.
    """

    name: str
    line: int
    column: int
    arguments: list[Given] = field(default_factory=list)


def parse_line(text: str, number: int) -> Call | None:
    """The command of a line; `None` for a blank line or a comment.

    Raises:
        FormMistake: it is not a command.
    """
    start = text.lstrip()
    if not start or start[0] == "#":
        return None
    match = NAME.match(text)
    if match is None:
        column = len(text) - len(start) + 1
        raise FormMistake("the line does not begin with the name of a command", number, column)
    call = Call(match[1], number, match.start(1) + 1)
    at = _skip(text, match.end())
    closing = ""
    if text[at : at + 1] == "(":
        closing, at = ")", _skip(text, at + 1)
    while at < len(text) and text[at] not in f"#{closing}":
        at = _argument(text, at, call)
    if closing and text[at : at + 1] != ")":
        raise FormMistake("the arguments are not closed", number, at + 1, "close them with )")
    rest = _skip(text, at + len(closing))
    if rest < len(text) and text[rest] != "#":
        message = f"unexpected {quoted(text[rest:])} after the command"
        raise FormMistake(message, number, rest + 1, "write one command per line")
    return call


def _argument(text: str, at: int, call: Call) -> int:
    """Append the argument at an offset; returns the offset after it and its comma."""
    name = None
    if (match := ARGUMENT_NAME.match(text, at)) is not None:
        name, at = match[1], match.end()
    mark = text[at : at + 1]
    value: Any
    if mark and mark in '{["':
        try:
            value, end = _decode(text, at)
        except (ValueError, RecursionError) as exc:
            message = "the value is not JSON"
            raise FormMistake(message, call.line, at + 1, "close it in the same line") from exc
    elif (quote := SINGLE_QUOTED.match(text, at)) is not None:
        value, end = quote[1], quote.end()
    elif (bare := BARE.match(text, at)) is not None:
        value, end = bare[0], bare.end()
    else:
        message = f"must be a value, not {quoted(mark or 'the end of the line')}"
        raise FormMistake(message, call.line, at + 1, "write NAME=VALUE")
    call.arguments.append(Given(name, value, call.line, at + 1))
    end = _skip(text, end)
    return _skip(text, end + 1) if text[end : end + 1] == "," else end


def _skip(text: str, at: int) -> int:
    match = BLANK.match(text, at)
    return match.end() if match else at


def read_calls(text: JsonText, content: Any) -> Iterator[Call | FormMistake]:
    """Yield the commands of a JSON file, and what is not one."""
    top: Pointer = ()
    if isinstance(content, dict) and "commands" in content:
        top, content = ("commands",), content["commands"]
    items = content if isinstance(content, list) else [content]
    pointers: list[Pointer] = [
        (*top, index) if isinstance(content, list) else top for index in range(len(items))
    ]
    keys = [(*pointer, key) for pointer in pointers for key in ("name", "command")]
    arguments = [
        (*pointer, key, name)
        for pointer, item in zip(pointers, items, strict=True)
        if isinstance(item, dict)
        for key in ("args", "arguments")
        for name, _ in _items(item.get(key))
    ]
    offsets = text.locate([*pointers, *keys, *arguments])

    def place(pointer: Pointer) -> tuple[int, int]:
        return text.place(offsets.get(pointer, 0))

    for pointer, item in zip(pointers, items, strict=True):
        key = next(
            (key for key in ("name", "command") if isinstance(item, dict) and key in item), ""
        )
        if not key or not isinstance(item[key], str):
            hint = 'write {"name": "COMMAND", "args": {"argument": 1}}'
            yield FormMistake("must be a command with a name", *place(pointer), hint)
            continue
        call = Call(item[key], *place((*pointer, key)))
        given = "args" if "args" in item else "arguments"
        values = item.get(given, {})
        if not isinstance(values, dict | list):
            hint = 'write {"argument": 1}'
            yield FormMistake(f"{given} must be an object or an array", *place(pointer), hint)
            continue
        for name, value in _items(values):
            at = place((*pointer, given, name))
            call.arguments.append(Given(None if isinstance(name, int) else name, value, *at))
        yield call


def _items(values: Any) -> list[tuple[str | int, Any]]:
    """The values of an object with their keys, or those of an array with their indexes."""
    if isinstance(values, dict):
        return list(values.items())
    return list(enumerate(values)) if isinstance(values, list) else []
