"""The two forms of command files: lines of text, and JSON.

DRIVE distance=12.5, mode=VISUAL    # names and values
/Rover/Mobility/DRIVE(12.5, VISUAL)
{"commands": [{"name": "DRIVE", "args": {"distance": 12.5, "mode": "VISUAL"}}]}
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sources.values.wording import quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.values.json_text import Pointer

NAME = re.compile(r"\s*([\w/.$-]+)")
ARGUMENT_NAME = re.compile(r"([A-Za-z_]\w*)\s*[=:]\s*")
SINGLE_QUOTED = re.compile(r"'([^']*)'")
DIGITS_BESIDE_COMMA = re.compile(r"[0-9],[0-9]")
BARE = re.compile(r"[^\s,()=\"'#]+")
BLANK = re.compile(r"\s*")

NAME_KEYS = ("name", "command")
ARGUMENTS_KEYS = ("args", "arguments")
"""The keys of a command in JSON."""


class _DuplicateKey(ValueError):
    """An object has a key twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DuplicateKey(key)
        found[key] = value
    return found


_decode = json.JSONDecoder(object_pairs_hook=_object).raw_decode


class Spot(NamedTuple):
    """A place in a text: line and column, from 1."""

    line: int
    column: int


Place: TypeAlias = "Spot | Pointer"
"""A place in a text, or in JSON."""


class FormMistake(Exception):
    """A command does not have the form of one.

    Attributes:
        place: of the mistake.
        hint: how to fix it; may be empty.
    """

    def __init__(self, message: str, place: Place, hint: str = "") -> None:
        self.place, self.hint = place, hint
        super().__init__(message)


@dataclass(slots=True)
class Given:
    """An argument as a file gives it.

    Attributes:
        name: of the argument; `None` if it is given by its position.
        value: a JSON value.
        place: of the value.
    """

    name: str | None
    value: Any
    place: Place


@dataclass(slots=True)
class Call:
    """A command as a file gives it.

    Attributes:
        name: of the command.
        place: of its name.
        arguments: in order.
    """

    name: str
    place: Place
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
        raise FormMistake(
            "the line does not begin with the name of a command", Spot(number, column)
        )
    call = Call(match[1], Spot(number, match.start(1) + 1))
    at = _skip(text, match.end())
    closing = ""
    if text[at : at + 1] == "(":
        closing, at = ")", _skip(text, at + 1)
    while at < len(text) and text[at] not in f"#{closing}":
        at = _argument(text, at, call, number)
    if closing and text[at : at + 1] != ")":
        raise FormMistake("the arguments are not closed", Spot(number, at + 1), "close them with )")
    rest = _skip(text, at + len(closing))
    if rest < len(text) and text[rest] != "#":
        message = f"unexpected {quoted(text[rest:])} after the command"
        raise FormMistake(message, Spot(number, rest + 1), "write one command per line")
    return call


def _argument(text: str, at: int, call: Call, line: int) -> int:
    """Append the argument at an offset; returns the offset after it and its comma."""
    name = None
    if (match := ARGUMENT_NAME.match(text, at)) is not None:
        name, at = match[1], match.end()
    mark = text[at : at + 1]
    value: Any
    if mark and mark in '{["':
        try:
            value, end = _decode(text, at)
        except _DuplicateKey as exc:
            message = f"the key {quoted(str(exc))} is a duplicate"
            raise FormMistake(message, Spot(line, at + 1), "delete one of both") from exc
        except (ValueError, RecursionError) as exc:
            message = "the value is not JSON"
            raise FormMistake(message, Spot(line, at + 1), "close it in the same line") from exc
    elif (quote := SINGLE_QUOTED.match(text, at)) is not None:
        value, end = quote[1], quote.end()
    elif (bare := BARE.match(text, at)) is not None:
        value, end = bare[0], bare.end()
        if DIGITS_BESIDE_COMMA.match(text, end - 1):
            message = f"{quoted(text[at : end + 2])} has a comma between digits"
            hint = "write decimals with a point, and a blank after the comma between arguments"
            raise FormMistake(message, Spot(line, at + 1), hint)
    else:
        message = f"must be a value, not {quoted(mark or 'the end of the line')}"
        raise FormMistake(message, Spot(line, at + 1), "write NAME=VALUE")
    call.arguments.append(Given(name, value, Spot(line, at + 1)))
    end = _skip(text, end)
    return _skip(text, end + 1) if text[end : end + 1] == "," else end


def _skip(text: str, at: int) -> int:
    match = BLANK.match(text, at)
    return match.end() if match else at


def read_calls(content: Any) -> Iterator[Call | FormMistake]:
    """Yield the commands of a JSON file, and the mistakes in its form."""
    top: Pointer = ()
    if isinstance(content, dict) and "commands" in content:
        yield from _unknown(content, (), ("commands",))
        top, content = ("commands",), content["commands"]
    if not isinstance(content, list):
        yield from _call(content, top)
        return
    for index, item in enumerate(content):
        yield from _call(item, (*top, index))


def _call(item: Any, pointer: Pointer) -> Iterator[Call | FormMistake]:
    """Yield the command of an object, or its mistakes: a command with a mistake means nothing."""
    fields = item if isinstance(item, dict) else {}
    key, given = (_only(fields, *names) for names in (NAME_KEYS, ARGUMENTS_KEYS))
    mistakes = list(_unknown(fields, pointer, (key, given)))
    if not isinstance(fields.get(key), str):
        hint = 'write {"name": "COMMAND", "args": {"argument": 1}}'
        mistakes.append(FormMistake("must be a command with a name", pointer, hint))
    values = fields.get(given, {})
    if not isinstance(values, dict | list):
        place, hint = (*pointer, given), 'write {"argument": 1}'
        mistakes.append(FormMistake(f"{given} must be an object or an array", place, hint))
    if mistakes:
        yield from mistakes
        return
    call = Call(fields[key], (*pointer, key))
    for part, value in _items(values):
        place = (*pointer, given, part)
        call.arguments.append(Given(None if isinstance(part, int) else part, value, place))
    yield call


def _only(fields: dict[str, Any], first: str, second: str) -> str:
    """The one of two keys with the same meaning that is used."""
    return second if second in fields and first not in fields else first


def _unknown(
    fields: dict[str, Any], pointer: Pointer, known: tuple[str, ...]
) -> Iterator[FormMistake]:
    """Yield a mistake for each key that is not known, or repeats the meaning of one that is."""
    for key in fields:
        if key in known:
            continue
        names = next((names for names in (NAME_KEYS, ARGUMENTS_KEYS) if key in names), ())
        if other := next((one for one in names if one in known), ""):
            message = f"{quoted(key)} is the same as {quoted(other)}, which is there too"
            yield FormMistake(message, (*pointer, key), "delete one of both")
        else:
            message = f"a command has no member {quoted(key)}"
            if known == ("commands",):
                message = f"{quoted(key)} beside commands is not known"
            yield FormMistake(message, (*pointer, key), suggestion(key, known))


def _items(values: Any) -> list[tuple[str | int, Any]]:
    """The values of an object with their keys, or those of an array with their indexes."""
    if isinstance(values, dict):
        return list(values.items())
    return list(enumerate(values)) if isinstance(values, list) else []
