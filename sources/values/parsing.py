"""Parses JSON payloads, and names the reason if one cannot be parsed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from sources.base import SourceError

MAX_PAYLOAD_BYTES = 2**20
"""Maximum bytes of one payload; a batch may be larger."""


class PayloadRefused(SourceError):
    """A payload cannot be read as samples.

    Attributes:
        reason: why.
        place: where in the payload, such as `line 3`; may be empty.
    """

    def __init__(self, reason: str, place: str = "") -> None:
        self.reason = reason
        self.place = place
        super().__init__(f"{place}: {reason}" if place else reason)


class NotJson(PayloadRefused):
    """A payload is not JSON."""


def check_size(payload: bytes | str) -> None:
    """Raise `PayloadRefused` for a payload that is too large."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadRefused(
            f"the payload has {len(payload):,} bytes, more than {MAX_PAYLOAD_BYTES:,}"
        )


def decode(payload: bytes | str) -> str:
    """The text of a payload.

    Raises:
        PayloadRefused: it is not UTF-8.
    """
    try:
        return payload if isinstance(payload, str) else payload.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise PayloadRefused(f"not UTF-8: {exc.reason} at byte {exc.start:,}") from exc


def parse(text: str) -> Any:
    """The JSON value in a text.

    Raises:
        NotJson: it is not JSON.
        PayloadRefused: it is nested too deep, or an object has the same name twice.
    """
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as exc:
        place = f"line {exc.lineno}" if "\n" in text.strip() else ""
        raise NotJson(f"not JSON ({exc.msg}, column {exc.colno})", place) from exc
    except RecursionError as exc:
        raise PayloadRefused("nested too deep") from exc


def at(value: Any, place: str) -> Any:
    """The value at a dotted place, or `None`."""
    for key in place.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def noun(value: Any) -> str:
    """A JSON value in a few words, for errors."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "an object"
        case list():
            return "a list"
        case str():
            return f"the text {value[:40]!r}"
        case _:
            return repr(value)[:40]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without duplicate names, so that no value is lost."""
    made = dict(pairs)
    if len(made) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise PayloadRefused(f"the name {name[:40]!r} is used twice")
    return made


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= 20 else float(digits)  # `int` refuses 5,000 digits


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole_number)
