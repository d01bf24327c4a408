"""The types of arguments in an XTCE database, and the check of their values.

Source: OMG XTCE 1.2, `ArgumentTypeSet` (formal/18-10-04).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from sources.values.floats import exact
from sources.values.wording import listed, quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sources.values.patterns import Pattern

WHOLE = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+)", re.ASCII)
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
HEX = re.compile(r"(?:0[xX])?((?:[0-9a-fA-F]{2})*)")

ANY = "any"
"""The text of a range without limits."""

MAX_DIGITS = 400
"""Maximum length of a number."""


class Wrong(Exception):
    """A value is not of its type.

    Attributes:
        code: of the finding.
        hint: how to fix it; may be empty.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        self.code, self.hint = code, hint
        super().__init__(message)


class Type(Protocol):
    """A type of arguments."""

    @property
    def expected(self) -> str:
        """The values that it takes, for people."""
        ...

    def read(self, value: Any) -> Any:
        """The value in the type of its JSON; texts of numbers are read.

        Args:
            value: a JSON value.

        Raises:
            Wrong: it is not of this type.
        """
        ...


def _mismatch(expected: str, value: Any) -> Wrong:
    return Wrong("argument.type", f"must be {expected}, not {shown(value)}")


def shown(value: Any) -> str:
    """A value for people."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return quoted(value) if isinstance(value, str) else f"{value!r:.40}"


@dataclass(frozen=True, slots=True)
class Range:
    """A range of numbers; without a limit, a side is open.

    Attributes:
        low: lowest value.
        high: highest value.
        excludes_low: whether the lowest value is out of range.
        excludes_high: whether the highest value is out of range.
    """

    low: float = -math.inf
    high: float = math.inf
    excludes_low: bool = False
    excludes_high: bool = False

    def __contains__(self, value: float) -> bool:
        """Whether a number is in range."""
        return (self.low < value or (self.low == value and not self.excludes_low)) and (
            value < self.high or (value == self.high and not self.excludes_high)
        )

    def __str__(self) -> str:
        """The range for people."""
        low = f"{'more than' if self.excludes_low else 'at least'} {exact(self.low)}"
        high = f"{'less than' if self.excludes_high else 'at most'} {exact(self.high)}"
        sides = [low] if self.low > -math.inf else []
        return " and ".join([*sides, high] if self.high < math.inf else sides) or ANY


@dataclass(frozen=True, slots=True)
class Number:
    """A number.

    Attributes:
        is_whole: whether it has no fraction.
        limits: of its size in bits.
        ranges: that are valid; it is in one of them; empty for all.
        unit: for people.
    """

    is_whole: bool
    limits: Sequence[Range] = ()
    ranges: Sequence[Range] = ()
    unit: str = ""

    @property
    def expected(self) -> str:
        """Its ranges."""
        noun = "a whole number" if self.is_whole else "a number"
        shown_ranges = [str(one) for one in self.ranges or self.limits[:1]]
        ranges = " or ".join(one for one in shown_ranges if one != ANY)
        return " ".join(filter(None, (noun, f"of {ranges}" if ranges else "", self.unit)))

    def read(self, value: Any) -> Any:
        """The number."""
        if isinstance(value, str):
            value = self._parse(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _mismatch(self.expected, value)
        if isinstance(value, float) and not math.isfinite(value):
            raise Wrong("argument.finite", f"must be {self.expected}, not {shown(value)}")
        if self.is_whole and isinstance(value, float):
            if value != int(value):
                raise _mismatch(self.expected, value)
            value = int(value)
        is_valid = not self.ranges or any(value in one for one in self.ranges)
        if not is_valid or any(value not in one for one in self.limits):
            raise Wrong("argument.range", f"must be {self.expected}, not {value!r:.40}")
        return value

    def _parse(self, text: str) -> Any:
        if len(text) > MAX_DIGITS:
            raise Wrong("argument.range", f"must be {self.expected}, not {quoted(text)}")
        if WHOLE.fullmatch(text):
            return int(text, 16) if "x" in text.lower() else int(text)
        if NUMBER.fullmatch(text):
            if math.isfinite(number := float(text)):
                return number
            raise Wrong("argument.range", f"must be {self.expected}, not {quoted(text)}")
        if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
            raise Wrong("argument.finite", f"must be {self.expected}, not {quoted(text)}")
        raise _mismatch(self.expected, text)


@dataclass(frozen=True, slots=True)
class Enumeration:
    """One of several labels; the numbers of the labels are for hints."""

    labels: Mapping[str, int]

    @property
    def expected(self) -> str:
        """Its labels."""
        return f"one of {listed(self.labels)}"

    def read(self, value: Any) -> Any:
        """The label."""
        if isinstance(value, str) and value in self.labels:
            return value
        by_number = {str(number): label for label, number in self.labels.items()}
        hint = ""
        if isinstance(value, str | int) and str(value) in by_number:
            hint = f"did you mean {by_number[str(value)]}?"
        elif isinstance(value, str):
            hint = suggestion(value, self.labels)
        code = "argument.member" if isinstance(value, str) else "argument.type"
        raise Wrong(code, f"must be {self.expected}, not {shown(value)}", hint)


@dataclass(frozen=True, slots=True)
class Boolean:
    """One of two words."""

    true: str = "True"
    false: str = "False"

    @property
    def expected(self) -> str:
        """Its words."""
        return f"{self.true} or {self.false}"

    def read(self, value: Any) -> Any:
        """Whether it is true."""
        if isinstance(value, bool):
            return value
        if isinstance(value, str):
            words = {"true": True, "false": False} | {
                self.true.lower(): True,
                self.false.lower(): False,
            }
            if value.lower() in words:
                return words[value.lower()]
        raise _mismatch(self.expected, value)


@dataclass(frozen=True, slots=True)
class Text:
    """A text with a length in characters, a size in bytes and a pattern."""

    characters: Range = field(default_factory=Range)
    max_bytes: float = math.inf
    pattern: Pattern | None = None

    @property
    def expected(self) -> str:
        """Its length."""
        length = "" if str(self.characters) == ANY else f" of {self.characters} characters"
        size = "" if self.max_bytes == math.inf else f" of at most {self.max_bytes:g} bytes"
        return f"a text{length}{size}"

    def read(self, value: Any) -> Any:
        """The text."""
        if not isinstance(value, str):
            raise _mismatch(self.expected, value)
        size = len(value.encode(errors="surrogatepass"))
        if len(value) not in self.characters or size > self.max_bytes:
            message = f"must be {self.expected}, not of {len(value):,} characters"
            raise Wrong("argument.length", message)
        if self.pattern is not None and (fault := self.pattern.fault(value)):
            raise Wrong("argument.pattern", f"{fault}; it is {quoted(value)}")
        return value


@dataclass(frozen=True, slots=True)
class Binary:
    """Bytes in hexadecimal digits."""

    max_bytes: float = math.inf

    @property
    def expected(self) -> str:
        """Its size."""
        size = "" if self.max_bytes == math.inf else f", at most {self.max_bytes:g} bytes"
        return f"an even number of hexadecimal digits{size}"

    def read(self, value: Any) -> Any:
        """The digits."""
        match = HEX.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise _mismatch(self.expected, value)
        if len(match[1]) / 2 > self.max_bytes:
            raise Wrong("argument.length", f"must be {self.expected}, not {len(match[1]) // 2:,}")
        return match[1].lower()


@dataclass(frozen=True, slots=True)
class AbsoluteTime:
    """A time in UTC, as ISO 8601."""

    expected = "a time such as 2026-11-28T12:00:00Z"

    def read(self, value: Any) -> Any:
        """The time as it is written."""
        try:
            datetime.fromisoformat(value)
        except (ValueError, TypeError) as exc:
            raise _mismatch(self.expected, value) from exc
        return value


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An object with members."""

    members: Mapping[str, Type]

    @property
    def expected(self) -> str:
        """Its members."""
        return f"an object with {listed(self.members)}"

    def read(self, value: Any) -> Any:
        """The object."""
        if not isinstance(value, dict):
            raise _mismatch(self.expected, value)
        for name in value:
            if name not in self.members:
                hint = suggestion(name, self.members)
                raise Wrong("argument.member", f"has no member {quoted(name)}", hint)
        if missing := [name for name in self.members if name not in value]:
            raise Wrong("argument.member", f"lacks {listed(missing)}")
        return {name: _within(name, type_, value[name]) for name, type_ in self.members.items()}


@dataclass(frozen=True, slots=True)
class Array:
    """Items of one type; `size` is `None` if the database does not fix their number."""

    item: Type
    size: int | None

    @property
    def expected(self) -> str:
        """Its number of items."""
        return "an array" if self.size is None else f"an array of {self.size} items"

    def read(self, value: Any) -> Any:
        """The items."""
        if not isinstance(value, list):
            raise _mismatch(self.expected, value)
        if self.size is not None and len(value) != self.size:
            raise Wrong("argument.elements", f"must be {self.expected}, not {len(value)}")
        return [_within(f"item {index}", self.item, item) for index, item in enumerate(value)]


def _within(name: str, type_: Type, value: Any) -> Any:
    """The value of a part, whose name is in the error."""
    try:
        return type_.read(value)
    except Wrong as exc:
        raise Wrong(exc.code, f"{name} {exc}", exc.hint) from exc
